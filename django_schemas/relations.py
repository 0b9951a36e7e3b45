"""Relations: refuses objects of two schemas where Django's managers and descriptors of relations take objects.

They read no more than the keys of some of these, so the objects' schemas are compared before.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cache, wraps
from typing import Any

from django.db.models import Manager, Model

from .alias import SchemaAlias
from .context import ensure_active
from .exceptions import SchemaMismatch
from .places import refuse_other
from .querysets import mixed, plain_class

__all__ = ["guard_descriptors", "guard_manager_class"]


def guard_manager_class(cls: type) -> None:
    """Guard the methods of a relation's manager class that change it. Any other class is left as it is."""
    for name in ("add", "remove", "set", "clear", "create", "get_or_create", "update_or_create"):
        method = vars(cls).get(name)
        if method is not None:
            setattr(cls, name, _same_schema(method))
    for name, guard in (("get_prefetch_querysets", _one_schema), ("_apply_rel_filters", _on_a_copy)):
        method = vars(cls).get(name)
        if method is not None:
            setattr(cls, name, guard(method))
    if "constrained_target" in vars(cls) and plain_class(cls.__base__) is Manager:
        for name in ("count", "exists"):
            setattr(cls, name, _on_relation(name, getattr(cls, name)))


def guard_descriptors(model: type[Model]) -> None:
    """Guard the attributes of a model class by which related objects are fetched ahead for many objects at once."""
    descriptor: Any
    for descriptor in list(vars(model).values()):
        if hasattr(type(descriptor), "get_prefetch_querysets"):
            plain: Any = type(descriptor)
            descriptor.__class__ = _guarded_class(plain)
            # Of a one-to-one relation the other end is made from this, later.
            field: Any = getattr(descriptor, "field", None)
            accessor = getattr(field, "related_accessor_class", None)
            if hasattr(accessor, "get_prefetch_querysets"):
                field.related_accessor_class = _guarded_class(accessor)


def _one_schema(method: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap `get_prefetch_querysets`: all objects, and querysets that were given for them, must be of one schema."""

    @wraps(method)
    def guarded(self: Any, instances: Sequence[Model], querysets: Any = None) -> Any:
        alias = next((each._state.db for each in instances if isinstance(each._state.db, SchemaAlias)), None)
        if alias is None:
            return method(self, instances, querysets)
        for each in instances:
            refuse_other(alias, each)
        for queryset in querysets or ():
            carried = getattr(queryset, "placement", None)
            if carried is not None and carried.environment == alias.environment and not carried.same_place(alias):
                raise SchemaMismatch(
                    f"A queryset on {carried.placement} was given to fetch what belongs to objects of "
                    f"{alias.placement}: make it in their schema."
                )
        # Django gives hints to the very queryset of a Prefetch, which may be used in another schema afterwards.
        copies = [queryset._chain() for queryset in querysets] if querysets is not None else None
        # What Django makes by itself is made here.
        with ensure_active(alias):
            return method(self, instances, copies)

    return guarded


def _on_a_copy(method: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap `_apply_rel_filters`: it gives hints to the very queryset of a Prefetch, too."""

    @wraps(method)
    def guarded(self: Any, queryset: Any) -> Any:
        # One that this manager made has the placement of the manager's instance.
        return method(self, queryset._chain() if getattr(queryset, "placement", self) is None else queryset)

    return guarded


@cache
def _guarded_class(plain: Any) -> Any:
    """The class of a descriptor with its method guarded; a guarded one itself."""
    if "_plain" in vars(plain):
        return plain
    return mixed(plain, get_prefetch_querysets=_one_schema(plain.get_prefetch_querysets))


def _same_schema(method: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a method of a relation's manager: refuse objects of another schema than the manager's own instance, by
    themselves, listed, or as the values of rows.

    Receivers of signals have the instance's schema active.
    """

    @wraps(method)
    def guarded(self: Any, *args: Any, **kwargs: Any) -> Any:
        own = getattr(getattr(getattr(self, "instance", None), "_state", None), "db", None)
        if not isinstance(own, SchemaAlias):
            return method(self, *args, **kwargs)
        args = tuple(map(_listed, args))
        if "objs" in kwargs:  # So `aset` names what it is given.
            kwargs["objs"] = _listed(kwargs["objs"])
        for value in (*args, *kwargs.values()):
            for item in _items(value):
                refuse_other(own, item)
        with ensure_active(own):
            return method(self, *args, **kwargs)

    return guarded


def _listed(value: object) -> object:
    """A tuple of what an iterable holds, which may be read but once. Strings and models are one item."""
    return value if isinstance(value, str | Model | dict) or not isinstance(value, Iterable) else tuple(value)


def _items(value: object) -> Iterable[object]:
    """What an argument holds: objects in a tuple, the defaults of rows in a dict."""
    if isinstance(value, dict):
        return (*value, *value.values())
    return value if isinstance(value, tuple) else (value,)


def _on_relation(name: str, method: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Have a many-to-many relation counted in its own table alone, without a join.

    Django does so by itself, but only where the class of the related model's manager is `Manager` and no other.
    """

    @wraps(method)
    def counted(self: Any) -> Any:
        target = self.constrained_target if self.get_prefetch_cache() is None else None
        return method(self) if target is None else getattr(target, name)()

    return counted
