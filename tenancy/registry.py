"""The registry as the middleware reads it: tenants by slug and by host, remembered for a few seconds in the process.

What is written in this process is seen at once, what others write after `CACHE_TTL_S` at the latest. Inside a
transaction nothing is remembered, since it may be rolled back.
"""

from collections import OrderedDict
from threading import Lock
from time import monotonic
from typing import Any

from django.apps import apps
from django.db import router, transaction

from .conf import conf
from .models import AbstractDomain, AbstractTenant

__all__ = [
    "domain_model",
    "forget",
    "forget_once_committed",
    "remembered",
    "tenant_by_host",
    "tenant_by_slug",
    "tenant_model",
]

Key = tuple[str, str]
_remembered: OrderedDict[Key, tuple[float, Any]] = OrderedDict()
"""Column values of tenants (None: there is no such tenant) with the time they expire at, the oldest first."""
_lock = Lock()


def tenant_model() -> type[AbstractTenant]:
    """The tenant model of this project."""
    return apps.get_model(conf.tenant_model)


def domain_model() -> type[AbstractDomain]:
    """The domain model of this project."""
    return apps.get_model(conf.domain_model)


def tenant_by_slug(slug: str) -> AbstractTenant | None:
    """The tenant with that slug, whatever its status."""
    return _find(("slug", slug), {"slug": slug})


def tenant_by_host(host: str) -> AbstractTenant | None:
    """The tenant that a host name, in canonical form, was registered for, whatever its status."""
    return _find(("host", host), {"domains__host": host})


def remembered(key: Key) -> bool:
    """Tell whether a look-up would be answered without asking the database."""
    return _recall(key) is not None


def forget() -> None:
    """Forget all that was remembered."""
    with _lock:
        _remembered.clear()


def forget_once_committed(using: str, **kwargs: object) -> None:
    """Forget as a change is committed, before which others may still read what was; a receiver of model signals."""
    transaction.on_commit(forget, using=using)


def _find(key: Key, condition: dict[str, str]) -> AbstractTenant | None:
    model = tenant_model()
    known = _recall(key)
    tenant: AbstractTenant | None
    if known is None:
        # The primary is asked, not a replica: what that has not heard of yet would be remembered for the whole TTL.
        primary = router.db_for_write(model)
        tenant = model._default_manager.using(primary).filter(**condition).first()
        known = (tenant and _values(tenant),)
        if not transaction.get_connection(primary).in_atomic_block:
            _remember(key, known)
        return tenant
    # Each caller gets an object of its own: what a view does to request.tenant stays there.
    return None if known[0] is None else _tenant(model, known[0])


def _recall(key: Key) -> tuple[Any] | None:
    with _lock:
        expires, known = _remembered.get(key, (0.0, None))
    return known if monotonic() < expires else None


def _remember(key: Key, known: tuple[Any]) -> None:
    with _lock:
        _remembered[key] = (monotonic() + conf.cache_ttl_s, known)
        _remembered.move_to_end(key)
        while len(_remembered) > conf.cache_size:
            _remembered.popitem(last=False)


def _values(tenant: AbstractTenant) -> tuple[str | None, tuple[Any, ...]]:
    return tenant._state.db, tuple(getattr(tenant, field.attname) for field in tenant._meta.concrete_fields)


def _tenant(model: type[AbstractTenant], values: tuple[str | None, tuple[Any, ...]]) -> AbstractTenant:
    db, columns = values
    return model.from_db(db, [field.attname for field in model._meta.concrete_fields], columns)
