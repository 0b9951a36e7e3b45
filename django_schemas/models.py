"""`django.db.models`, and a Model that can be bound to a placement.

`from django_schemas import models` instead of `from django.db import models` is all that a model's module changes.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Self

from django.db import models as _models

from .alias import SchemaAlias
from .binding import auto_bind, bind, inherit_bind
from .context import active_alias
from .membership import environments_of, refuse_unprepared
from .placement import Placement
from .places import single_home
from .plain import *  # noqa: F403
from .spanning import Across, Placed, across

__all__ = [*_models.__all__, "SchemaModel"]


def __getattr__(name: str) -> Any:
    return getattr(_models, name)


class _PlacementName:
    """An attribute of models and instances that names a part of their placement; None where they have none."""

    def __init__(self, part: str) -> None:
        self.part = part

    def __get__(self, instance: _models.Model | None, owner: type[_models.Model]) -> str | None:
        if instance is not None:
            alias = instance._state.db
        elif owner._meta.abstract:
            return None
        else:
            environments = environments_of(owner)
            alias = active_alias(environments) or single_home(environments)
        return getattr(alias, self.part) if isinstance(alias, SchemaAlias) else None


class SchemaModel(_models.Model):
    """A model whose queries can be bound to a (database, schema) placement.

    Its environment is `Meta.db_environment`, which subclasses inherit. Can be combined with other abstract models, as
    in `class Place(SchemaModel, gis_models.Model)`.

    Attributes:
        db_name: alias of the writable database of an instance or a bound model; on the class itself, that of the
            active placement or of the single schema; else None.
        schema_name: name of the schema, likewise.
    """

    db_name = _PlacementName("db")
    schema_name = _PlacementName("schema")

    if not TYPE_CHECKING:  # To type checkers, a model's own Meta would override it.

        class Meta:
            abstract = True

    @classmethod
    def set_db(cls, db: str, schema: str) -> type[Self]:
        """Bind this model to a placement.

        Args:
            db: alias of a writable database that hosts this model's environment.
            schema: name of the schema.

        Returns:
            A bound model: use it as the class.

        Raises:
            ConfigError: the database does not host the environment of this model.
            InvalidSchemaName: the name breaks the rules for schema names.
        """
        return bind(cls, db, schema)

    @classmethod
    def inherit_db(cls, source: Any) -> type[Self]:
        """Bind this model to the placement of an instance, a bound model or a single-schema model.

        Raises:
            ConfigError: the source has no placement that fits this model.
        """
        return inherit_bind(cls, source)

    @classmethod
    def auto_db(cls) -> type[Self]:
        """Bind this model to the active placement, else to its single schema.

        Raises:
            NoActiveSchema: there is neither. It is a ConfigError.
        """
        return auto_bind(cls)

    @classmethod
    def across(cls, places: Iterable[Placement | Placed]) -> Across[Self]:
        """Ask many schemas at once, reading only: see `django_schemas.across`.

        Args:
            places: placements, or what has them, as tenants have.
        """
        return across(cls, places)


class Model(SchemaModel):
    """The base class for models of environments."""

    if not TYPE_CHECKING:

        class Meta:
            abstract = True


# Else it is Django that complains, of `db_environment` in the Meta of the first model.
refuse_unprepared()
