"""The files of the projects that are adopted: what the tutorials of the packages say, as small as it runs.

Each has the settings it comes with, `before`, and `after`, with what docs/adopting.md tells to write.
"""

import re
import shlex
from pathlib import Path

__all__ = ["PGSCHEMAS", "PLAIN", "TENANTS", "commands"]

_PAGE = (Path(__file__).resolve().parents[2] / "docs" / "adopting.md").read_text()


def commands(section: str) -> list[list[str]]:
    """The commands of a section of docs/adopting.md, each as what follows `manage.py`."""
    return [shlex.split(line)[2:] for line in _block(section, "sh").splitlines()]


def _settings(section: str, base: str = "common") -> str:
    """What a section tells to write, behind what the project has."""
    return f"from {base} import *\n" + _block(section, "python")


def _block(section: str, language: str) -> str:
    text = _PAGE.partition(f"## {section}\n")[2].partition("\n## ")[0]
    (block,) = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
    return str(block)


_DATABASE = """
import os
from urllib.parse import urlsplit

_url = urlsplit(os.environ["DATABASE_URL"])
DATABASES = {
    "default": {"NAME": _url.path[1:], "USER": _url.username, "HOST": _url.hostname, "PORT": _url.port}
}
SECRET_KEY = "for tests only"
ALLOWED_HOSTS = ["*"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
ROOT_URLCONF = "urls"
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
"""
_CONTRIB = """
CONTRIB = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.admin",
]
"""
_APPS = {
    "urls.py": "urlpatterns = []\n",
    "common.py": _DATABASE + _CONTRIB,
    "hotels/__init__.py": "",
    "hotels/migrations/__init__.py": "",
    "catalog/__init__.py": "",
    "catalog/migrations/__init__.py": "",
    "catalog/models.py": """
from django.db import models


class Country(models.Model):
    name = models.CharField(max_length=50)
""",
    "hotels/models.py": """
from django.conf import settings
from django.db import models


class Tag(models.Model):
    name = models.CharField(max_length=20)


class Hotel(models.Model):
    name = models.CharField(max_length=50)
    country = models.ForeignKey("catalog.Country", on_delete=models.PROTECT)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    tags = models.ManyToManyField(Tag)
""",
}

PLAIN = {
    **_APPS,
    "before.py": """
from common import *

DATABASES["default"]["ENGINE"] = "django.db.backends.postgresql"
INSTALLED_APPS = [*CONTRIB, "django.contrib.messages", "catalog", "hotels"]
""",
    "after.py": _settings("From a project with one customer", base="before"),
}


TENANTS = {
    **_APPS,
    "customers/__init__.py": "",
    "customers/migrations/__init__.py": "",
    "customers/models.py": """
from django.db import models
from django_tenants.models import DomainMixin, TenantMixin


class Client(TenantMixin):
    name = models.CharField(max_length=100)
    paid_until = models.DateField()
    on_trial = models.BooleanField()
    created_on = models.DateField(auto_now_add=True)

    auto_create_schema = True


class Domain(DomainMixin):
    pass
""",
    "before.py": """
from common import *

DATABASES["default"]["ENGINE"] = "django_tenants.postgresql_backend"
DATABASE_ROUTERS = ["django_tenants.routers.TenantSyncRouter"]
MIDDLEWARE = ["django_tenants.middleware.main.TenantMainMiddleware", *MIDDLEWARE]
SHARED_APPS = ["django_tenants", "customers", *CONTRIB, "django.contrib.messages", "catalog"]
TENANT_APPS = [*CONTRIB, "django.contrib.messages", "hotels"]
INSTALLED_APPS = SHARED_APPS + [app for app in TENANT_APPS if app not in SHARED_APPS]
TENANT_MODEL = "customers.Client"
TENANT_DOMAIN_MODEL = "customers.Domain"
""",
    "after.py": _settings("From django-tenants"),
    "fill.py": """
from datetime import date

from catalog.models import Country
from customers.models import Client, Domain
from django.contrib.auth.models import User
from django_tenants.utils import tenant_context
from hotels.models import Hotel, Tag

chile = Country.objects.create(name="Chile")
for schema, name in (("public", "The platform"), ("acme", "Acme Inc"), ("big_corp", "Big Corp"), ("cyan", "Cyan")):
    client = Client.objects.create(schema_name=schema, name=name, paid_until=date(2030, 1, 1), on_trial=False)
    Domain.objects.create(domain=f"{schema.replace('_', '-')}.my-domain.com", tenant=client, is_primary=True)
    with tenant_context(client):
        user = User.objects.create_user(f"admin-of-{schema}", password="sesame")
        if schema != "public":
            for number in range(3):
                hotel = Hotel.objects.create(name=f"{schema} {number}", country=chile, owner=user)
                hotel.tags.add(Tag.objects.create(name=f"tag of {schema}"))
""",
}

PGSCHEMAS = {
    **_APPS,
    "tenants/__init__.py": "",
    "tenants/migrations/__init__.py": "",
    "tenants/models.py": """
from django.db import models
from django_pgschemas.models import TenantModel
from django_pgschemas.routing.models import DomainModel


class Tenant(TenantModel):
    name = models.CharField(max_length=100)


class Domain(DomainModel):
    pass
""",
    "before.py": """
from common import *

DATABASES["default"]["ENGINE"] = "django_pgschemas.postgresql"
DATABASE_ROUTERS = ["django_pgschemas.routers.TenantAppsRouter"]
MIDDLEWARE = ["django_pgschemas.routing.middleware.DomainRoutingMiddleware", *MIDDLEWARE]
TENANTS = {
    "public": {"APPS": ["django.contrib.contenttypes", "django_pgschemas", "tenants", "catalog"]},
    "www": {"APPS": CONTRIB[1:], "URLCONF": "urls", "DOMAINS": ["my-domain.com"]},
    "default": {
        "TENANT_MODEL": "tenants.Tenant",
        "DOMAIN_MODEL": "tenants.Domain",
        "APPS": [*CONTRIB[1:], "hotels"],
        "URLCONF": "urls",
    },
}
INSTALLED_APPS = ["django_pgschemas", "tenants", *CONTRIB, "django.contrib.messages", "catalog", "hotels"]
""",
    "after.py": _settings("From django-pgschemas"),
    "fill.py": """
from catalog.models import Country
from django.contrib.auth.models import User
from django_pgschemas.schema import Schema
from hotels.models import Hotel, Tag
from tenants.models import Domain, Tenant

chile = Country.objects.create(name="Chile")
for schema, name in (("acme", "Acme Inc"), ("big_corp", "Big Corp"), ("cyan", "Cyan")):
    tenant = Tenant.objects.create(schema_name=schema, name=name)
    label = schema.replace("_", "-")
    Domain.objects.create(tenant=tenant, domain=f"{label}.my-domain.com", is_primary=True)
    Domain.objects.create(tenant=tenant, domain=f"{label}.example.org", is_primary=False, redirect_to_primary=True)
    with tenant:
        user = User.objects.create_user(f"admin-of-{schema}", password="sesame")
        for number in range(3):
            hotel = Hotel.objects.create(name=f"{schema} {number}", country=chile, owner=user)
            hotel.tags.add(Tag.objects.create(name=f"tag of {schema}"))
""",
}
