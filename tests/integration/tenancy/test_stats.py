"""Figures of the whole platform: right, at a cost that does not grow with tenants, and for who may see them alone."""

import json
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connections, transaction
from django.urls import path
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from tenancy import tenant_context
from tenancy.contrib import metrics
from tenancy.contrib.metrics import CONTENT_TYPE, view
from tenancy.filling import fill, sweep
from tenancy.models import FleetRun, Tenant
from tenancy.stats import Held, forget_sizes, stats
from tests.apps.garage.models import Tag
from tests.integration.tenancy.test_middleware import aget, get

TOKEN = "f2b1c6a09d3e4857"
BEARER = {"authorization": f"Bearer {TOKEN}"}

urlpatterns = [path("metrics", view)]


@pytest.fixture(autouse=True)
def _nothing_remembered() -> Iterator[None]:
    forget_sizes()
    yield
    forget_sizes()


def read(text: str) -> dict[tuple[str, ...], float]:
    """Metrics as Prometheus reads them: by name and the values of labels."""
    found = {}
    for family in text_string_to_metric_families(text):
        assert (family.type, bool(family.documentation)) == ("gauge", True)
        for sample in family.samples:
            key = (sample.name.removeprefix("tenancy_"), *sample.labels.values())
            assert key not in found
            found[key] = sample.value
    return found


def asked(text: str | None = None) -> dict[tuple[str, ...], float]:
    return read(metrics.text() if text is None else text)


@pytest.mark.django_db(databases="__all__")
def test_figures(hooli: Tenant, vehement: Tenant, umbrella: Tenant) -> None:
    """Tenants are counted by database and status, those behind and those with work too; ages are of the oldest."""
    rows = Tenant.objects.all()
    an_hour_ago = timezone.now() - timedelta(hours=1)
    rows.filter(pk=vehement.pk).update(migrated_to={"garage": "0001_initial"})
    rows.filter(pk=umbrella.pk).update(status="moving", status_since=an_hour_ago, work={"kind": "move"}, migrated_to={})
    run = FleetRun.objects.create(total=3, counts={"failed": 1, "migrated": 2})
    found = asked()
    expected = {
        ("tenants", "default", "active"): 2,
        ("tenants", "default", "failed"): 0,
        ("tenants", "shard2", "moving"): 1,
        ("tenants", "shard2", "active"): 0,
        ("tenants_behind", "default"): 1,
        ("tenants_behind", "shard2"): 0,
        ("unfinished_work", "move"): 1,
        ("database_up", "default"): 1,
        ("database_up", "shard2"): 1,
        ("status_seconds", "failed"): 0,
        ("fleet_run_started_timestamp_seconds",): run.started_at.timestamp(),
        ("fleet_run_ended_timestamp_seconds",): 0,
        ("fleet_run_wanted",): 3,
        ("fleet_run_tenants", "failed"): 1,
        ("fleet_run_tenants", "migrated"): 2,
        ("pool_size",): 0,
    }
    assert {key: found.get(key) for key in expected} == expected
    assert 3600 <= found["status_seconds", "moving"] < 3700
    assert not any("hooli" in key or "umbrella" in key for key in found)


@pytest.mark.django_db(databases="__all__")
def test_sizes(hooli: Tenant, vehement: Tenant, umbrella: Tenant) -> None:
    """Schemas of tenants are measured, each database's own, and not those that are nobody's."""
    with tenant_context(vehement):
        Tag.objects.bulk_create(Tag(name=f"tag {number}", witness="vehement") for number in range(3000))
    for db, schema in (("default", "vehement"), ("default", "hooli"), ("shard2", "umbrella"), ("default", "acme")):
        with connections[db].cursor() as cursor:
            cursor.execute(f'ANALYZE "{schema}"."garage_tag"')
    found = stats().databases
    default, shard2 = found["default"].held, found["shard2"].held
    assert default is not None
    assert shard2 is not None
    assert (default.largest, shard2.largest) == ("vehement", "umbrella")
    assert default.size > default.largest_size > shard2.largest_size == shard2.size > 0
    assert asked()["largest_schema_bytes", "default"] == default.largest_size


