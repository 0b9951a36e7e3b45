"""`manage.py tenant ...`: what it does, says, and exits with."""

import json
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from django_schemas import bind
from django_schemas.schemas import schema_exists
from tenancy.management.commands.tenant import Command
from tenancy.models import Domain, Tenant
from tenancy.runs import last_run

pytestmark = pytest.mark.django_db(databases="__all__")


def tenant(*args: str) -> str:
    out = StringIO()
    call_command("tenant", *args, stdout=out, stderr=out)
    return out.getvalue()


def test_create(tenants: Any) -> None:
    """A tenant with all that can be said of it; the answer is for people."""
    said = tenant(
        "create", "Acme Inc.", "--slug", "initrode", "--schema", "s1", "--db", "default", "--domain", "Help.Test"
    )
    made = Tenant.objects.get(slug="initrode")
    assert said.startswith("Tenant initrode is active: default.s1, ")
    assert (made.name, str(made.placement), schema_exists("default", "s1")) == ("Acme Inc.", "default.s1", True)
    assert [domain.host for domain in made.domains.all()] == ["help.test"]


def test_usual_options() -> None:
    """Django's own options are taken behind a subcommand too, and what stands before it is not lost."""
    seen = []

    class Looking(Command):
        def handle(self, *args: Any, **options: Any) -> None:
            seen.append({key: options[key] for key in ("verbosity", "settings", "traceback", "no_color")})

    for argv in (["list", "-v", "2", "--settings", "a.b", "--traceback"], ["-v", "3", "--no-color", "list"]):
        command = Looking()
        command.execute(**vars(command.create_parser("manage.py", "tenant").parse_args(argv)))
    assert seen == [
        {"verbosity": 2, "settings": "a.b", "traceback": True, "no_color": False},
        {"verbosity": 3, "settings": None, "traceback": False, "no_color": True},
    ]


def test_create_json(tenants: Any) -> None:
    """The answer for machines."""
    said = json.loads(tenant("create", "Acme Inc.", "--db", "default", "--json"))
    assert {key: said[key] for key in ("slug", "status", "db", "schema_name")} == {
        "slug": "acme-inc",
        "status": "active",
        "db": "default",
        "schema_name": "acme-inc",
    }


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["Hooli"], "is taken"),
        (["日本"], "No slug can be made"),
        (["x", "--slug", "A B"], "^slug: Use lower-case"),
        (["x", "--schema", "public"], "reserved"),
        (["x", "--db", "nowhere"], "nowhere"),
        (["x", "--domain", "a b"], "not a valid host"),
        (["x", "--domain", "taken.test"], "taken.test is taken"),
    ],
)
def test_create_refuses(hooli: Tenant, args: list[str], message: str) -> None:
    """What can't be done is said without a traceback, and nothing is left of it."""
    Domain.objects.create(host="taken.test", tenant=hooli)
    before = set(Tenant.objects.values_list("slug", "status"))
    with pytest.raises(CommandError, match=message):
        tenant("create", *args)
    assert set(Tenant.objects.values_list("slug", "status")) == before


def test_list(tenants: Any) -> None:
    """A table for people, a list of objects for machines."""
    rows = [line.split() for line in tenant("list").splitlines()]
    assert rows == [
        ["SLUG", "STATUS", "DATABASE", "SCHEMA", "NAME"],
        ["hooli", "active", "default", "hooli", "Hooli"],
        ["umbrella", "active", "shard2", "umbrella", "Umbrella"],
        ["vehement", "active", "default", "vehement", "Vehement"],
    ]
    assert [
        (row["slug"], row["name"], row["status"], row["db"], row["schema_name"])
        for row in json.loads(tenant("list", "--json"))
    ] == [
        ("hooli", "Hooli", "active", "default", "hooli"),
        ("umbrella", "Umbrella", "active", "shard2", "umbrella"),
        ("vehement", "Vehement", "active", "default", "vehement"),
    ]


def test_show(hooli: Tenant) -> None:
    """All that is known of a tenant."""
    assert f"id  {hooli.pk}" in tenant("show", "hooli")
    assert [row["slug"] for row in json.loads(tenant("show", "hooli", "umbrella", "--json"))] == ["hooli", "umbrella"]


