"""The files of small projects whose own tests use the kit: a help desk with two databases, whose tenants have tickets.

Each schema that is made appends a line to the file MARKS, since a migration of theirs runs code.
"""

from pathlib import Path

__all__ = ["DESK", "classes"]

_SETTINGS = """
import os
from pathlib import Path
from urllib.parse import urlsplit

FOLDER = Path(__file__).parent
_url = urlsplit(os.environ["DATABASE_URL"])


def database(name, **options):
    at = {"USER": _url.username, "HOST": _url.hostname, "PORT": _url.port}
    return {"ENGINE": "django_schemas.backends.postgres.wrapper", "NAME": name, **at, **options}


DATABASES = {
    "default": database(_url.path[1:], ENVIRONMENTS=["registry", "tenant"]),
    "shard2": database(_url.path[1:] + "_shard", ENVIRONMENTS=["tenant"]),
}
CONTRIB = ["django.contrib.contenttypes", "django.contrib.auth", "django.contrib.sessions"]
DATABASE_ENVIRONMENTS = {
    "registry": {"SCHEMA_NAME": "registry", "APPS": CONTRIB},
    "tenant": {"APPS": CONTRIB},
}
DATABASE_ROUTERS = ["django_schemas.routers.ExplicitRouter"]
INSTALLED_APPS = ["django_schemas", "tenancy", *CONTRIB, "tickets"]
MIDDLEWARE = [
    "tenancy.middleware.TenantMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
TENANCY = {"BASE_DOMAIN": "desk.test", "PUBLIC_URLCONF": "tickets.urls"}
ROOT_URLCONF = "tickets.urls"
ALLOWED_HOSTS = [".desk.test"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
SECRET_KEY = "for tests only"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
"""
_MODELS = """
from django_schemas import models


class Ticket(models.Model):
    subject = models.CharField(max_length=200)

    class Meta:
        db_environment = "tenant"


class Notice(models.Model):
    text = models.CharField(max_length=200)

    class Meta:
        db_environment = "registry"
"""
_MIGRATION = """
from django.conf import settings
from django.db import migrations, models


def leave_mark(apps, schema_editor):
    with (settings.FOLDER / "MARKS").open("a") as file:
        file.write(schema_editor.connection.settings_dict["NAME"] + "\\n")


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(
            "Ticket",
            [("id", models.BigAutoField(primary_key=True)), ("subject", models.CharField(max_length=200))],
            {"db_environment": "tenant"},
        ),
        migrations.CreateModel(
            "Notice",
            [("id", models.BigAutoField(primary_key=True)), ("text", models.CharField(max_length=200))],
            {"db_environment": "registry"},
        ),
        migrations.RunPython(leave_mark, migrations.RunPython.noop, hints={"environment": "tenant"}),
    ]
"""
_URLS = '''
from django.db import connection
from django.http import HttpResponse, JsonResponse
from django.urls import path

from tickets.models import Notice, Ticket
from tenancy.registry import tenant_model


def subjects(request):
    found = [ticket.subject for ticket in Ticket.objects.order_by("pk")]
    return JsonResponse({"subjects": found, "user": request.user.get_username()})


async def asubjects(request):
    return JsonResponse({"subjects": [ticket.subject async for ticket in Ticket.objects.order_by("pk")]})


def add(request):
    Ticket.objects.create(subject=request.GET["subject"])
    return subjects(request)


def tickets(request):
    return HttpResponse("".join(f"<li>{ticket.subject}</li>" for ticket in Ticket.objects.all()))


def leak(request):
    """Reads all tenants' tickets, as a report that somebody wrote in a hurry."""
    found = []
    for tenant in tenant_model().objects.all():
        found += Ticket.set_db(tenant.db, tenant.schema_name).objects.values_list("subject", flat=True)
    return JsonResponse({"subjects": found})


def swallow(request):
    """Does the same, and hides what goes wrong."""
    try:
        return leak(request)
    except Exception:
        return JsonResponse({})


def raw(request):
    with connection.cursor() as cursor:
        cursor.execute('SELECT subject FROM "tenant-b".tickets_ticket')
        return JsonResponse({"subjects": [row[0] for row in cursor.fetchall()]})


def look_around(request):
    with connection.cursor() as cursor:
        cursor.execute('SET search_path TO "tenant-b"')
        cursor.execute("SELECT subject FROM tickets_ticket")
        found = [row[0] for row in cursor.fetchall()]
        cursor.execute("RESET search_path")
    return JsonResponse({"subjects": found})


def announce(request):
    Notice.objects.create(text="From a tenant's page")
    return JsonResponse({})


views = [subjects, asubjects, add, tickets, leak, swallow, raw, look_around, announce]
urlpatterns = [path(f"{view.__name__}/", view) for view in views]
'''

_CONFTEST = """
import pytest


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items):
    # Tests that commit come where they stand, not last, as pytest-django has them.
    written = list(items)
    yield
    items.sort(key=written.index)
"""

DESK = {
    "conftest.py": _CONFTEST,
    "pytest.ini": "[pytest]\naddopts = -p no:asyncio\n",
    "test_desk.py": (Path(__file__).parent / "desk_tests.py").read_text(),
    "settings.py": _SETTINGS,
    "tickets/__init__.py": "",
    "tickets/models.py": _MODELS,
    "tickets/urls.py": _URLS,
    "tickets/migrations/__init__.py": "",
    "tickets/migrations/0001_initial.py": _MIGRATION,
}


def classes(number: int, base: str, imported: str, body: str = "Ticket.objects.create(subject='x')") -> str:
    """A module of so many test cases with one test each."""
    head = f"{imported}\nfrom tickets.models import Ticket\n"
    each = "class T{}({}):\n    def test(self):\n        {}\n        self.assertEqual(Ticket.objects.count(), 1)\n"
    return head + "\n".join(each.format(index, base, body) for index in range(number))
