"""The registry as the middleware reads it: tenants by slug and by host, remembered in the process.

What is written in this process is seen once it is committed. What others write is seen as soon as the database tells
(`listening`), and after `CACHE_TTL_S` at the latest. Inside a transaction nothing is remembered, since it may be rolled
back. While the database can't be asked, what was remembered serves for `STALE_S`.
"""

import os
import re
from collections.abc import Callable, Collection
from time import monotonic
from typing import Any, TypeVar

from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import InterfaceError, OperationalError, connections, router, transaction
from django.utils.asyncio import async_unsafe

from django_schemas.health import attempt, is_sick, silence_of
from django_schemas.identifiers import MAX_BYTES

from . import listening
from .conf import conf
from .exceptions import RegistryUnavailable
from .memory import Answer, Key, Memory
from .models import SLUG, AbstractDomain, AbstractTenant
from .rows import Row

__all__ = [
    "changes",
    "domain_model",
    "forget",
    "primary_host_of",
    "remembered",
    "tell_of_change",
    "tell_of_changes",
    "tenant_and_redirect",
    "tenant_by_host",
    "tenant_by_id",
    "tenant_by_slug",
    "tenant_model",
    "tenants_now",
]

_T = TypeVar("_T")

_memory = Memory()
_is_slug = re.compile(SLUG).match


def tenant_model() -> type[AbstractTenant]:
    """The tenant model of this project."""
    return apps.get_model(conf.tenant_model)


def domain_model() -> type[AbstractDomain]:
    """The domain model of this project."""
    return apps.get_model(conf.domain_model)


def tenant_by_slug(slug: str) -> AbstractTenant | None:
    """The tenant with that slug, whatever its status.

    Raises:
        RegistryUnavailable: the database can't be asked, and nothing is remembered of it.
    """
    if len(slug) > MAX_BYTES or not _is_slug(slug):
        return None

    def ask(using: str) -> tuple[Any, Any]:
        tenant = tenant_model()._default_manager.using(using).filter(slug=slug).first()
        return (None, None) if tenant is None else (tenant.pk, Row.of(tenant))

    row: Row | None = _look_up(("slug", slug), ask)
    return None if row is None else row.tenant()


def tenant_by_id(pk: str) -> AbstractTenant | None:
    """The tenant with that primary key, as text, whatever its status.

    Raises:
        RegistryUnavailable: the database can't be asked, and nothing is remembered of it.
    """
    try:
        key = tenant_model()._meta.pk.to_python(pk)
    except ValidationError:
        return None

    def ask(using: str) -> tuple[Any, Any]:
        tenant = tenant_model()._default_manager.using(using).filter(pk=key).first()
        return (None, None) if tenant is None else (tenant.pk, Row.of(tenant))

    row: Row | None = _look_up(("id", str(key)), ask)
    return None if row is None else row.tenant()


def tenant_by_host(host: str) -> AbstractTenant | None:
    """The tenant that a host name, in canonical form, was registered for and verified, whatever its status."""
    tenant, _ = tenant_and_redirect(host)
    return tenant


def tenant_and_redirect(host: str) -> tuple[AbstractTenant | None, str | None]:
    """The tenant of a verified host, and the host that requests to it are to be redirected to, if there is one.

    Raises:
        RegistryUnavailable: the database can't be asked, and nothing is remembered of it.
    """

    def ask(using: str) -> tuple[Any, Any]:
        domains = domain_model()._default_manager.using(using).filter(host=host, verified_at__isnull=False)
        domain = domains.select_related("tenant").first()
        if domain is None:
            # Of a sub-domain's tenant it is remembered that the host is not registered, as long as the tenant is.
            slug, _, rest = host.partition(".")
            tenants = tenant_model()._default_manager.using(using).filter(slug=slug)
            return (tenants.values_list("pk", flat=True).first() if rest == conf.base_domain else None), None
        redirect = _primary_host(using, domain.tenant_id) if domain.redirects else None
        return domain.tenant_id, (Row.of(domain.tenant), redirect)

    found = _look_up(("host", host), ask)
    return (None, None) if found is None else (found[0].tenant(), found[1])


def primary_host_of(tenant: AbstractTenant) -> str | None:
    """The verified host that links to a tenant use; None if it has none beside its sub-domain.

    Raises:
        RegistryUnavailable: the database can't be asked, and nothing is remembered of it.
    """
    pk = tenant.pk
    host: str | None = _look_up(("primary", str(pk)), lambda using: (pk, _primary_host(using, pk)))
    return host


