"""Operations: those of the backend, where a statement may not mix tables of a schema, which are on a worker, with the
sequences, which are on the coordinator.
"""

from collections.abc import Iterable
from typing import Any

from django.db.models import AutoField

from ...identifiers import literal
from ...scripts import statements_of
from ..postgres.operations import DatabaseOperations

__all__ = ["CitusOperations"]

# Run by the coordinator, one statement after the other.
_RESET = """DO $reset$
DECLARE highest bigint;
BEGIN
    SELECT max({column}) INTO highest FROM {table};
    PERFORM setval(pg_get_serial_sequence({table_name}, {column_name}), coalesce(highest, 1), highest IS NOT NULL);
END $reset$;"""


class CitusOperations(DatabaseOperations):
    """Operations of a coordinator."""

    def prepare_sql_script(self, sql: str) -> list[str]:
        """The statements of a script: some make Citus send all of the message they came in to its workers."""
        return statements_of(sql)

    def sequence_reset_sql(self, style: Any, model_list: Iterable[Any]) -> list[str]:
        """The statements that set the models' sequences to the highest key."""
        return [
            _RESET.format(
                column=self.quote_name(field.column),
                table=(table := self.quote_table(model._meta.db_table)),
                table_name=literal(table),
                column_name=literal(field.column),
            )
            for model in model_list
            for field in model._meta.local_fields
            if isinstance(field, AutoField) and field.column
        ]
