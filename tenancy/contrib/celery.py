"""Celery, with the current tenant carried along: use `Celery` from here instead of Celery's own.

Whatever the app sends carries the id of the current tenant in a header, and each of its tasks runs with that tenant
current: hooks, and what is sent behind it (callbacks, the next of a chain, the body of a chord) included. A task of a
tenant that can't be served does not run; a task without a tenant runs with none. All tasks of the app are guarded as
they are registered, whatever class they are of.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial, wraps
from typing import Any

import celery
from celery import Task, shared_task
from celery.app.registry import TaskRegistry
from celery.exceptions import Retry
from celery.signals import task_postrun, task_prerun
from celery.utils.imports import symbol_by_name
from django.db import connections, transaction

from django_schemas.ambient import Ambient

from ..background import MARK, Refused, active_owners, addressee
from ..context import current_owner, current_tenant, tenant_context
from ..exceptions import TenancyError, TenantNotActive

__all__ = ["Celery", "for_each_tenant"]

_POLLER = "celery.chord_unlock"
"""Asks until the parts of a chord are done, and sends its body: nobody else would say that it failed."""


@dataclass(frozen=True, slots=True, eq=False)
class _Delivery:
    """Whom the task that runs here was sent for.

    Attributes:
        owner: the tenant's id; empty: nobody's.
        refused: why the tenant is not current; None: it is.
    """

    owner: str
    refused: Refused | None


_deliveries: Ambient[_Delivery] = Ambient("tenancy_deliveries")


@contextmanager
def _delivered(owner: str) -> Iterator[_Delivery]:
    """Have the tenant current that a message was sent for, or nobody if that may not be."""
    with ExitStack() as stack:
        refused = None if owner == current_owner() else _entered(owner, stack)
        delivery = _Delivery(owner, refused)
        _deliveries.enter(delivery)
        stack.callback(_deliveries.leave, delivery)
        yield delivery


def _entered(owner: str, stack: ExitStack) -> Refused | None:
    """Make a tenant current; or why not."""
    try:
        found = addressee(owner)
        if isinstance(found, Refused):
            return found
        stack.enter_context(tenant_context(found))
    except Exception as error:
        # Celery writes down what its signals raise, and goes on.
        return Refused(error)
    return None


def _addressed(headers: Mapping[str, Any] | None) -> Any:
    """The headers of a message that is sent here and now.

    It is for the current tenant. Where none is current it is for the tenant whose task was refused here, as its error
    callbacks are; else for whom its sender says, as one that is sent again does.
    """
    stack = _deliveries.stack()
    owner = current_owner() or (stack[-1].owner if stack else "")
    return {**(headers or {}), MARK: owner} if owner else headers


def _owner_of(request: Any) -> str:
    """Whom the message of a request names."""
    return str((request.headers or {}).get(MARK) or "")


class _Guarded(Task):  # type: ignore[type-arg]  # of whatever arguments
    """What stands before the class of each task."""

    def apply(self, *args: Any, **options: Any) -> Any:
        return super().apply(*args, **{**options, "headers": _addressed(options.get("headers"))})

    def delay_on_commit(self, *args: Any, **kwargs: Any) -> None:
        self.apply_async_on_commit(args, kwargs)

    def apply_async_on_commit(self, *args: Any, **options: Any) -> None:
        # Celery's own would wait for the default database alone.
        tenant = current_tenant()
        transaction.on_commit(partial(self.apply_async, *args, **options), using=tenant.alias if tenant else None)

    def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
        request = self.request
        delivery = getattr(request, "tenancy_delivery", None)
        refused = delivery.refused if delivery else None
        if refused and self.name != _POLLER:
            if refused.retry_after_s is not None and not request.is_eager:
                raise self._sent_again(refused, refused.retry_after_s)
            raise refused.error
        if not refused and current_owner() != _owner_of(request):
            raise TenancyError(f"Task {self.name!r} does not run: the tenant it was sent for is not current.")
        super().before_start(task_id, args, kwargs)

    def _sent_again(self, refused: Refused, delay_s: Any) -> Retry:
        # It has not run, so this is none of the retries that it may have.
        signature = self.signature_from_request(self.request, countdown=delay_s, retries=self.request.retries)
        signature.apply_async()
        return Retry(exc=refused.error, when=delay_s, sig=signature)

    def on_failure(self, *args: Any, **kwargs: Any) -> None:
        if not _is_refused():
            super().on_failure(*args, **kwargs)

    def on_retry(self, *args: Any, **kwargs: Any) -> None:
        if not _is_refused():
            super().on_retry(*args, **kwargs)

    def after_return(self, *args: Any, **kwargs: Any) -> None:
        if not _is_refused():
            super().after_return(*args, **kwargs)


class _GuardedRequest:
    """What stands before the class that the worker's main process keeps messages in. It tells tasks of what they can't
    notice themselves: that their process died, was too slow, or that they were revoked.
    """

    __slots__ = ()

    def on_failure(self, exc_info: Any, send_failed_event: bool = True, return_ok: bool = False) -> Any:
        # `return_ok`: the task itself has told.
        with nullcontext() if return_ok else self._delivered():
            return super().on_failure(exc_info, send_failed_event, return_ok)  # type: ignore[misc]

    def on_timeout(self, soft: bool, timeout: float) -> Any:
        with nullcontext() if soft else self._delivered():
            return super().on_timeout(soft, timeout)  # type: ignore[misc]

    def _announce_revoked(self, *args: Any) -> Any:
        with self._delivered():
            return super()._announce_revoked(*args)  # type: ignore[misc]

    def _announce_cancelled(self, *args: Any, **kwargs: Any) -> Any:
        with self._delivered():
            return super()._announce_cancelled(*args, **kwargs)  # type: ignore[misc]

    @contextmanager
    def _delivered(self) -> Iterator[None]:
        request: Any = self
        owner = _owner_of(request._context)
        try:
            with _delivered(owner):
                yield
        finally:
            if owner:
                # Processes that are forked later must not share them.
                connections.close_all()


class _Tasks(TaskRegistry):
    """The tasks of an app, each guarded."""

    def __setitem__(self, name: str, task: Any) -> None:
        if not isinstance(task, _Guarded):
            cls = type(task)
            request = type("Request", (_GuardedRequest, symbol_by_name(cls.Request)), {"__slots__": ()})
            throws = (*cls.throws, TenantNotActive)
            own = {"__module__": cls.__module__, "__doc__": cls.__doc__, "Request": request, "throws": throws}
            task.__class__ = type(cls.__name__, (_Guarded, cls), own)
            if name != _POLLER:
                task.run = _refusing(task.run)
        super().__setitem__(name, task)


def _refusing(run: Callable[..., Any]) -> Callable[..., Any]:
    """What a task runs, unless it is called where its tenant's task was refused: Celery calls some callbacks so."""

    @wraps(run)
    def refuse_or_run(*args: Any, **kwargs: Any) -> Any:
        stack = _deliveries.stack()
        if _is_refused():
            raise stack[-1].refused.error  # type: ignore[union-attr]
        return run(*args, **kwargs)

    return refuse_or_run


