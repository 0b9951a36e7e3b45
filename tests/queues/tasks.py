"""Tasks that tell whom they run for: in the rows they write, in what they return, and in a list in Redis."""

import json
import os
import time
from typing import Any

from celery import Task, shared_task
from django.contrib.auth.models import Group

from django_schemas import active_placement
from tenancy import current_tenant
from tests.apps.garage.models import Tag
from tests.queues.app import app

HEARD = "heard"
"""The list in Redis."""


def who() -> str | None:
    """Slug of the current tenant, if its placement is active; None if there is none, and nothing is active."""
    tenant, placement = current_tenant(), active_placement()
    assert (tenant and tenant.placement) == placement, (tenant, placement)
    return tenant and tenant.slug


def tell(what: str) -> None:
    app.backend.client.rpush(HEARD, json.dumps([what, who()]))


@shared_task
def ask(*before: Any) -> list[Any]:
    """Whom this runs for, behind what was returned before."""
    return [*before, who()]


@shared_task(bind=True)
def ask_headers(self: Any) -> list[Any]:
    return [who(), (self.request.headers or {}).get("of_mine")]


@shared_task
def write(name: str) -> str | None:
    """A row in the tenant, and one of a model that the registry has too."""
    Group.objects.get_or_create(name=name)
    Tag.objects.get_or_create(name=name, defaults={"witness": who()})
    return who()


@shared_task
def fail() -> None:
    raise ValueError("as it must")


@shared_task(bind=True, max_retries=3)
def stubborn(self: Any, name: str) -> str | None:
    """Comes to its end at the third attempt."""
    tell(f"attempt {self.request.retries}")
    if self.request.retries < 2:
        raise self.retry(countdown=0.01)
    return str(write(name))


@shared_task
def spread(names: list[str]) -> None:
    """Sends others."""
    for name in names:
        write.delay(name)


@shared_task
def die() -> None:
    os._exit(9)


@shared_task
def on_error(request: Any, exc: BaseException, traceback: Any) -> None:
    """An error callback that Celery calls where the error was."""
    tell("called back")


@shared_task
def on_error_by_id(task_id: str) -> None:
    """One that it sends."""
    tell("sent back")


class Hooked(Task):  # type: ignore[type-arg]
    """A class of a project's own, which calls no super()."""

    def before_start(self, *args: Any) -> None:
        tell("before_start")

    def on_success(self, *args: Any) -> None:
        tell("on_success")

    def on_failure(self, *args: Any) -> None:
        tell("on_failure")

    def on_retry(self, *args: Any) -> None:
        tell("on_retry")

    def after_return(self, *args: Any) -> None:
        tell("after_return")


class Calling(Hooked):
    """One with a `__call__` of its own."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        tell("__call__")
        return super().__call__(*args, **kwargs)


@shared_task(base=Hooked, bind=True)
def hooked(self: Any, fails: bool = False) -> None:
    """Is tried twice, and fails if it is told to."""
    tell("run")
    if self.request.retries == 0:
        raise self.retry(countdown=0.01)
    if fails:
        raise ValueError("as it must")


@shared_task(base=Hooked)
def hooked_sleep(seconds: float) -> None:
    time.sleep(seconds)


@shared_task(base=Calling)
def called() -> None:
    tell("run")


@app.register_task
class Classy(Task):  # type: ignore[type-arg]
    """A task that is a class."""

    name = "tests.queues.tasks.classy"

    def run(self) -> str | None:
        return who()
