"""Caches that Django keeps in the process, of content types and sites: kept by place here, bounded, and forgotten where
a schema is migrated or dropped.

Django keeps content types by alias, without a bound, and looks up one alias of a database among all its others; sites
in one dict for the whole process.
"""

import sys
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from threading import Lock
from typing import Any
from weakref import WeakSet

from django.db import connections
from django.db.models import Model
from django.db.models.signals import post_delete, post_save
from django.http.request import split_domain_port

from .alias import SchemaAlias

__all__ = ["PLACES", "PlaceCache", "cache_mixins", "forget", "forget_historic", "keep_apart", "watch"]

PLACES = 256
"""How many places a cache remembers: those used last. Thirty content types of one take 13 KB (measured)."""


class PlaceCache:
    """A dict for each place; the place used longest ago is forgotten for a new one."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str], dict[Any, Any]] = OrderedDict()
        self._lock = Lock()
        _caches.add(self)

    def __getitem__(self, alias: SchemaAlias) -> dict[Any, Any]:
        """What is remembered of a place, replicas counted as their primary."""
        key = _key(alias)
        with self._lock:
            self._kept.move_to_end(key)
            return self._kept[key]

    def setdefault(self, alias: SchemaAlias, default: dict[Any, Any]) -> dict[Any, Any]:
        """What is remembered of a place; if nothing is, remember this."""
        key = _key(alias)
        with self._lock:
            kept = self._kept.setdefault(key, default)
            self._kept.move_to_end(key)
            while len(self._kept) > PLACES:
                self._kept.popitem(last=False)
        return kept

    def forget(self, db: str, schema: str) -> None:
        """Forget a place."""
        with self._lock:
            self._kept.pop((db, schema), None)

    def clear(self) -> None:
        """Forget all places."""
        with self._lock:
            self._kept.clear()

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[()]]:
        return PlaceCache, ()


_caches: WeakSet[PlaceCache] = WeakSet()


# The stubs know nothing of these methods.
_SiteManager: Any = object


class SitesByPlace(_SiteManager):  # type: ignore[misc]
    """What the manager of sites remembers, by place."""

    _cache: PlaceCache

    def clear_cache(self) -> None:
        """Forget the sites of all places."""
        self._cache.clear()

    def _get_site_by_id(self, site_id: Any) -> Any:
        return self._remembered(site_id, pk=site_id)

    def _get_site_by_request(self, request: Any) -> Any:
        # As Django's: by the host with its port, then without.
        host = request.get_host()
        try:
            return self._remembered(host, domain__iexact=host)
        except self.model.DoesNotExist:
            domain, _ = split_domain_port(host)
            return self._remembered(domain, domain__iexact=domain)

    def _remembered(self, key: Any, **lookup: Any) -> Any:
        alias = self.db
        kept = self._cache.setdefault(alias, {})
        if key not in kept:
            # A replica that has not heard of a change yet would be remembered for good.
            kept[key] = self.using(alias.primary).get(**lookup)
        return kept[key]


def cache_mixins(manager_class: type) -> tuple[type, ...]:
    """What a placed manager class needs besides, so that it remembers by place."""
    return (SitesByPlace,) if _is_a(manager_class, _SITES) else ()


def keep_apart(manager: Any) -> None:
    """Give a manager that remembers rows a cache by place."""
    if _is_a(type(manager), _SITES) or _is_a(type(manager), _CONTENT_TYPES):
        manager._cache = PlaceCache()


def watch(model: type[Model]) -> None:
    """Have the sites of a place forgotten when one is changed, if this is their model."""
    if model._meta.label == "sites.Site":
        for signal in (post_save, post_delete):
            signal.connect(_forget_changed, sender=model, dispatch_uid="django_schemas.caches")


def forget(db: str, schema: str) -> None:
    """Forget what is remembered of a place; again once it is committed, until when others read what was there."""
    _forget(db, schema)
    if connections[db].in_atomic_block:
        connections[db].on_commit(partial(_forget, db, schema))


def forget_historic(project_apps: Any) -> None:
    """Forget what historic models remember of rows, which they keep by the database alone."""
    content_type = project_apps.all_models["contenttypes"].get("contenttype")
    if content_type is not None:
        content_type._default_manager.clear_cache()
    sites = sys.modules.get(_SITES[0])
    if sites is not None:
        sites.SITE_CACHE.clear()


_SITES = ("django.contrib.sites.models", "SiteManager")
_CONTENT_TYPES = ("django.contrib.contenttypes.models", "ContentTypeManager")


def _is_a(cls: type, name: tuple[str, str]) -> bool:
    """Tell whether this is, or is made from, a class whose module can't be imported unless its app is installed."""
    module, class_name = name
    base = getattr(sys.modules.get(module), class_name, None)
    return base is not None and issubclass(cls, base)


def _forget(db: str, schema: str) -> None:
    for cache in list(_caches):
        cache.forget(db, schema)


def _forget_changed(using: Any, **kwargs: Any) -> None:
    if isinstance(using, SchemaAlias):
        forget(using.db, using.schema)


def _key(alias: SchemaAlias) -> tuple[str, str]:
    return alias.db, alias.schema
