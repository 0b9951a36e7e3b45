"""What uvicorn serves, or another ASGI server. Files are served along: a real site would leave that to the web server
before it.
"""

import os

from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "example_project.settings")
application = ASGIStaticFilesHandler(get_asgi_application())
