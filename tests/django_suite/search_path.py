"""Puts the schema on search_path for the time of one test: for SQL that the test writes by hand, and for migrations.

That is how such code is to be run: raw SQL in `schema_cursor()`, migrations by the migrator.
"""

from collections.abc import Iterable
from contextlib import ExitStack
from typing import Any

from django.db import connections
from django.db.migrations.recorder import MigrationRecorder

from django_schemas.alias import SchemaAlias
from django_schemas.identifiers import quote, search_path
from django_schemas.plans import target_of
from django_schemas.target import target_is

from .expectations import Regime
from .placing import ENVIRONMENT, SCHEMA

__all__ = ["Leftovers", "surround_class", "within"]

_PATH = search_path([SCHEMA, "public"])


def within(regime: Regime, databases: Iterable[str]) -> ExitStack:
    """A context in which all connections to these databases, those that are opened in it too, look into the schema."""
    with ExitStack() as stack:
        for db in databases:
            connection = connections[db]
            options = connection.settings_dict["OPTIONS"]
            options["options"] = f"-c search_path={_PATH.replace(' ', '')}"
            stack.callback(options.pop, "options", None)
            with connection.cursor() as cursor:
                cursor.execute(f"SET search_path TO {_PATH}")
            stack.callback(_reset, db)
        if regime is Regime.MIGRATING:
            stack.enter_context(target_is(target_of(SchemaAlias("default", SCHEMA, ENVIRONMENT))))
        return stack.pop_all()


def surround_class(test_class: Any, regime: Regime, databases: Iterable[str]) -> None:
    """Have the fixtures of a class set up, and taken down, within such a context as well."""
    set_up = test_class.setUpClass.__func__

    def set_up_class(cls: Any) -> None:
        cls.addClassCleanup(within(regime, databases).close)
        set_up(cls)

    test_class.setUpClass = classmethod(set_up_class)


class Leftovers:
    """What a test left in the schema, since search_path led there: tables, and records of migrations."""

    def __init__(self) -> None:
        self.tables, self.records = _found()

    def remove(self) -> None:
        """Remove what was not there as this was made."""
        tables, records = _found()
        connection = connections["default"]
        with connection.cursor() as cursor:
            for table in tables - self.tables:
                cursor.execute(f"DROP TABLE {quote(table)} CASCADE")
        for record in records - self.records:
            MigrationRecorder(connection).record_unapplied(*record)


def _found() -> tuple[set[str], set[tuple[str, str]]]:
    connection = connections["default"]
    return set(connection.introspection.table_names()), set(MigrationRecorder(connection).applied_migrations())


def _reset(db: str) -> None:
    connection = connections[db]
    # What was set in a transaction is undone by its end.
    if connection.connection is not None and not connection.in_atomic_block:
        with connection.cursor() as cursor:
            cursor.execute("RESET search_path")
