"""How databases stand: who answers, who holds what, what is missing; one that is away keeps nobody waiting."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from time import monotonic, perf_counter, sleep
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connections

from django_schemas.health import attempt, is_sick, stop_watching
from django_schemas.placement import Placement
from tenancy.checking import find_debris
from tenancy.databases import DatabaseState, ask_each, databases, silent
from tenancy.filling import fill
from tenancy.lifecycle.sizes import bytes_of
from tenancy.models import Tenant
from tenancy.placing import fewest_tenants, round_robin, smallest
from tenancy.stats import stats
from tests.ports import free_port

from .shards import apart, declared, shards

pytestmark = [
    pytest.mark.usefixtures("committed"),
    pytest.mark.filterwarnings("ignore:Overriding setting DATABASES"),
]


def states() -> dict[str, DatabaseState]:
    return {each.alias: each for each in databases()}


def shown() -> dict[str, list[str]]:
    """What people are shown of each database."""
    out = StringIO()
    call_command("tenant", "databases", stdout=out)
    return {line.split()[0]: line.split() for line in out.getvalue().splitlines()[1:]}


def told(*arguments: str) -> str:
    out = StringIO()
    call_command("tenant", *arguments, stdout=out)
    return out.getvalue()


def by_hand(db: str, statement: str) -> None:
    with connections[db].cursor() as cursor:
        cursor.execute(statement)


def test_what_they_hold(tenants: Any, settings: Any) -> None:
    """Tenants by status, bytes, weight, and schemas that are no tenant's home. Where none is placed no pool is kept."""
    settings.TENANCY = {**settings.TENANCY, "DATABASES": {"default": 2.5, "shard2": 0}}
    before = states()
    counts = Tenant.objects.filter(db="default", status="active").count()
    assert (before["default"].weight, before["default"].tenants) == (2.5, {"active": counts})
    assert (before["shard2"].weight, before["shard2"].tenants) == (0, {"active": 1})
    assert [each.missing for each in before.values()] == [(), ()]
    assert all(each.ready and each.reachable and each.size for each in before.values())
    assert len(list(fill("shard2", 1))) == 1
    assert (states()["shard2"].others or 0) - (before["shard2"].others or 0) == 1
    call_command("tenant", "pool", "--size", "0", stdout=StringIO())
    assert states()["shard2"].others == before["shard2"].others
    assert shown()["default"][2:5] == ["answers", "2.5", str(counts)]
    out = StringIO()
    call_command("tenant", "databases", "--json", stdout=out)
    (told, _) = json.loads(out.getvalue())
    assert told["host"].endswith(f"/{connections['default'].settings_dict['NAME']}")
    assert {key: told[key] for key in ("alias", "weight", "tenants", "reachable", "reason", "missing", "ready")} == {
        "alias": "default",
        "weight": 2.5,
        "tenants": {"active": counts},
        "reachable": True,
        "reason": "",
        "missing": [],
        "ready": True,
    }


@contextmanager
def package(folder: Path, monkeypatch: pytest.MonkeyPatch, operation: str) -> Iterator[str]:
    """A package of migrations with one that holds an operation."""
    name = f"migrations_of_{folder.name}"
    (folder / name).mkdir()
    (folder / name / "__init__.py").touch()
    (folder / name / "0001_initial.py").write_text(
        "from django.contrib.postgres.operations import CreateExtension\n"
        "from django.db import migrations\n\n"
        f"class Migration(migrations.Migration):\n    initial = True\n    operations = [{operation}]\n"
    )
    monkeypatch.syspath_prepend(str(folder))
    yield name


