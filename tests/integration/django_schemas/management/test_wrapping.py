"""Commands that look for unapplied migrations look where they are recorded."""

from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.management.commands import createsuperuser
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.core.management.commands import migrate

from django_schemas.management.commands.runserver import Command as Runserver
from django_schemas.management.wrapping import command_behind
from tenancy.management.commands import tenant
from tests.apps.garage.witness import Place


def superuser(name: str, **options: Any) -> str:
    out = StringIO()
    call_command("createsuperuser", username=name, email="", interactive=False, stdout=out, **options)
    return out.getvalue()


def test_nothing_is_said_where_nothing_is_missing(acme: Place) -> None:
    """The records are those of the active schema; without one, of all that `migrate` migrates."""
    with acme.active():
        assert superuser("in-acme") == "Superuser created successfully.\n"
    assert superuser("in-registry") == "Superuser created successfully.\n"
    assert acme(User).objects.filter(username__startswith="in-").get().username == "in-acme"


def test_what_the_active_schema_lacks(acme: Place, initech: Place, write_migrations: Callable[..., str]) -> None:
    """It is counted, whichever database the schema is in, and the command that brings it is named."""
    write_migrations(_0003_more="class Migration(migrations.Migration):\n    dependencies = []\n    operations = []")
    for place in (acme, initech):
        with place.active():
            assert superuser("late").splitlines() == [
                "",
                f"You have 1 unapplied migration(s). Run 'python manage.py migrate_schema {place.db} "
                f"--schema {place.schema}' to apply them.",
                "Superuser created successfully.",
            ]


def test_what_is_missing_in_no_schema_in_particular(write_migrations: Callable[..., str]) -> None:
    """Schemas of multi-schema environments are not looked into while none is active."""
    write_migrations(_0003_more="class Migration(migrations.Migration):\n    dependencies = []\n    operations = []")
    out = StringIO()
    Runserver(stdout=out).check_migrations()
    assert out.getvalue() == ""


def test_the_command_behind() -> None:
    """Ours stand in front of the command that there would be without us: an app's, else Django's own."""
    assert command_behind("createsuperuser") is createsuperuser.Command
    assert command_behind("tenant") is tenant.Command
    assert command_behind("migrate") is migrate.Command
    with pytest.raises(CommandError, match="Unknown command"):
        command_behind("tenants")().handle()
