"""Selectors: which tenants a subcommand works on."""

import json
from contextlib import nullcontext
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tenancy.models import Domain, Tenant

pytestmark = pytest.mark.django_db(databases="__all__")


def chosen(*args: str) -> list[str]:
    """Slugs of the tenants that `tenant list` lists."""
    out = StringIO()
    call_command("tenant", "list", *args, "--json", stdout=out)
    return [each["slug"] for each in json.loads(out.getvalue())]


@pytest.mark.parametrize(
    ("args", "slugs"),
    [
        ([], ["hooli", "umbrella", "vehement"]),
        (["--all"], ["hooli", "umbrella", "vehement"]),
        (["vehement", "hooli"], ["vehement", "hooli"]),
        (["hooli", "hooli"], ["hooli"]),
        (["--db", "shard2"], ["umbrella"]),
        (["--db", "shard2", "--db", "default"], ["hooli", "umbrella", "vehement"]),
        (["--status", "suspended"], ["vehement"]),
        (["--status", "suspended", "--status", "active", "--db", "default"], ["hooli", "vehement"]),
        (["--exclude", "hooli"], ["umbrella", "vehement"]),
        (["--where", "slug__startswith=h"], ["hooli"]),
        (["--where", "slug__in=hooli,umbrella", "--where", "db=default"], ["hooli"]),
        (["--where", "settings__plan=gold"], ["hooli"]),
        (["--where", "settings__seats__gt=5"], ["hooli"]),
        (["--where", "work__isnull=true", "--exclude", "umbrella"], ["hooli", "vehement"]),
        (["--where", "domains__host__endswith=.test"], ["hooli"]),
        (["--where", "created_at__lt=2001-01-01"], []),
        (["--where", "name=a=b"], []),
        (["vehement", "hooli", "--db", "default", "--where", "status=suspended"], ["vehement"]),
    ],
)
def test_chosen(hooli: Tenant, args: list[str], slugs: list[str]) -> None:
    """All that is said holds at once; each tenant is there once."""
    Tenant.objects.filter(slug="hooli").update(settings={"plan": "gold", "seats": 9})
    Tenant.objects.filter(slug="vehement").update(status="suspended")
    for host in ("a.test", "b.test"):
        Domain.objects.create(host=host, tenant=hooli)
    assert chosen(*args) == slugs


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["nobody"], "There is no tenant nobody"),
        (["--exclude", "nobody"], "There is no tenant nobody"),
        (["hooli", "--all"], "not both"),
        (["--where", "slug"], "LOOKUP=VALUE"),
        (["--where", "=x"], "LOOKUP=VALUE"),
        (["--where", "nothing=x"], "Cannot resolve keyword 'nothing'"),
        (["--where", "slug__sounds=x"], "Unsupported lookup 'sounds'"),
        (["--where", "created_at__lt=soon"], "invalid format"),
        (["--where", "id=x"], "not a valid UUID"),
        (["--where", "slug__regex=["], "invalid regular expression"),
        (["--where", "work__isnull=maybe"], "true or false"),
        (["--where", "_negated=1"], "can't be asked"),
        (["--where", "_connector=OR"], "can't be asked"),
    ],
)
def test_what_can_not_be_asked(tenants: Any, args: list[str], message: str) -> None:
    """It is said in words, and the exit is 2."""
    with pytest.raises(CommandError, match=message) as caught:
        chosen(*args)
    assert caught.value.returncode == 2


def test_everyone(tenants: Any) -> None:
    """Without slugs and statuses a subcommand works on those that it makes sense for; a status that is named counts."""
    Tenant.objects.filter(slug="hooli").update(status="failed")
    out = StringIO()
    call_command("tenant", "migrate", "--db", "default", "--plan", stdout=out)
    call_command("tenant", "migrate", "--status", "failed", "--plan", stdout=out)
    assert out.getvalue().splitlines() == ["vehement: nothing to migrate", "hooli: nothing to migrate"]


@pytest.mark.parametrize(
    ("args", "status"),
    [
        (["--db", "default"], "active"),
        (["--db", "default", "--yes-really=hooli"], "active"),
        (["hooli", "vehement", "--yes-really=ALL"], "active"),
        (["--db", "default", "--yes-really=hooli", "--yes-really=vehement"], "deleting"),
        (["--db", "default", "--yes-really=ALL"], "deleting"),
    ],
)
def test_what_is_destroyed_in_numbers(tenants: Any, args: list[str], status: str, monkeypatch: Any) -> None:
    """With nobody to ask each slug must be given, or ALL where selectors chose; else nothing at all is done."""
    monkeypatch.setattr("sys.stdin", StringIO())
    refused = nullcontext() if status == "deleting" else pytest.raises(CommandError, match="--yes-really=vehement")
    with refused as caught:
        call_command("tenant", "delete", *args, stdout=StringIO())
    assert caught is None or caught.value.returncode == 2
    assert dict(Tenant.objects.values_list("slug", "status")) == {
        "hooli": status,
        "vehement": status,
        "umbrella": "active",
    }


class Terminal(StringIO):
    """Somebody who can be asked."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("args", "typed", "status"),
    [
        (["hooli"], "hooli\n", "deleting"),
        (["hooli"], "vehement\n", "active"),
        (["--where", "slug=hooli"], "1\n", "deleting"),
        (["--where", "slug=hooli"], "hooli\n", "active"),
        (["--where", "slug=hooli"], "\n", "active"),
    ],
)
def test_asking(tenants: Any, args: list[str], typed: str, status: str, monkeypatch: Any) -> None:
    """Whoever is asked sees name, place, tables, rows and size, and types the slug, or the number of those chosen."""
    monkeypatch.setattr("sys.stdin", Terminal(typed))
    out, err = StringIO(), StringIO()
    with nullcontext() if status == "deleting" else pytest.raises(CommandError, match="nothing was done"):
        call_command("tenant", "delete", *args, stdout=out, stderr=err)
    assert Tenant.objects.get(slug="hooli").status == status
    assert out.getvalue().startswith("Tenant hooli (Hooli, default.hooli): ")
    assert all(word in out.getvalue() for word in (" tables, ", " rows, ", "KB"))
    assert "to go on" in err.getvalue()
