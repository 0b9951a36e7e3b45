"""What gunicorn serves. Files are served along: a real site would leave that to the web server before it."""

import os

from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "example_project.settings")
application = StaticFilesHandler(get_wsgi_application())