def tenants_now(pks: Collection[Any]) -> dict[Any, AbstractTenant]:
    """Ask the database for tenants, whatever is remembered of them: those that there are, by their keys.

    Raises:
        RegistryUnavailable: the database can't be asked.
    """
    using = router.db_for_write(tenant_model())
    _listen(using)
    tenants = tenant_model()._default_manager
    try:
        with attempt():
            return _asked(using, lambda using: tenants.using(using).in_bulk(pks))
    except (InterfaceError, OperationalError) as error:
        raise _unavailable(error) from error


def changes() -> int:
    """A number that grows as something of the registry is heard to have changed, or may have been."""
    return _memory.news


def remembered(key: Key) -> bool:
    """Tell whether a look-up would be answered without asking the database."""
    return _memory.fresh(key, conf.cache_ttl_s) is not None


def forget() -> None:
    """Forget all that was remembered."""
    _memory.forget_all()


def tell_of_change(instance: AbstractTenant | AbstractDomain, using: str, **kwargs: object) -> None:
    """Forget a tenant in all processes as a change is committed; a receiver of model signals.

    Before the commit others may still read, and remember, what was.
    """
    keys: tuple[Key, ...] = ()
    pk = instance.pk
    if isinstance(instance, AbstractDomain):
        # The host too: the row may have been another tenant's.
        pk, keys = instance.tenant_id, (("host", instance.host),)
    listening.tell(using, str(pk), *(host for _, host in keys))
    transaction.on_commit(lambda: _memory.forget(pk, *keys), using=using)


def tell_of_changes(using: str, pks: Collection[Any]) -> None:
    """Forget many tenants in all processes as a change to them is committed: one that sent no signal, as `update()`."""
    listening.tell_all(using, [str(pk) for pk in pks])

    def forget_them() -> None:
        for pk in pks:
            _memory.forget(pk)

    transaction.on_commit(forget_them, using=using)


def _told(words: list[str]) -> None:
    pk, *hosts = words
    _memory.forget(tenant_model()._meta.pk.to_python(pk), *(("host", host) for host in hosts))


def _look_up(key: Key, ask: Callable[[str], tuple[Any, Any]]) -> Any:
    answer = _memory.fresh(key, conf.cache_ttl_s)
    if answer is None:
        answer = _ask_and_remember(key, ask)
    return answer.value


# In an event loop nothing is asked: the middleware goes on in a thread, with what is not remembered.
@async_unsafe("What is not remembered of the registry can't be looked up in an event loop: use sync_to_async.")
def _ask_and_remember(key: Key, ask: Callable[[str], tuple[Any, Any]]) -> Answer:
    # The primary is asked, not a replica: what that has not heard of yet would be remembered for the whole TTL.
    using = router.db_for_write(tenant_model())
    connection = transaction.get_connection(using)
    moment = monotonic()
    if connection.in_atomic_block:
        return Answer(*ask(using), moment)
    _listen(using)
    changes = _memory.changes
    try:
        with attempt():
            answer = Answer(*_asked(using, ask), moment)
    except (InterfaceError, OperationalError) as error:
        stale = _memory.stale(key, conf.stale_s)
        if stale is None:
            raise _unavailable(error) from error
        return stale
    _memory.remember(key, answer, changes, conf.cache_size)
    return answer


def _listen(using: str) -> None:
    if conf.listen:
        listening.begin(str(using), _told, _memory.doubt_all)


def _unavailable(error: Exception) -> RegistryUnavailable:
    return RegistryUnavailable(f"The registry's database can't be asked: {error}")


def _asked(using: str, ask: Callable[[str], _T]) -> _T:
    connection = connections[using]
    if is_sick(connection.alias):
        raise OperationalError(silence_of(connection.alias))
    was_open = connection.connection is not None
    try:
        return ask(using)
    except (InterfaceError, OperationalError):
        if not was_open or connection.is_usable():
            raise
    # The server was restarted since this thread asked it last: that alone is no outage.
    connection.close()
    return ask(using)


def _primary_host(using: str, pk: Any) -> str | None:
    domains = domain_model()._default_manager.using(using)
    primary = domains.filter(tenant_id=pk, is_primary=True, verified_at__isnull=False)
    return primary.values_list("host", flat=True).first()


os.register_at_fork(after_in_child=_memory.forked)
