"""Adoption: what makes a model class one of an environment, as it is prepared: declared models and those of adopted,
unmodified apps alike.

Its table learns its environments, its managers give placed querysets, and instances of two schemas are told apart and
are not written into each other's. Historic models of migrations are left alone, but for those of other environments
than the one being migrated: their tables are named with their schema.
"""

from collections.abc import Callable
from copy import copy
from functools import wraps
from typing import Any

from django.db.migrations import state as migration_state
from django.db.models import Model, options
from django.db.models.fields.related import lazy_related_operation
from django.db.models.options import Options
from django.db.models.signals import class_prepared
from django.utils.functional import cached_property

from .alias import SchemaAlias, SchemaTable
from .caches import watch
from .context import active_alias, ensure_active
from .deletion import collected_manager
from .importing import watch_imports
from .managers import placed_manager
from .membership import declared_environment, environments_of, environments_of_name, is_current, table_environments
from .places import instance_alias, place, placed_using, refuse_other, single_home
from .relations import guard_descriptors
from .target import migrating

__all__ = ["adopt", "known_table", "prepare"]

_tables: dict[str, SchemaTable] = {}
"""Every table of an environment, by its name."""


class SchemaOptions(Options):  # type: ignore[type-arg]  # generic in the stubs only
    """The `_meta` of a model in an environment: all its managers carry placements."""

    @cached_property
    def managers(self) -> Any:
        """The managers, each giving placed querysets."""
        managers = super().managers
        for manager in managers:
            placed_manager(manager)
        return managers

    @cached_property
    def base_manager(self) -> Any:
        """The manager that Django itself uses."""
        # A copy: a model may name one of its managers as this one.
        return collected_manager(copy(placed_manager(super().base_manager)))


def prepare() -> None:
    """Make Django accept `Meta.db_environment`, and take up each model as it is prepared. Called before models."""
    # The one patch of Django: there is no hook for options of a model's Meta. Both modules hold the tuple by name.
    if "db_environment" not in options.DEFAULT_NAMES:
        options.DEFAULT_NAMES = (*options.DEFAULT_NAMES, "db_environment")
        migration_state.DEFAULT_NAMES = options.DEFAULT_NAMES  # type: ignore[attr-defined]
    class_prepared.connect(_prepared, dispatch_uid="django_schemas.adoption")
    watch_imports()


def known_table(name: str) -> SchemaTable | None:
    """The table of an environment that has this name."""
    return _tables.get(name)


def adopt(model: type[Model]) -> None:
    """Make a model class one of its environments', if it has any."""
    environments = environments_of(model)
    if not environments:
        return
    table = SchemaTable(model._meta.db_table, environments)
    model._meta.db_table = _tables[table] = table
    model._meta.__class__ = SchemaOptions
    declared = declared_environment(model)
    if declared is not None and not (model._meta.proxy or model._meta.auto_created):
        # Inherited or not, it is written into migrations: a model that is deleted later has no other record of it.
        model._meta.original_attrs.setdefault("db_environment", declared)
    model._meta._expire_cache()  # type: ignore[attr-defined]  # not in the stubs
    _guard(model)
    guard_descriptors(model)
    ordered_by: Any = model._meta.order_with_respect_to
    if ordered_by is not None and ordered_by.remote_field is not None:
        # Behind Django's own operation, which waits for the same two models.
        lazy_related_operation(_guard_order, model, ordered_by.remote_field.model)
    watch(model)


def _prepared(sender: type[Model], **kwargs: Any) -> None:
    if is_current(sender):
        adopt(sender)
        return
    target = migrating()
    if target is None or target.environment is None:
        return
    label, name = sender._meta.app_label, sender._meta.object_name
    environments = environments_of_name(label, name, sender) if name else ()
    if environments and target.environment not in environments:
        sender._meta.db_table = SchemaTable(sender._meta.db_table, environments)


def _guard(model: type[Model]) -> None:
    """Give a class the methods that keep schemas apart, around those it has."""
    for name, guard in _GUARDS.items():
        method = getattr(model, name, None)
        # A class that defines __eq__ alone has no __hash__; ordered models and content types alone have the last ones.
        if method is not None and not getattr(method, "keeps_schemas_apart", False):
            wrapped = wraps(method)(guard(method))
            wrapped.keeps_schemas_apart = True  # type: ignore[attr-defined]
            setattr(model, name, wrapped)


