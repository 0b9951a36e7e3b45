"""`migrate`, as the test runner calls it for a new database: makes the multi-schema environment's schema too."""

from django_schemas.alias import SchemaAlias
from django_schemas.management.commands import migrate
from django_schemas.plans import target_of
from django_schemas.target import Target

from ...placing import ENVIRONMENT, SCHEMA, Mode, databases, mode


class Command(migrate.Command):
    """Ours, for the one schema that is active."""

    def _targets(self, db: str, app_label: str | None) -> list[Target]:
        if mode() is Mode.SINGLE or db not in databases():
            return super()._targets(db, app_label)
        return [target_of(SchemaAlias(db, SCHEMA, ENVIRONMENT))]
