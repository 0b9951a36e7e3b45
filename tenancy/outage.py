"""When the registry's database can't be asked: notices it, so that requests don't wait for it one by one."""

from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from threading import Lock
from time import monotonic

from django.db import InterfaceError, OperationalError

from .exceptions import RegistryUnavailable

__all__ = ["BACK_OFF_S", "Outage"]

BACK_OFF_S = 1.0
"""How long a question may take, and how long to wait after one that failed, in seconds."""


class Outage:
    """What is known of the database's health, from the questions that are put to it.

    After one that failed nobody asks for a moment. While one takes too long, as with a server that hangs, one more is
    put to it in each such moment, to find out whether it answers again.
    """

    def __init__(self) -> None:
        self._again_at = -inf
        self._asking: dict[object, float] = {}
        self._lock = Lock()

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Ask the database in the block.

        Raises:
            RegistryUnavailable: it could not be asked, or is not to be asked now.
        """
        question = object()
        begun = self._begin(question)
        try:
            yield
            self._answered(begun)
        except (InterfaceError, OperationalError) as error:
            self._again_at = monotonic() + BACK_OFF_S
            raise RegistryUnavailable(f"The registry's database can't be asked: {error}") from error
        finally:
            with self._lock:
                self._asking.pop(question, None)

    def _begin(self, question: object) -> float:
        with self._lock:
            now = monotonic()
            if now < self._again_at:
                raise RegistryUnavailable("The registry's database could not be asked a moment ago.")
            if any(begun < now - BACK_OFF_S for begun in self._asking.values()):
                self._again_at = now + BACK_OFF_S
            self._asking[question] = now
            return now

    def _answered(self, begun: float) -> None:
        # Those that were asked before this one hang on connections of their own: the server answers.
        with self._lock:
            self._again_at = -inf
            self._asking = {each: since for each, since in self._asking.items() if since > begun}