@pytest.mark.django_db(databases="__all__")
def test_a_thousand_tenants(hooli: Tenant, sent: Any) -> None:
    """A thousand tenants take as many statements as three, and few; sizes are looked up once in a while."""
    asked()
    forget_sizes()
    numbers = []
    for count in (3, 1003):
        with sent() as few:
            found = asked()
        with sent() as fewer:
            asked()
        forget_sizes()
        numbers.append((len(few), len(fewer)))
        assert sum(value for key, value in found.items() if key[0] == "tenants") == count
        if count == 3:
            Tenant.objects.bulk_create(
                Tenant(name="x", slug=f"x{number}", db=("default", "shard2")[number % 2], schema_name=f"x{number}",
                       status="active", migrated_to={"garage": "0001_initial"}) for number in range(1000)
            )  # fmt: skip
    assert numbers[0] == numbers[1]
    assert numbers[0][0] <= 8
    assert numbers[0][1] <= 4
    assert len(found) < 60


@pytest.mark.django_db(databases="__all__")
def test_no_tenants(django_db_setup: None, settings: Any) -> None:
    """Without a tenant there are figures too."""
    with transaction.atomic():
        Tenant.objects.all()._raw_delete("default")  # type: ignore[attr-defined]
        found = stats()
        assert (found.databases["default"].held, found.databases["shard2"].held) == (Held(), Held())
        assert asked()["tenants", "default", "active"] == 0
        transaction.set_rollback(True)


def test_pool(tenants: Any, committed: None, settings: Any) -> None:
    """The level of the pool is told, where there is to be one."""
    settings.TENANCY = {**settings.TENANCY, "POOL": 2, "DATABASES": ["default"]}
    try:
        list(fill("default", 1))
        found = asked()
        assert (found["pool_ready", "default"], found["pool_size",]) == (1, 2)
        assert ("pool_ready", "shard2") not in found
    finally:
        sweep("default", everything=True)


def test_a_database_is_away(tenants: Any, committed: None, monkeypatch: Any) -> None:
    """Of a database that does not answer it is told that it does not; the others are told as ever."""
    connections["shard2"].close()
    monkeypatch.setitem(connections["shard2"].settings_dict, "PORT", "9")
    found = asked()
    assert (found["database_up", "shard2"], found["database_up", "default"]) == (0, 1)
    assert ("connections", "shard2") not in found
    assert found["tenants", "shard2", "active"] == 1
    assert ("schemas_bytes", "shard2") not in found
    assert found["schemas_bytes", "default"] > 0
    assert "does not answer" in said()


def test_a_table_that_is_locked(tenants: Any, committed: None) -> None:
    """A table that is being altered is not waited for."""
    other = connections["default"].copy()
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            cursor.execute('LOCK TABLE "hooli"."garage_tag" IN ACCESS EXCLUSIVE MODE')
        with transaction.atomic(using="default"):
            with connections["default"].cursor() as cursor:
                cursor.execute("SET LOCAL statement_timeout TO '2s'")  # Or a test that fails would hang.
            assert ("schemas_bytes", "default") in asked()
    finally:
        other.close()


@pytest.fixture
def site(settings: Any) -> Any:
    """The view at the public host and, by mistake, at tenants' too."""
    settings.ROOT_URLCONF = __name__
    settings.TENANCY = {**settings.TENANCY, "PUBLIC_URLCONF": __name__, "METRICS_TOKEN": TOKEN}
    return settings


@pytest.mark.django_db(databases="__all__")
@pytest.mark.parametrize("ask", [get, aget])
def test_view(site: Any, hooli: Tenant, ask: Any) -> None:
    """Who shows the token on the public host is told."""
    response = ask("saas.test", "/metrics", **BEARER)
    assert (response.status_code, response["Content-Type"]) == (200, CONTENT_TYPE)
    assert asked(response.content.decode())["tenants", "default", "active"] == 2


