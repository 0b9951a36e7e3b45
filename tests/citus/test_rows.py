"""Rows are on a worker, and sequences on the coordinator: what asks for both asks twice, and nothing goes by what a
worker thinks.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.color import no_style
from django.db import connections, transaction

from django_schemas import Placement, bind, schema_context
from django_schemas.alias import SchemaAlias
from django_schemas.digests import digests_of
from django_schemas.drift import find_drift
from django_schemas.inventory import inventory_of
from tenancy.lifecycle.sizes import bytes_of, rows_of, size_of
from tests.apps.garage.models import Tag

from . import cluster

Run = Any
_HERE = "SET citus.enable_ddl_propagation TO off"
"""Before what is said to a worker alone."""


def digests(alias: SchemaAlias) -> Any:
    with transaction.atomic(using=alias.db):
        connection = connections[alias.db]
        return digests_of(connection, alias.schema, inventory_of(connection, alias.schema).roots.values())


@pytest.fixture
def odd_workers(committed: None) -> Iterator[None]:
    """Workers on which values are written in another way, for sessions that begin now."""
    name = connections["default"].settings_dict["NAME"]
    workers = cluster.workers_with(name)
    for worker in workers:
        cluster.asked(worker, f"{_HERE}; ALTER DATABASE {name} SET TimeZone TO 'Asia/Tokyo'")
        cluster.asked(worker, f"{_HERE}; ALTER DATABASE {name} SET IntervalStyle TO 'iso_8601'")
    connections["default"].close()
    yield
    for worker in workers:
        cluster.asked(worker, f"{_HERE}; ALTER DATABASE {name} RESET ALL")
    connections["default"].close()


@pytest.mark.usefixtures("odd_workers")
def test_digests_go_by_no_workers_settings(schema: SchemaAlias, twin: SchemaAlias, run: Run) -> None:
    """Equal rows are equal, whichever time zone and format the two servers, and the workers, have."""
    for alias in (schema, twin):
        table = f'"{alias.schema}".moments'
        run(alias.db, f"CREATE TABLE {table} (at timestamptz, f float8, i interval, b bytea)")
        run(alias.db, f"INSERT INTO {table} VALUES ('2026-03-29 01:30+00', 0.1::float8 + 0.2, '1 day 2:03', 'x')")
    run("shard2", "SET TIME ZONE 'Asia/Tokyo'")
    (here, there) = (digests(alias)["moments"] for alias in (schema, twin))
    assert here == there


def test_sequences_are_set_to_the_highest(schema: SchemaAlias, run: Run) -> None:
    """As `sqlsequencereset` says, and `loaddata` does, in the one schema."""
    tag = bind(Tag, "default", schema.schema)
    highest = tag.objects.create(pk=500, name="far").pk
    with schema_context("default", schema.schema):
        for statement in connections["default"].ops.sequence_reset_sql(no_style(), [Tag]):
            run("default", statement)
    assert tag.objects.create(name="next").pk == highest + 1


def test_loaddata(schema: SchemaAlias, tmp_path: Any) -> None:
    """Rows with keys come in, and what is written next gets the next one."""
    fixture = tmp_path / "tags.json"
    fixture.write_text('[{"model": "garage.tag", "pk": 700, "fields": {"name": "loaded", "witness": ""}}]')
    with schema_context("default", schema.schema):
        call_command("loaddata", str(fixture), verbosity=0)
        assert Tag.objects.create(name="next").pk == 701


def test_flush_sets_sequences_back(schema: SchemaAlias) -> None:
    """Django's `flush`, in the one schema."""
    with schema_context("default", schema.schema):
        Tag.objects.create(name="gone")
        call_command("flush", interactive=False, verbosity=0, reset_sequences=True)
        assert Tag.objects.create(name="first").pk == 1


def test_sizes(schema: SchemaAlias, run: Run) -> None:
    """What is on the worker, not the empty tables of the coordinator."""
    place = Placement("default", schema.schema)
    before = size_of(place)
    run("default", f'CREATE TABLE "{schema.schema}".heavy (t text)')
    run("default", f"INSERT INTO \"{schema.schema}\".heavy SELECT repeat('x', 1000) FROM generate_series(1, 1000)")
    after = size_of(place)
    assert (after.tables, after.rows) == (before.tables + 1, before.rows + 1000)
    assert after.size - before.size > 1_000_000
    assert bytes_of([place]) == {place: after.size}
    run("default", f'ANALYZE "{schema.schema}".heavy')
    assert bytes_of([place], about=True)[place] > 1_000_000
    assert rows_of([place])[place] >= 1000


def test_sizes_wait_for_nobody_else(schema: SchemaAlias, run: Run) -> None:
    """Another tenant that is being migrated keeps nobody from knowing the size of this one."""
    other = connections["default"].copy()
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            cursor.execute("LOCK TABLE acme.garage_car IN ACCESS EXCLUSIVE MODE")
            with transaction.atomic(using="default"):
                run("default", "SET LOCAL statement_timeout TO '5s'")
                assert size_of(Placement("default", schema.schema)).size > 0
    finally:
        other.close()


def test_nothing_is_found_to_differ(schema: SchemaAlias, run: Run) -> None:
    """A schema as migrations make it has no drift; a sequence that is behind is found."""
    assert found(schema) == []
    run("default", f"INSERT INTO \"{schema.schema}\".garage_tag (id, name, witness) VALUES (900, '', '')")
    assert any("garage_tag_id_seq" in finding.subject for finding in found(schema))


def found(alias: SchemaAlias) -> list[Any]:
    return find_drift(alias.db, alias.environment, [alias.schema])[alias.schema]


@pytest.mark.parametrize("statement", ["SELECT current_schema(), count(*) FROM {t}", "SELECT now(), count(*) FROM {t}"])
def test_a_worker_answers_for_itself(schema: SchemaAlias, run: Run, statement: str) -> None:
    """The trap that the page on Citus tells of is still one: a worker knows no search_path."""
    with transaction.atomic(using="default"):
        run("default", f'SET LOCAL search_path TO "{schema.schema}"')
        ((first, _),) = run("default", statement.format(t="garage_tag"))
    assert first != schema.schema


def test_a_worker_numbers_rows_that_come_from_nowhere(schema: SchemaAlias, run: Run) -> None:
    """The other trap, for which records of migrations are asked for first."""
    table = f'"{schema.schema}".numbered'
    run("default", f"CREATE TABLE {table} (id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, x int)")
    condition = f"NOT EXISTS (SELECT FROM {table} WHERE x = 2)"
    ((number,),) = run(
        "default", f"INSERT INTO {table} (x) SELECT x FROM (VALUES (1)) v (x) WHERE {condition} RETURNING id"
    )
    assert number > 2**47
    records = run("default", f'SELECT max(id), count(*) FROM "{schema.schema}".django_migrations')
    assert records[0][0] == records[0][1]