def test_migrate(tenants: Any) -> None:
    """Says of each tenant what was done; unknown ones are an error before anything is."""
    *each, summary = tenant("migrate", "--all").splitlines()
    assert sorted(each) == [f"{slug}: nothing to migrate" for slug in ("hooli", "umbrella", "vehement")]
    assert summary.startswith("3 tenants: 3 had nothing to do; ")
    with pytest.raises(CommandError, match="There is no tenant nobody"):
        tenant("migrate", "hooli", "nobody")


def test_one_failure_does_not_stop_the_rest(hooli: Tenant) -> None:
    """The others are done, those that failed are named with the reason, and the exit is not 0. A schema that is gone
    is not made anew: an empty one would pass for the tenant's.
    """
    Tenant.objects.filter(slug="hooli").update(schema_name="elsewhere")
    Tenant.objects.filter(slug="vehement").update(schema_name="hooli")
    with pytest.raises(CommandError, match="Not done for hooli, vehement"):
        tenant("migrate", "umbrella", "vehement", "hooli")
    assert not schema_exists("default", "elsewhere")
    assert last_run().counts == {"current": 1, "failed": 2}


def test_suspend_resume_delete_restore_purge(hooli: Tenant) -> None:
    """The life of a tenant, in words."""
    said = [
        tenant("suspend", "hooli"),
        tenant("resume", "hooli"),
        tenant("delete", "hooli", "--yes-really=hooli"),
        tenant("restore", "hooli"),
        tenant("delete", "hooli", "--yes-really=hooli"),
        tenant("purge", "hooli", "--yes-really=hooli"),
    ]
    assert said == [
        f"hooli: {status}\n" for status in ("suspended", "active", "deleting", "active", "deleting", "gone")
    ]
    assert not schema_exists("default", "hooli")


@pytest.mark.parametrize("confirmation", [[], ["--yes-really=umbrella"], ["--yes-really=HOOLI"]])
def test_nothing_is_destroyed_unless_named(hooli: Tenant, confirmation: list[str], monkeypatch: Any) -> None:
    """Without its very slug, and nobody to ask, a tenant is neither deleted nor purged."""
    monkeypatch.setattr("sys.stdin", StringIO("hooli\n"))
    with pytest.raises(CommandError, match="--yes-really=hooli"):
        tenant("delete", "hooli", *confirmation)
    assert Tenant.objects.get(slug="hooli").status == "active"


def test_run(hooli: Tenant) -> None:
    """Any command runs inside the tenant, with its arguments passed through."""
    out = tenant("run", "umbrella", "--", "dumpdata", "garage.tag", "--format", "json")
    # Newer versions of Django end it with one.
    assert "\n" not in out.removesuffix("\n")
    assert {row["fields"]["witness"] for row in json.loads(out)} == {"umbrella"}
    Tenant.objects.filter(slug="hooli").update(status="suspended")
    with pytest.raises(CommandError, match="suspended, not active"):
        tenant("run", "hooli", "--", "check")
    with pytest.raises(CommandError, match="Say what to run"):
        tenant("run", "hooli")


def test_run_says_nothing_of_its_own(hooli: Tenant) -> None:
    """What a command says is passed on as it is, without Django's word on migrations that are elsewhere."""
    args = ("--noinput", "--username", "boss", "--email", "boss@hooli.example", "--verbosity", "0")
    assert tenant("run", "hooli", "--", "createsuperuser", *args) == ""
    assert bind(User, "default", "hooli").objects.get(username="boss").is_superuser
    with pytest.raises(CommandError, match="There is no command 'dance'"):
        tenant("run", "hooli", "--", "dance")


@pytest.mark.parametrize("args", [["migrate"], ["migrate", "hooli", "--all"], ["suspend"]])
def test_selection_must_be_said(tenants: Any, args: list[str]) -> None:
    """No tenant named is not all tenants."""
    with pytest.raises(CommandError, match="Name"):
        tenant(*args)