def _save_base(method: Callable[..., None]) -> Callable[..., None]:
    def save_base(self: Model, *args: Any, **kwargs: Any) -> None:
        # Django passes `using` by name.
        using, own = kwargs.get("using"), self._state.db
        if using is None:
            using = place(type(self), self)
        elif type(using) is not SchemaAlias or (own is not None and using is not own):
            using = kwargs["using"] = _own_place(self, using)
        # Receivers of signals do what they do where the object is.
        with ensure_active(using):
            method(self, *args, **kwargs)

    return save_base


def _delete(method: Callable[..., Any]) -> Callable[..., Any]:
    def delete(self: Model, *args: Any, **kwargs: Any) -> Any:
        # Passed on as it came: a model may override delete() with fewer parameters.
        using = args[0] if args else kwargs.get("using")
        alias = place(type(self), self) if using is None else _own_place(self, using)
        if args and using is not None:
            args = (alias, *args[1:])
        elif using is not None:
            kwargs["using"] = alias
        with ensure_active(alias):
            return method(self, *args, **kwargs)

    delete.alters_data = True  # type: ignore[attr-defined]
    return delete


def _refresh_from_db(method: Callable[..., None]) -> Callable[..., None]:
    def refresh_from_db(self: Model, using: str | None = None, fields: Any = None, from_queryset: Any = None) -> None:
        if from_queryset is not None and isinstance(from_queryset.db, SchemaAlias):
            refuse_other(from_queryset.db, self)
        method(self, using=using and _own_place(self, using), fields=fields, from_queryset=from_queryset)

    return refresh_from_db


def _at_home(method: Callable[..., Any]) -> Callable[..., Any]:
    def at_home(self: Model, *args: Any, **kwargs: Any) -> Any:
        # Django looks for other rows without saying where: it means where this one is, or would go.
        with ensure_active(place(type(self), self)):
            return method(self, *args, **kwargs)

    return at_home


def _eq(method: Callable[[Model, object], bool]) -> Callable[[Model, object], bool]:
    def __eq__(self: Model, other: object) -> bool:
        equal = method(self, other)
        if equal is not True or self is other:
            return equal
        return _identity(self) == _identity(other)  # type: ignore[arg-type]  # equal to a model instance: is one

    return __eq__


def _hash(method: Callable[[Model], int]) -> Callable[[Model], int]:
    def __hash__(self: Model) -> int:
        return hash((method(self), _identity(self)))

    return __hash__


_GUARDS: dict[str, Callable[[Any], Any]] = {
    "save_base": _save_base,
    "delete": _delete,
    "refresh_from_db": _refresh_from_db,
    "validate_unique": _at_home,
    "__eq__": _eq,
    "__hash__": _hash,
    "get_next_in_order": _at_home,
    "get_previous_in_order": _at_home,
    "get_object_for_this_type": _at_home,
    "get_all_objects_for_this_type": _at_home,
}
"""What is put around a model's methods, by their names."""


def _guard_order(ordered: type[Model], related: type[Model]) -> None:
    """Have an object's related ones read, and put in order, where the object is."""
    # Django looks for the related ones by the object's key alone.
    names = [f"{verb}_{ordered.__name__.lower()}_order" for verb in ("get", "set")]
    read, write = (getattr(related, name) for name in names)

    @wraps(read)
    def get_order(self: Model) -> Any:
        with ensure_active(place(ordered, self)):
            return read(self)

    @wraps(write)
    def set_order(self: Model, id_list: Any, using: str | None = None) -> None:
        with ensure_active(place(ordered, self)):
            write(self, id_list, using=using and _own_place(self, using))

    for name, method in zip(names, (get_order, set_order), strict=True):
        setattr(related, name, method)


def _own_place(instance: Model, using: str) -> SchemaAlias:
    """The place that `using` means for an instance; SchemaMismatch if it is not the instance's own."""
    own = instance_alias(instance, table_environments(type(instance)))
    alias = placed_using(type(instance), using, own)
    refuse_other(alias, instance)
    return alias


def _identity(instance: Model) -> tuple[str, str] | None:
    """What tells instances with the same primary key apart: their database and schema.

    An instance that was never saved nor read counts as one of the place it would be saved to now.
    """
    environments = table_environments(instance._meta.model)  # Not its type: it may be lazy, as request.user is.
    alias = instance._state.db
    if not isinstance(alias, SchemaAlias):
        found = active_alias(environments) or single_home(environments)
        if found is None:
            return None
        alias = found
    return (alias.db, alias.schema)