def _is_refused() -> bool:
    stack = _deliveries.stack()
    return bool(stack) and stack[-1].refused is not None and current_tenant() is None


class Celery(celery.Celery):
    """Celery's app, whose messages carry the current tenant, and whose tasks run with it."""

    registry_cls = _Tasks  # type: ignore[assignment]  # a class will do too

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        task_prerun.connect(_enter, dispatch_uid="tenancy.enter")
        task_postrun.connect(_leave, dispatch_uid="tenancy.leave")

    def send_task(self, name: str, *args: Any, headers: Mapping[str, Any] | None = None, **options: Any) -> Any:
        """Send a task by its name, for the current tenant."""
        return super().send_task(name, *args, headers=_addressed(headers), **options)


def _enter(task: Any, **kwargs: Any) -> None:
    request = task.request
    request.tenancy_stack = stack = ExitStack()
    request.tenancy_delivery = stack.enter_context(_delivered(_owner_of(request)))


def _leave(task: Any, **kwargs: Any) -> None:
    stack: ExitStack | None = task.request.get("tenancy_stack")
    if stack is not None:
        stack.close()


@shared_task(name="tenancy.for_each_tenant", bind=True)
def for_each_tenant(
    self: Any, /, task: str, args: Any = (), kwargs: Mapping[str, Any] | None = None, **options: Any
) -> int:
    """Send a task once for each active tenant; how many that were. For schedules.

    Args:
        self: this task.
        task: the name of the other.
        args: what it is called with.
        kwargs: what it is called with, by name.
        options: `queue`, `expires` and whatever else `apply_async` takes.

    Raises:
        TenancyError: a tenant is current.
    """
    if current_tenant() is not None:
        raise TenancyError(f"{self.name} is the platform's: send it where no tenant is current.")
    headers = options.pop("headers", {})
    signature = self.app.signature(task, args=args, kwargs=dict(kwargs or {}), options=options)
    sent = 0
    with self.app.producer_or_acquire() as producer:
        for owner in active_owners():
            # Its own result would list theirs, all of them.
            signature.apply_async(headers={**headers, MARK: owner}, producer=producer, add_to_parent=False)
            sent += 1
    return sent
