"""Schemas of tenants are distributed, those that all share are not; what a worker finds wrong is told as usual."""

from concurrent.futures import ThreadPoolExecutor
from time import sleep
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import IntegrityError, connections, transaction

from django_schemas import bind, citus, schema_context
from django_schemas.alias import SchemaAlias
from django_schemas.citus import create_schema, refuse_others, settle
from django_schemas.drift import find_drift, mend
from django_schemas.migrations import flush, migrate
from tests.apps.garage.models import Car
from tests.integration.django_schemas.test_migrator import in_thread

Run = Any
_SHARDING = "citus.enable_schema_based_sharding"


def test_a_tenants_schema_is_distributed(schema: SchemaAlias, run: Run) -> None:
    """All of its tables are on one worker, and those of the registry are none of such a schema."""
    distributed = {name for (name,) in run("default", "SELECT schema_name::text FROM citus_schemas")}
    assert schema.schema in distributed
    assert not distributed & {"registry", "public"}
    (nodes,) = run(
        "default",
        "SELECT array_agg(DISTINCT nodeport), count(DISTINCT table_name) FROM citus_shards s "
        "JOIN pg_class c ON c.oid = s.table_name WHERE c.relnamespace = %s::regnamespace",
        [schema.schema],
    )
    (tables,) = run(
        "default",
        "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relnamespace = %s::regnamespace",
        [schema.schema],
    )
    assert len(nodes[0]) == 1
    assert nodes[1] == tables[0] > 10


def test_the_setting_is_as_before(committed: None, run: Run) -> None:
    """What is made in the same transaction, behind a tenant's schema, is not distributed with it."""
    with transaction.atomic(using="default"):
        migrate("default", "passing")
        assert run("default", f"SHOW {_SHARDING}") == [("off",)]
        run("default", "CREATE SCHEMA somebodys")
        found = run("default", "SELECT schema_name::text FROM citus_schemas")
        assert ("passing",) in found
        assert ("somebodys",) not in found
        transaction.set_rollback(True, using="default")


def test_one_schema_is_never_distributed(committed: None, run: Run) -> None:
    """Though the database's setting is to distribute all."""
    with transaction.atomic(using="default"):
        run("default", f"SET LOCAL {_SHARDING} TO on")
        for statement in create_schema(SchemaAlias("default", "registry", "registry"), "CREATE SCHEMA another_one"):
            run("default", statement)
        assert ("another_one",) not in run("default", "SELECT schema_name::text FROM citus_schemas")
        transaction.set_rollback(True, using="default")


def test_violation_at_commit(schema: SchemaAlias) -> None:
    """What a constraint put off is an IntegrityError that says what was wrong."""
    with pytest.raises(IntegrityError, match="violates foreign key constraint"), transaction.atomic(using="default"):
        bind(Car, "default", schema.schema).objects.create(name="lost", owner_id=4711)
    assert not bind(Car, "default", schema.schema).objects.filter(name="lost").exists()


def test_other_errors_at_commit_are_themselves(schema: SchemaAlias, run: Run) -> None:
    """A transaction that fails for another reason is no violation, though there was one before on the connection."""
    for _ in range(2):
        with pytest.raises(IntegrityError), transaction.atomic(using="default"):
            bind(Car, "default", schema.schema).objects.create(name="lost", owner_id=4711)
    with transaction.atomic(using="default"):
        bind(Car, "default", schema.schema).objects.create(name="found")
    assert bind(Car, "default", schema.schema).objects.filter(name="found").exists()


def test_settle(schema: SchemaAlias, run: Run) -> None:
    """What waits on a worker is checked before structure is changed: SET CONSTRAINTS is not heard there."""
    name = f'"{schema.schema}".garage_car'
    with transaction.atomic(using="default"):
        bind(Car, "default", schema.schema).objects.create(name="lost", owner_id=4711)
        connections["default"].check_constraints()
        with pytest.raises(IntegrityError, match="violates foreign key constraint"):
            settle(connections["default"], schema.schema)
        transaction.set_rollback(True, using="default")
    with transaction.atomic(using="default"):
        bind(Car, "default", schema.schema).objects.create(name="found")
        settle(connections["default"], schema.schema)
        run("default", f"ALTER TABLE {name} ADD COLUMN later int")
        transaction.set_rollback(True, using="default")


def test_what_settles_is_made_once(committed: None, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of several that find that it is missing, one makes it, and the others wait for that one."""
    monkeypatch.setattr(citus, "_known", set())
    run("default", "DROP FUNCTION public.django_schemas_settle()")
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic(using="default"):
            refuse_others(connections["default"])
            looking = in_thread(pool, lambda: refuse_others(connections["default"]))
            sleep(1)
            assert not looking.done()
        assert looking.exception() is None
    everywhere = "SELECT * FROM run_command_on_all_nodes('SELECT to_regprocedure(''public.django_schemas_settle()'')')"
    assert {answer for _, _, answer in run("default", everywhere)} == {"django_schemas_settle()"}


def test_dropped_with_rows_that_wait(committed: None) -> None:
    """A schema is dropped in the transaction that wrote its rows."""
    with transaction.atomic(using="default"):
        migrate("default", "passing")
        with schema_context("default", "passing"):
            ada = User.objects.create(username="ada")
            ada.groups.add(Group.objects.create(name="some"))
        flush("default", "passing")


def test_violation_without_a_transaction(schema: SchemaAlias) -> None:
    """The same of a statement that is its own transaction."""
    with pytest.raises(IntegrityError):
        bind(Car, "default", schema.schema).objects.create(name="lost", owner_id=4711)


def test_a_schema_that_was_there_before(committed: None, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was made before the settings said so works where it is, and goes to a worker by Citus's own function."""
    with monkeypatch.context() as before:
        before.setitem(connections["default"].settings_dict, "CITUS", False)
        migrate("default", "elder")
    try:
        cars = bind(Car, "default", "elder").objects
        kept = cars.create(name="Beetle").pk
        migrate("default", "elder")
        assert run("default", "SELECT count(*) FROM citus_schemas WHERE schema_name::text = 'elder'") == [(0,)]
        run("default", "SELECT citus_schema_distribute('elder')")
        for finding, error in mend("default", "elder", find_drift("default", "tenant", ["elder"])["elder"]):
            assert (finding.kind, error) == ("sequence", None)
        assert (cars.get().pk, cars.create(name="Other").pk) == (kept, kept + 1)
    finally:
        flush("default", "elder")
