"""What one tenant's requests may take of a process: how many at a time, and how long each of their statements.

A tenant that asks for more is refused at once (503), so that the others find threads and connections free.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from threading import Lock
from typing import Any

from django_schemas.confining import statement_timeout

from .conf import Limit, conf
from .exceptions import TenancyError
from .models import AbstractTenant

__all__ = ["Limits", "TooManyRequests", "has_limits"]


class TooManyRequests(TenancyError):
    """As many requests of this tenant are being served as may be at a time."""


def has_limits() -> bool:
    """Whether the settings limit how long statements take."""
    return conf.statement_timeout_s is not None


class Limits:
    """The limits of a process, as the settings were when it was made."""

    def __init__(self) -> None:
        self._timeout_s = conf.statement_timeout_s
        self._most = conf.max_concurrent_requests
        self._served: Counter[Any] = Counter()
        self._lock = Lock()

    def serving(self, tenant: AbstractTenant) -> AbstractContextManager[None]:
        """A context for one request of a tenant.

        Raises:
            TooManyRequests: as many are being served as may be; raised as the context is entered.
        """
        most = _of(self._most, tenant)
        return self.stepping(tenant) if most is None else self._counted(tenant, most)

    def stepping(self, tenant: AbstractTenant) -> AbstractContextManager[None]:
        """A context for producing a part of a response's body."""
        seconds = _of(self._timeout_s, tenant)
        return nullcontext() if seconds is None else statement_timeout(seconds)

    @contextmanager
    def _counted(self, tenant: AbstractTenant, most: float) -> Iterator[None]:
        with self._lock:
            if self._served[tenant.pk] >= most:
                raise TooManyRequests
            self._served[tenant.pk] += 1
        try:
            with self.stepping(tenant):
                yield
        finally:
            with self._lock:
                self._served[tenant.pk] -= 1
                if not self._served[tenant.pk]:
                    del self._served[tenant.pk]


def _of(limit: Limit, tenant: AbstractTenant) -> float | None:
    return limit(tenant) if callable(limit) else limit
