"""The schema editor: that of the backend, where Citus takes less of ALTER TABLE.

What it takes no constraint with has that named, as PostgreSQL itself would name it; what numbers itself is changed by
making its table anew; scripts are sent one statement after the other, since Citus sends a whole message on.
"""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, cast

from django.db import DatabaseError, NotSupportedError
from django.db.models import AutoField

from ...citus import is_distributed, refuse_others
from ...identifiers import MAX_BYTES
from ...references import referring
from ...scripts import statements_of
from ...settling import settling
from ..postgres.schema import DatabaseSchemaEditor
from .rebuilding import Column, rebuild_sql

__all__ = ["CitusSchemaEditor"]

_TRIGGER = re.compile(r"\bTRIGGER\b", re.IGNORECASE)
_TAKEN = """
    WITH own AS (SELECT relnamespace AS home FROM pg_catalog.pg_class WHERE oid = to_regclass(%s))
    SELECT k.conname::text FROM pg_catalog.pg_constraint k JOIN own ON k.connamespace = own.home
    UNION ALL
    SELECT c.relname::text FROM pg_catalog.pg_class c JOIN own ON c.relnamespace = own.home
"""
_BOOKED = "SELECT EXISTS (SELECT FROM pg_catalog.pg_dist_partition WHERE logicalrelid = to_regclass(%s))"


class CitusSchemaEditor(DatabaseSchemaEditor):
    """The schema editor of a coordinator."""

    _adding: tuple[Any, Any] | None = None
    """The model and the field that is being added to its table."""

    def __enter__(self) -> Any:
        """Begin. What waits on a worker, where SET CONSTRAINTS is not heard, is checked before structure is changed."""
        if not self.collect_sql:
            refuse_others(self.connection)
        self._around = ExitStack()
        if cast(Any, self.connection).settling is None:
            self._around.enter_context(settling(self.connection))
        return super().__enter__()

    def __exit__(self, *exc_info: Any) -> None:
        """End."""
        with self._around:
            super().__exit__(*exc_info)

    def execute(self, sql: Any, params: Any = ()) -> None:
        """Run a statement, or each of several."""
        composed = str(sql) if params is None else self.connection.ops.compose_sql(str(sql), params)
        for statement in statements_of(composed):
            if self.collect_sql:
                super().execute(statement, None)
                continue
            with referring(self.connection, statement), _explained(statement):
                super().execute(statement, None)

    def add_field(self, model: Any, field: Any) -> None:
        """Add a column, whose constraints are named."""
        if isinstance(field, AutoField) and self._is_booked(model):
            self._rebuild(model, str(field.column), self._numbered(model, field, added=True))
            self.execute(self._create_primary_key_sql(model, field))  # type: ignore[attr-defined]  # not in the stubs
            return
        self._adding, former = (model, field), self._adding
        check, self.sql_check_constraint = self.sql_check_constraint, self._named("check", self.sql_check_constraint)
        try:
            super().add_field(model, field)
        finally:
            self._adding, self.sql_check_constraint = former, check

    # The stubs leave out the private methods below.

    def _iter_column_sql(
        self, column_db_type: Any, params: Any, model: Any, field: Any, field_db_params: Any, include_default: Any
    ) -> Iterator[str]:
        for part in super()._iter_column_sql(column_db_type, params, model, field, field_db_params, include_default):  # type: ignore[misc]
            yield self._named("key", part) if part == "UNIQUE" else part

    def _alter_column_type_sql(
        self, model: Any, old_field: Any, new_field: Any, new_type: str, old_collation: Any, new_collation: Any
    ) -> Any:
        given = model, old_field, new_field, new_type, old_collation, new_collation
        was, becomes = isinstance(old_field, AutoField), isinstance(new_field, AutoField)
        if not (was or becomes) or not self._is_booked(model):
            return super()._alter_column_type_sql(*given)  # type: ignore[misc]
        if (was, old_field.db_type(self.connection)) != (becomes, new_type):
            change = self._numbered(model, new_field) if becomes else Column(new_type, False)
            self._rebuild(model, new_field.column, change)
        column = self.quote_name(new_field.column)
        # What remains to be done is nothing; Django writes it into one ALTER TABLE with what else there is.
        nothing = f"ALTER COLUMN {column} SET NOT NULL" if becomes else f"ALTER COLUMN {column} TYPE {new_type}"
        comments = []
        if old_field.db_comment != new_field.db_comment:
            comments = [self._alter_column_comment_sql(model, new_field, new_type, new_field.db_comment)]  # type: ignore[attr-defined]
        return (nothing, []), comments

    def _rebuild(self, model: Any, column: str, change: Column) -> None:
        self.execute(rebuild_sql(self.quote_name(model._meta.db_table), {column: change}), None)

    def _numbered(self, model: Any, field: Any, *, added: bool = False) -> Column:
        sequence = _object_name(str.__str__(model._meta.db_table), field.column, "seq")
        return Column(str(field.db_type(self.connection)), True, sequence, added)

    def _is_booked(self, model: Any) -> bool:
        """Whether Citus knows a model's table: each one of a multi-schema environment's, some of others'."""
        if is_distributed(self.connection):
            return True
        with self.connection.cursor() as cursor:
            cursor.execute(_BOOKED, [self.quote_name(model._meta.db_table)])
            return bool(cursor.fetchone()[0])

    def _named(self, label: str, constraint: str) -> str:
        """A constraint of the column that is being added, with the name that PostgreSQL would give it."""
        if self._adding is None:
            return constraint
        model, field = self._adding
        table = model._meta.db_table
        with self.connection.cursor() as cursor:
            cursor.execute(_TAKEN, [self.quote_name(table)])
            taken = {name for (name,) in cursor.fetchall()}
        number = 0
        name = _object_name(str.__str__(table), field.column, label)
        while name in taken:
            number += 1
            name = _object_name(str.__str__(table), field.column, f"{label}{number}")
        return f"CONSTRAINT {self.connection.ops.quote_name(name)} {constraint}"


@contextmanager
def _explained(statement: str) -> Iterator[None]:
    """Say what to do if Citus refuses a trigger."""
    try:
        yield
    except DatabaseError as error:
        if not _TRIGGER.search(statement) or "triggers are not supported" not in str(error):
            raise
        raise NotSupportedError(
            f"{str(error).strip()}: Citus runs them where the rows are, and makes them only where "
            "citus.enable_unsafe_triggers is on. Say ALTER DATABASE ... SET citus.enable_unsafe_triggers TO on if each "
            "trigger of yours touches tables of its own schema alone, by their full names."
        ) from error


def _object_name(table: str, column: str, label: str) -> str:
    """The name that PostgreSQL makes for what belongs to a column (`makeObjectName`): cut where it is too long."""
    first, second = table.encode(), column.encode()
    room = MAX_BYTES - len(label) - 2
    while len(first) + len(second) > room:
        if len(first) > len(second):
            first = first[:-1]
        else:
            second = second[:-1]
    return "_".join((first.decode(errors="ignore"), second.decode(errors="ignore"), label))
