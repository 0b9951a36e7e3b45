"""Django's tasks (`django.tasks`, and `django_tasks` before Django 6), with the current tenant carried along.

A task is enqueued with the id of the current tenant among its arguments, and is called with that tenant current. One of
a tenant that can't be served is not called; one without a tenant is called with none. It works with the tasks of either
package, since it is made of the task class that the backend has.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from typing import Any

from asgiref.sync import sync_to_async
from django.utils import timezone

from django_schemas.exceptions import ConfigError

from ..background import MARK, Refused, addressee
from ..context import current_owner, tenant_context

__all__ = ["TenantBackend"]


class _TenantTask:
    """What stands before the task class of a backend."""

    __slots__ = ()

    def enqueue(self, *args: Any, **kwargs: Any) -> Any:
        return super().enqueue(*args, **_marked(kwargs))  # type: ignore[misc]

    async def aenqueue(self, *args: Any, **kwargs: Any) -> Any:
        return await super().aenqueue(*args, **_marked(kwargs))  # type: ignore[misc]

    def call(self, *args: Any, **kwargs: Any) -> Any:
        owner = kwargs.pop(MARK, "")
        with self._for(owner, args, kwargs):
            return super().call(*args, **kwargs)  # type: ignore[misc]

    async def acall(self, *args: Any, **kwargs: Any) -> Any:
        owner = kwargs.pop(MARK, "")
        with await sync_to_async(self._for)(owner, args, kwargs):
            return await super().acall(*args, **kwargs)  # type: ignore[misc]

    def _for(self, owner: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> AbstractContextManager[Any]:
        """A context in which the tenant is current that this was enqueued for.

        Raises:
            TenancyError: it can't be served now.
        """
        if owner in ("", current_owner()):
            return nullcontext()
        found = addressee(owner)
        if isinstance(found, Refused):
            raise self._put_off(found, owner, args, kwargs)
        return tenant_context(found)

    def _put_off(self, refused: Refused, owner: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Exception:
        """What happened, as an error; the task is enqueued again if that helps, and if the backend can do so."""
        task: Any = self
        backend = task.get_backend()
        if refused.retry_after_s is None or not backend.supports_defer:
            return refused.error
        later = task.using(run_after=timezone.now() + timedelta(seconds=refused.retry_after_s))
        result = backend.enqueue(later, list(args[task.takes_context :]), {**kwargs, MARK: owner})
        return type(refused.error)(f"{refused.error} It is enqueued again, as {result.id}.")


class TenantBackend:
    """To be mixed into a backend, before it: `class Backend(TenantBackend, DatabaseBackend)`."""

    task_class: Any

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if not issubclass(cls.task_class, _TenantTask):
            # Found by its name when it is unpickled.
            own = {"__slots__": (), "__module__": cls.__module__, "__qualname__": f"{cls.__qualname__}.task_class"}
            cls.task_class = type("TenantTask", (_TenantTask, cls.task_class), own)

    def validate_task(self, task: Any) -> None:
        """Refuse a task that was made for another backend, and would not know what to do with the tenant."""
        if not isinstance(task, _TenantTask):
            raise ConfigError(
                f"Task {task.func.__qualname__!r} was made for a backend without TenantBackend, so it has no tenant: "
                f"write @task(backend={task.backend!r}), or mix TenantBackend into that one too."
            )
        super().validate_task(task)  # type: ignore[misc]


def _marked(kwargs: dict[str, Any]) -> dict[str, Any]:
    """Arguments, and the current tenant with them."""
    owner = current_owner()
    return {**kwargs, MARK: owner} if owner else kwargs
