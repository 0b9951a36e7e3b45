"""Operations as a project writes them."""

from typing import Any

from django.db import models
from django.db.migrations.operations import AddField
from django.db.migrations.operations.base import Operation


class CopyColumn(AddField):
    """Add a nullable column that holds what another one does: state, database, rows."""

    def __init__(self, model_name: str, source: str, name: str) -> None:
        self.source = source
        super().__init__(model_name, name, models.TextField(null=True))

    def deconstruct(self) -> Any:
        return type(self).__name__, [self.model_name, self.source, self.name], {}

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        super().database_forwards(app_label, schema_editor, from_state, to_state)
        if self.allow_migrate_model(
            schema_editor.connection.alias, to_state.apps.get_model(app_label, self.model_name)
        ):
            model = to_state.apps.get_model(app_label, self.model_name)
            model.objects.using(schema_editor.connection.alias).update(**{self.name: models.F(self.source)})


class Polish(Operation):
    """Send SQL that looks at the rows first."""

    reversible = True

    def __init__(self, model_name: str) -> None:
        self.model_name = model_name

    def deconstruct(self) -> Any:
        return type(self).__name__, [self.model_name], {}

    def state_forwards(self, app_label: str, state: Any) -> None:
        pass

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        table = schema_editor.quote_name(to_state.apps.get_model(app_label, self.model_name)._meta.db_table)
        with schema_editor.connection.cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM {table}")
            (count,) = cursor.fetchone()
        schema_editor.execute(f"UPDATE {table} SET copy = copy || %s WHERE id %% 2 = 0", [f" of {count}"])

    def database_backwards(self, *args: Any) -> None:
        pass