def test_what_is_missing(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What keeps a database from taking tenants is told, and what can be mended by whom."""
    with (
        shards("shard3"),
        package(tmp_path, monkeypatch, "CreateExtension('of_nobody'), CreateExtension('citext')") as name,
    ):
        assert (states()["shard3"].tenants, states()["shard3"].missing) == (
            {},
            ("tables of no environment are not migrated: say `migrate --database shard3`",),
        )
        call_command("migrate", database="shard3", verbosity=0)
        assert states()["shard3"].missing == ()
        assert "empty" in shown()["shard3"]
        settings.MIGRATION_MODULES = {"garage": name}
        assert states()["shard3"].missing == ("extension of_nobody is not installed on its server",)
        settings.MIGRATION_MODULES = {}
        by_hand(
            "shard3",
            f'ALTER DATABASE "{connections["shard3"].settings_dict["NAME"]}" SET default_transaction_read_only TO on',
        )
        assert states()["shard3"].missing == ("it is read only",)
        assert not states()["shard3"].ready


def test_hosts_no_tenants(settings: Any) -> None:
    """One that does not host the tenants' environment is told as such, and the registry's is always told of."""
    name = connections["shard2"].settings_dict["NAME"]
    with declared({"books": {"NAME": name, "ENVIRONMENTS": []}}):
        settings.TENANCY = {**settings.TENANCY, "DATABASES": ["books", "shard2"]}
        found = states()
    assert list(found) == ["books", "shard2", "default"]
    assert [each.weight for each in found.values()] == [1, 1, None]
    assert found["books"].missing[0] == "it does not host environment 'tenant'"


def test_away(tenants: Any) -> None:
    """One that refuses is away, with the reason, at once; the others are told as ever."""
    with declared({"far": {"NAME": "postgres", "HOST": "127.0.0.1", "PORT": free_port()}}):
        found = states()
        assert (found["far"].reachable, found["far"].ready, found["far"].size, found["far"].tenants) == (
            False,
            False,
            None,
            {},
        )
        assert "refused" in found["far"].reason
        assert "\n" not in found["far"].reason
        assert [found[db].ready for db in ("default", "shard2")] == [True, True]
        assert list(silent(["default", "far", "shard2"])) == ["far"]
        assert shown()["far"][2] == "away"


@pytest.mark.slow
def failed(*arguments: str) -> tuple[str, str]:
    """What a command said that could not be done for all, and why."""
    out = StringIO()
    with pytest.raises(CommandError) as error:
        call_command("tenant", *arguments, stdout=out, stderr=StringIO())
    return out.getvalue(), str(error.value)


def test_others_are_worked_on(tenants: Any) -> None:
    """Where a database is away, tenants of others are migrated and checked, and its own are named."""
    tenant, another = Tenant.objects.filter(db="default", status="active").order_by("pk")[:2]
    slugs = (tenant.slug, another.slug)
    Tenant.objects.filter(pk=tenant.pk).update(db="far")
    try:
        with declared({"far": {"HOST": "127.0.0.1", "PORT": free_port()}}):
            for more in ((), ("--parallel", "2"), ("--plan",)):
                text, why = failed("migrate", *slugs, *more, "--json")
                became = {each["slug"]: each["state"] for each in json.loads(text)}
                assert became == {tenant.slug: "failed", another.slug: "current"}
                assert why in (f"Not done for {tenant.slug}.", f"Can't be done for {tenant.slug}.")
            text, why = failed("check", *slugs)
            assert text.startswith("far: away database far. It does not answer, so what is there is not checked: ")
            assert why == "1 finding is left."
            assert Placement("far", "") in {each.placement for each in find_debris() if each.finding.kind == "away"}
    finally:
        Tenant.objects.filter(pk=tenant.pk).update(db="default")


@pytest.mark.parametrize("known", [True, False], ids=["away", "not in DATABASES"])
def test_commands_for_all(tenants: Any, known: bool) -> None:
    """Where a tenant's database is away, or left the settings too early, commands for all tell of the others."""
    tenant, another = Tenant.objects.filter(db="default", status="active").order_by("pk")[:2]
    far = {"far": {"HOST": "127.0.0.1", "PORT": free_port()}} if known else {}
    Tenant.objects.filter(pk=tenant.pk).update(db="far")
    try:
        with declared(far):
            assert (states()["far"].tenants, states()["far"].reachable) == ({"active": 1}, False)
            assert shown()["far"][1:3] == [states()["far"].host, "away"]
            assert not stats().databases["far"].answers
            assert stats().databases["shard2"].answers
            assert "Away (1):\n  far: " in told("status")
            for arguments in (
                ("list", "--long", "--json"),
                ("status", "--json"),
                ("show", tenant.slug, another.slug, "--json"),
            ):
                found = {each["slug"]: each["behind"] for each in json.loads(told(*arguments))}
                assert found[tenant.slug] is None
                assert another.slug in found
            if not known:
                with pytest.raises(CommandError, match="'far', which is not in DATABASES, so nothing was done"):
                    told("migrate", another.slug, tenant.slug)
                with pytest.raises(CommandError, match="put it back"):
                    told("shell", tenant.slug, "-c", "1")
            places = [Placement("far", "x"), another.placement]
            assert set(ask_each(bytes_of, places)) == {another.placement}
    finally:
        Tenant.objects.filter(pk=tenant.pk).update(db="default")


def test_hangs(tenants: Any) -> None:
    """Two that hang are told as away once their time to connect is over, both in the same time."""
    with apart("far") as one, declared({"near": {**connections["far"].settings_dict}}), one.hang():
        begun = perf_counter()
        found = states()
        assert perf_counter() - begun < 4
        assert [each.reachable for each in found.values()] == [True, True, False, False]


def test_registry_is_away(tenants: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody knows which tenants there are then; the rest is told."""
    with monkeypatch.context() as patch:
        connections["default"].close()
        patch.setitem(connections["default"].settings_dict, "PORT", free_port())
        found = states()
    connections["default"].close()
    assert (found["default"].reachable, found["default"].tenants) == (False, None)
    assert (found["shard2"].ready, found["shard2"].tenants, found["shard2"].others) == (True, None, None)


def test_new_tenants_go_elsewhere(tenants: Any, settings: Any) -> None:
    """One that is known not to answer is passed over, as long as there is another."""
    with declared({"far": {"NAME": "postgres", "HOST": "127.0.0.1", "PORT": free_port()}}):
        settings.TENANCY = {**settings.TENANCY, "DATABASES": {"far": 1000, "shard2": 1}}
        assert smallest(Tenant(), ("far", "shard2")) == "shard2"
        with pytest.raises(OperationalError):
            smallest(Tenant(), ("far",))
        assert fewest_tenants(Tenant(), ("far", "shard2")) == "far"
        with attempt(), pytest.raises(OperationalError):
            connections["far"].ensure_connection()
        deadline = monotonic() + 5
        while not is_sick("far"):
            assert monotonic() < deadline
            sleep(0.01)
        try:
            for strategy in (fewest_tenants, round_robin, smallest):
                assert strategy(Tenant(), ("far", "shard2")) == "shard2"
            assert fewest_tenants(Tenant(), ("far",)) == "far"
        finally:
            stop_watching()
