"""What servers serve that tests start: this site, with the test databases and the settings that a variable names."""

import json
import os

import django
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler

_wanted = json.loads(os.environ["SITE"])
for _alias, _changes in _wanted["databases"].items():
    settings.DATABASES[_alias].update(_changes)
settings.TENANCY.update(_wanted["tenancy"])
django.setup()

wsgi = WSGIHandler()
asgi = ASGIHandler()
