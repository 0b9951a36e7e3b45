"""`tenant run` and `shell`: other commands inside of tenants."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import TransactionTestCase

from django_schemas import bind
from tenancy.models import Tenant
from tests.apps.garage.models import Tag

pytestmark = pytest.mark.django_db(databases="__all__")

COUNT = "from tests.apps.garage.models import Tag; print(sorted(set(Tag.objects.values_list('witness', flat=True))))"


def tenant(*args: str) -> str:
    out = StringIO()
    call_command("tenant", *args, stdout=out, stderr=out)
    return out.getvalue()


def test_run_in_many(tenants: Any) -> None:
    """Each line tells whose it is, what a command prints by itself too; only active tenants are meant."""
    Tenant.objects.filter(slug="vehement").update(status="suspended")
    assert tenant("run", "--all", "--", "shell", "-v0", "-c", COUNT) == "hooli: ['hooli']\numbrella: ['umbrella']\n"


def test_run_in_one_of_a_selection(tenants: Any) -> None:
    """Whether lines are prefixed depends on what was said, not on how many there happen to be."""
    assert tenant("run", "--db", "shard2", "--", "shell", "-v0", "-c", "print(1)") == "umbrella: 1\n"


def test_run_in_many_goes_on(tenants: Any) -> None:
    """One that fails does not stop the rest; its error is told, exits are failures, and the exit is 1."""
    code = (
        "import sys; from tenancy import current_tenant as c; print(c().slug) if c().slug != 'hooli' else sys.exit(3)"
    )
    out, err = StringIO(), StringIO()
    with pytest.raises(CommandError, match="Not done for hooli") as caught:
        call_command("tenant", "run", "--all", "--", "shell", "-v0", "-c", code, stdout=out, stderr=err)
    assert caught.value.returncode == 1
    assert out.getvalue() == "umbrella: umbrella\nvehement: vehement\n"
    assert "hooli: CommandError: exited with 3" in err.getvalue()


def test_exit_code_of_the_command(tenants: Any) -> None:
    """Of one tenant the exit is the command's own."""
    with pytest.raises(SystemExit) as caught:
        tenant("run", "hooli", "--", "shell", "-v0", "-c", "import sys; sys.exit(7)")
    assert caught.value.code == 7
    with pytest.raises(CommandError, match="No fixture named"):
        tenant("run", "hooli", "--", "loaddata", "nothing.json")


def test_stdin(tenants: Any, monkeypatch: Any) -> None:
    """Of one tenant the command reads what comes in; of several it reads nothing."""
    monkeypatch.setattr("sys.stdin", StringIO("hello"))
    code = "import sys; print(repr(sys.stdin.read()))"
    assert tenant("run", "--db", "shard2", "--", "shell", "-v0", "-c", code) == "umbrella: ''\n"
    rows = '[{"model": "garage.tag", "pk": 900, "fields": {"name": "in", "witness": "hooli"}}]'
    monkeypatch.setattr("sys.stdin", StringIO(rows))
    assert "Installed 1 object" in tenant("run", "hooli", "--", "loaddata", "--format", "json", "-")


@pytest.mark.parametrize("command", ["migrate", "migrate_schema", "runserver", "tenant", "dbshell", "makemigrations"])
def test_commands_that_make_no_sense(tenants: Any, command: str) -> None:
    """What to say instead is told; the exit is 2."""
    with pytest.raises(CommandError, match="Instead: ") as caught:
        tenant("run", "hooli", "--", command)
    assert caught.value.returncode == 2


def test_inactive(tenants: Any) -> None:
    """A tenant that is not served is left alone unless that is asked for."""
    Tenant.objects.filter(slug="hooli").update(status="suspended")
    for args in (["run", "hooli", "--", "check"], ["shell", "hooli", "-c", "1"]):
        with pytest.raises(CommandError, match="suspended, not active"):
            tenant(*args)
    assert tenant("run", "hooli", "--allow-inactive", "--", "shell", "-v0", "-c", "pass") == ""
    assert tenant("shell", "hooli", "--allow-inactive", "-c", "pass") == ""


def test_shell(tenants: Any, capsys: Any) -> None:
    """The tenant is current and its models are there by name."""
    tenant("shell", "umbrella", "-c", "print(sorted({tag.witness for tag in Tag.objects.all()}))")
    assert capsys.readouterr().out == "['umbrella']\n"
    tenant("shell", "hooli", "-c", "from tenancy import current_tenant; print(current_tenant().slug)")
    assert capsys.readouterr().out == "hooli\n"


def test_shell_reads_a_script(tenants: Any, monkeypatch: Any, capfd: Any, tmp_path: Any) -> None:
    """What comes in is run."""
    script = tmp_path / "script.py"
    script.write_text(COUNT)
    with script.open() as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        call_command("tenant", "shell", "umbrella", verbosity=0)
    assert capfd.readouterr().out == "['umbrella']\n"


def test_flush_keeps_the_registry(hooli: Tenant, vehement: Tenant) -> None:
    """Without a tenant it is refused while there are tenants, unless one says what becomes of them."""
    for options in ({"interactive": False}, {}):
        with pytest.raises(CommandError, match=r"has 3 tenants.*tenant run SLUG -- flush.*--forget-tenants"):
            call_command("flush", verbosity=0, **options)
    assert Tenant.objects.count() == 3
    call_command("flush", "--no-input", "--forget-tenants", verbosity=0)
    assert Tenant.objects.count() == 0
    assert bind(Tag, "default", "hooli").objects.exists()
    # What the first one wrote behind it is checked, or PostgreSQL would not empty those tables in this transaction.
    connection.check_constraints()
    call_command("flush", "--no-input", verbosity=0)


def test_flush_elsewhere(hooli: Tenant, vehement: Tenant) -> None:
    """Within a tenant it empties that one's tables; a database without the registry has nothing to refuse."""
    assert tenant("run", "hooli", "--", "flush", "--no-input") == ""
    assert [bind(Tag, "default", schema).objects.exists() for schema in ("hooli", "vehement")] == [False, True]
    call_command("flush", "--no-input", database="shard2", verbosity=0)
    assert Tenant.objects.count() == 3


def test_flush_by_test_cases(hooli: Tenant) -> None:
    """Django's test cases empty their database as ever, tenants included."""

    class Case(TransactionTestCase):
        databases = frozenset({"default"})

    Case()._fixture_teardown()  # type: ignore[attr-defined]  # what runs behind each test; not in the stubs
    assert not Tenant.objects.exists()
