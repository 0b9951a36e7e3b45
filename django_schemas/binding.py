"""Bound models: a model class tied to one placement.

A bound model is a small object in front of the class, not a class of its own: a thousand schemas cost no classes, and
its instances are plain instances of the model.
"""

from types import MethodType
from typing import Any, TypeVar, cast

from django.db.models import Model
from django.db.models.manager import BaseManager

from .alias import SchemaAlias, SchemaTable
from .context import activate, active_alias
from .environments import alias_for
from .exceptions import ConfigError, NoActiveSchema
from .places import instance_alias, no_schema_message, refuse_other, single_home

__all__ = ["BoundModel", "auto_bind", "bind", "inherit_bind"]

_M = TypeVar("_M", bound=Model)


class BoundModel:
    """A model tied to a placement: what `set_db`, `inherit_db`, `auto_db` and `bind` return.

    Everything of the model is there. Managers are bound, class methods run with the bound model as `cls`, and calling
    it makes an instance that belongs to the placement.
    """

    __slots__ = ("_alias", "_model")

    def __init__(self, model: type[Model], alias: SchemaAlias) -> None:
        self._model = model
        self._alias = alias

    @property
    def db_name(self) -> str:
        """Alias of the writable database."""
        return self._alias.db

    @property
    def schema_name(self) -> str:
        """Name of the schema."""
        return self._alias.schema

    def set_db(self, db: str, schema: str) -> Any:
        """The same model, bound to another placement."""
        return bind(self._model, db, schema)

    def __call__(self, *args: Any, **kwargs: Any) -> Model:
        """Make an instance that belongs to the placement."""
        for value in (*args, *kwargs.values()):
            refuse_other(self._alias, value)
        with activate(self._alias):
            instance = self._model(*args, **kwargs)
        # It has the place of the objects it was given in other ways, as in an overridden __init__.
        refuse_other(self._alias, instance)
        instance._state.db = self._alias
        return instance

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._model, name)
        if isinstance(value, BaseManager):
            hints: dict[str, Any] = {"placement": self._alias}
            # Both: methods of managers use `self._db` to save what they make; querysets are told by the hint alone,
            # so that they may read from replicas.
            return value.db_manager(self._alias, hints=hints)
        if isinstance(value, MethodType) and value.__self__ is self._model:
            return MethodType(value.__func__, self)
        return value

    def __instancecheck__(self, instance: object) -> bool:
        own = instance_alias(instance, (self._alias.environment,))
        return isinstance(instance, self._model) and own is not None and own.same_place(self._alias)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BoundModel):
            return NotImplemented
        return self._model is other._model and self._alias == other._alias

    def __hash__(self) -> int:
        return hash((self._model, self._alias.schema))

    def __reduce__(self) -> Any:
        return bind, (self._model, self._alias.db, self._alias.schema)

    def __repr__(self) -> str:
        return f"<{self._model._meta.label} in {self._alias.placement}>"


def bind(model: type[_M], db: str, schema: str) -> type[_M]:
    """Tie a model of an environment to a placement: `set_db` for any model, those of adopted apps included.

    Args:
        model: the model, or a bound one.
        db: alias of a writable database that hosts an environment of the model.
        schema: name of the schema.

    Raises:
        ConfigError: the model is in no environment, or the database does not host it.
        InvalidSchemaName: the name breaks the rules for schema names.
    """
    plain = _unbound(model)
    return _bound(plain, alias_for(db, schema, _environments(plain)))


def inherit_bind(model: type[_M], source: object) -> type[_M]:
    """Tie a model to the placement of an instance, a bound model or a single-schema model.

    Raises:
        ConfigError: the source has no placement, or one of another environment that says nothing of this model's.
    """
    plain = _unbound(model)
    environments = _environments(plain)
    if isinstance(source, BoundModel):
        alias: SchemaAlias | None = source._alias
    elif isinstance(source, type) and issubclass(source, Model):
        alias = single_home(_environments(source))
    else:
        alias = getattr(getattr(source, "_state", None), "db", None)
    if isinstance(alias, SchemaAlias) and alias.environment in environments:
        return _bound(plain, alias.primary)
    single = single_home(environments)
    if single is not None:
        return _bound(plain, single)
    raise ConfigError(
        f"{plain._meta.label} can't take its placement from {source!r}, which has "
        + (f"{alias!r}" if isinstance(alias, SchemaAlias) else "none")
        + ": use set_db(db, schema)."
    )


def auto_bind(model: type[_M]) -> type[_M]:
    """Tie a model to the active placement, else to its single schema.

    Raises:
        NoActiveSchema: there is neither. It is a ConfigError.
    """
    plain = _unbound(model)
    environments = _environments(plain)
    alias = active_alias(environments) or single_home(environments)
    if alias is None:
        raise NoActiveSchema(no_schema_message(plain._meta.label, environments))
    return _bound(plain, alias.primary)


def _bound(model: type[_M], alias: SchemaAlias) -> type[_M]:
    return cast(type[_M], BoundModel(model, alias))


def _unbound(model: Any) -> Any:
    return model._model if isinstance(model, BoundModel) else model


def _environments(model: type[Model]) -> tuple[str, ...]:
    table = model._meta.db_table
    if not isinstance(table, SchemaTable):
        raise ConfigError(
            f"{model._meta.label} is in no environment: set Meta.db_environment, or list its app in APPS of one."
        )
    return table.environments
