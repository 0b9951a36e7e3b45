"""Works as this package does with one database, and can be told to do what an operator of many tenants does."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout
from io import StringIO
from itertools import count
from statistics import median
from time import perf_counter
from typing import Any

from django.apps import apps
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import close_old_connections, connections
from django.test import Client

from django_schemas import schema_context
from tenancy import registry

from ..ours.work import Worker as OneDatabase
from ..project import TENANT_APPS

__all__ = ["Worker"]

_MEMORY = "SELECT sum(total_bytes) / 1e6 FROM pg_backend_memory_contexts"
_STAFF = "staff"


class Worker(OneDatabase):
    """Tenants over several databases."""

    def open(self, names: Sequence[str]) -> list[str]:
        """The hosts: the tenants are there."""
        return [f"{name}.bench.localhost" for name in names]

    def command(self, arguments: Sequence[str], times: int) -> list[float]:
        """Run a subcommand of `manage.py tenant` some times; milliseconds of each."""
        return _clocked_ms(times, lambda: call_command("tenant", *arguments, verbosity=0, stdout=StringIO()))

    def look_up(self, names: Sequence[str]) -> dict[str, float]:
        """Look each of these tenants up, by slug and by the host of its sub-domain; microseconds in the median."""
        found = {}
        for way, look_up, keys in (
            ("slug", registry.tenant_by_slug, names),
            ("host", registry.tenant_by_host, self.open(names)),
        ):
            times_s = []
            for key in keys:
                registry.forget()
                start_s = perf_counter()
                look_up(key)
                times_s.append(perf_counter() - start_s)
            found[way] = median(times_s) * 1e6
        return found

    def page(self, path: str, times: int) -> list[float]:
        """Get a page of the platform's admin some times; milliseconds of each.

        Raises:
            RuntimeError: it was not answered with 200.
        """
        client = Client(headers={"host": "bench.localhost"})
        client.force_login(User.objects.filter(username=_STAFF).first() or User.objects.create_superuser(_STAFF))

        def get() -> None:
            status = client.get(path).status_code
            if status != 200:
                raise RuntimeError(f"{path} was answered with {status}.")

        get()
        return _clocked_ms(times, get)

    def touch(self, db: str, schemas: Sequence[str], marks: Sequence[int]) -> list[dict[str, float]]:
        """Read a row of each table of each of these schemas, each as if by a request.

        Args:
            db: where they are.
            schemas: their names.
            marks: after how many of them to tell.

        Returns:
            For each mark its number as `schemas`, milliseconds in the median of each schema since the mark before, and
            the megabytes that the server's process has taken by then.
        """
        theirs = [config for config in apps.get_app_configs() if config.name in TENANT_APPS]
        models = [model for config in theirs for model in config.get_models(include_auto_created=True)]
        return list(_touched(db, schemas, marks, models))


def _touched(
    db: str, schemas: Sequence[str], marks: Sequence[int], models: Sequence[Any]
) -> Iterator[dict[str, float]]:
    times_ms: list[float] = []
    for number, schema in zip(count(1), schemas, strict=False):
        start_s = perf_counter()
        with schema_context(db, schema):
            for model in models:
                list(model._base_manager.all()[:1])
        times_ms.append((perf_counter() - start_s) * 1e3)
        if number in marks:
            with connections[db].cursor() as cursor:
                cursor.execute(_MEMORY)
                (mb,) = cursor.fetchone() or (0,)
            yield {"schemas": number, "ms": median(times_ms), "mb": float(mb)}
            times_ms.clear()
        close_old_connections()


def _clocked_ms(times: int, function: Callable[[], object]) -> list[float]:
    times_ms = []
    for _ in range(times):
        start_s = perf_counter()
        with redirect_stdout(StringIO()):
            function()
        times_ms.append((perf_counter() - start_s) * 1e3)
    return times_ms
