"""The pool: ready schemas, that new tenants take instead of waiting for theirs to be made.

A ready schema has a hidden name, a mark whose owner is its row here, and the migrations that this code has; no tenant
owns it. `filling` makes them, `claiming` hands them out.
"""

import re
import uuid

from django.db import models, router

from django_schemas.alias import SchemaAlias
from django_schemas.environments import alias_for
from django_schemas.identifiers import MAX_BYTES
from django_schemas.schemas import Mark

from .conf import REGISTRY, conf

__all__ = ["PooledSchema", "pooled_id"]

_NAME = re.compile(r"_pool_(?P<hex>[0-9a-f]{32})")


class PooledSchema(models.Model):
    """A schema that is ready for a new tenant.

    Attributes:
        id: the owner that the schema's mark names.
        db: alias of the writable database that it is in.
        schema_name: its name, until a tenant takes it.
        state: a digest of the migrations that it was made with; see `django_schemas.making.state_key`.
        created_at: when it was made.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    db = models.CharField("database", max_length=MAX_BYTES)
    schema_name = models.CharField("schema", max_length=MAX_BYTES)
    state = models.CharField(max_length=64)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_environment = REGISTRY
        ordering = ("created_at",)
        verbose_name = "ready schema"

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self.schema_name = self.schema_name or f"_pool_{self.pk.hex}"

    def __str__(self) -> str:
        return f"{self.db}.{self.schema_name}"

    @property
    def registry(self) -> str:
        """Alias of the writable database that its row is in."""
        return str(router.db_for_write(type(self), instance=self))

    @property
    def alias(self) -> SchemaAlias:
        """The database alias that remembers this schema."""
        return alias_for(self.db, self.schema_name, (conf.environment,))

    @property
    def mark(self) -> Mark:
        """The mark that it bears."""
        return Mark(conf.environment, str(self.pk))


def pooled_id(schema: str, mark: Mark) -> uuid.UUID | None:
    """The row that a schema was made for, as its name and its mark say alike; None if it was not made for the pool."""
    match = _NAME.fullmatch(schema)
    pk = uuid.UUID(match["hex"]) if match else None
    return pk if str(pk) == mark.owner else None