@pytest.mark.django_db(databases="__all__")
@pytest.mark.parametrize(
    "shown",
    [{}, {"authorization": TOKEN}, {"authorization": "Bearer "}, {"authorization": f"Bearer {TOKEN[:-1]}"},
     {"authorization": f"Bearer {TOKEN}x"}, {"authorization": f"Basic {TOKEN}"}, {"authorization": "Bearer é"}],
)  # fmt: skip
def test_wrong_token(site: Any, hooli: Tenant, shown: dict[str, str], nothing_sent: Any) -> None:
    """Who does not is told nothing, and nothing is asked for."""
    with nothing_sent():
        response = get("saas.test", "/metrics", **shown)
    assert (response.status_code, response["WWW-Authenticate"]) == (401, "Bearer")
    assert "tenancy_" not in response.content.decode()


@pytest.mark.django_db(databases="__all__")
def test_not_for_tenants(site: Any, hooli: Tenant) -> None:
    """A tenant's host has no such page, whoever asks."""
    assert get("hooli.saas.test", "/metrics", **BEARER).status_code == 404


@pytest.mark.django_db(databases="__all__")
@pytest.mark.parametrize("token", [None, ""])
def test_no_token(site: Any, hooli: Tenant, token: Any, caplog: Any) -> None:
    """Without a token nobody is let in, not who shows an empty one either; the log tells what to do."""
    site.TENANCY = {**site.TENANCY, "METRICS_TOKEN": token}
    for shown in ({"authorization": "Bearer "}, {}, {"authorization": "Bearer None"}):
        assert get("saas.test", "/metrics", **shown).status_code == 500
    assert "TENANCY['METRICS_TOKEN'] is not set" in caplog.text


def said(*options: str) -> str:
    out = StringIO()
    call_command("tenant", "stats", *options, stdout=out)
    return out.getvalue()


@pytest.mark.django_db(databases="__all__")
def test_command(hooli: Tenant, umbrella: Tenant) -> None:
    """The command tells people and machines the same."""
    Tenant.objects.filter(pk=umbrella.pk).update(status="failed", work={"kind": "move"})
    FleetRun.objects.create(total=2, counts={"migrated": 2})
    text, found = said(), json.loads(said("--json"))
    assert "2 active" in text
    assert "1 failed" in text
    assert "Work that is not finished: 1 move." in text
    assert "2 migrated of 2" in text
    assert found["databases"]["default"]["tenants"]["active"] == 2
    assert found["databases"]["shard2"]["held"]["largest"] == "umbrella"
    assert (found["work"], found["run"]["counts"]) == ({"move": 1}, {"migrated": 2})


@pytest.mark.django_db(databases="__all__")
def test_connections(hooli: Tenant, monkeypatch: Any) -> None:
    """How many connections a database has, and what limits them; None where nothing does."""
    monkeypatch.setitem(connections["shard2"].settings_dict, "MAX_CONNECTIONS", 7)
    monkeypatch.setitem(connections["default"].settings_dict, "MAX_SCHEMAS_PER_CONNECTION", None)
    found = asked()
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT count(*), current_setting('max_connections')::int FROM pg_stat_activity "
                       "WHERE datname = current_database() AND backend_type = 'client backend'")  # fmt: skip
        open_there, most = cursor.fetchone()
    assert 1 <= found["connections", "default"] <= open_there + 3
    assert found["server_connections_max", "default"] == most
    assert (found["process_connections_max", "shard2"], found["connection_schemas_max", "shard2"]) == (7, 500)
    assert not {("process_connections_max", "default"), ("connection_schemas_max", "default")} & set(found)
    told = json.loads(said("--json"))["databases"]
    assert (told["shard2"]["connections_per_process"], told["shard2"]["schemas_per_connection"]) == (7, 500)
    assert told["default"]["max_connections"] == most
    default, shard2 = (line.split() for line in said().splitlines()[1:3])
    assert (default[-2:], shard2[-3:]) == (["any", "never"], ["7", "500", "schemas"])


def test_labels_are_escaped() -> None:
    """Whatever an alias is, Prometheus reads it."""
    nasty = 'a"b\\n\n{}'
    lines = metrics._Metric("x", "An x.", {(nasty,): 1}, ("database",)).lines()
    assert read("\n".join(lines) + "\n") == {("x", nasty): 1}
