"""The budget: how many connections this process may have open to a database at once, all threads taken together.

Who wants one more waits for a place, not without end. A thread between two requests keeps its connection as Django does
(`CONN_MAX_AGE`), but lets go of the place if another needs it: the connection is closed by that one then, and found
closed by its owner, who asks `resumed` before using it again. So is one that a thread left open as it ended. How many
there are is never counted up and down: it is what those that took a place have open.
"""

import os
from itertools import chain
from threading import Condition, Thread, current_thread
from time import monotonic
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from .exceptions import TooManyConnections
from .health import is_sick, is_silent, silence_of, watched

__all__ = ["PATIENCE_S", "REQUEST_S", "Budget", "budget_of"]

REQUEST_S = 2.0
PATIENCE_S = 30.0
"""For how long a place is waited for within a request, and elsewhere."""
_STEP_S = 0.05
"""How often who waits looks for connections, and for threads, that ended without a word."""


class Budget:
    """Places for the connections of a database. A connection is Django's here, of one thread."""

    def __init__(self, db: str) -> None:
        self._db = db
        # Each with the thread that has it.
        self._holders: WeakKeyDictionary[Any, Thread] = WeakKeyDictionary()
        self._resting: WeakSet[Any] = WeakSet()
        self.changed = Condition()

    def take(self, connection: Any, most: int) -> None:
        """Take a place, before connecting.

        Args:
            connection: for whom.
            most: how many there are.

        Raises:
            TooManyConnections: none was free in time. Within a request: or the database owes those who have one an
                answer, so that none will be.
            OperationalError: the driver's; within a request, once it is known that the database does not answer.
        """
        deadline = monotonic() + (REQUEST_S if watched() else PATIENCE_S)
        taken = []
        with self.changed:
            self._holders.pop(connection, None)
            while self._is_full(most):
                other = next(filter(_is_open, chain(self._left(), self._resting)), None)
                if other is None:
                    self._wait(connection, most, deadline)
                    continue
                # Its owner finds that it is not resting any more, so from here on it is this thread's alone.
                self._resting.discard(other)
                self._holders.pop(other, None)
                taken.append(other.connection)
            self._holders[connection] = current_thread()
        for raw in taken:
            raw.close()

    def give_back(self, connection: Any) -> None:
        """Give a place back, behind closing, or where no connection was had."""
        with self.changed:
            self._holders.pop(connection, None)
            self._resting.discard(connection)
            self.changed.notify()

    def rest(self, connection: Any) -> None:
        """Let others have the place until this one is used again."""
        with self.changed:
            self._resting.add(connection)
            self.changed.notify()

    def resumed(self, connection: Any) -> bool:
        """Take the place back; tell whether it was left alone, and the connection with it."""
        with self.changed:
            was_left = connection in self._resting
            self._resting.discard(connection)
            return was_left

    def begin_anew(self) -> None:
        """Have all places, in a process that was copied. What it has from the other one is not its to close."""
        for connection in self._resting:
            connection.resting = False
        # Whoever held the lock is not in the copy.
        self._holders, self._resting, self.changed = WeakKeyDictionary(), WeakSet(), Condition()

    def _is_full(self, most: int) -> bool:
        return sum(map(_is_open, self._holders)) >= most

    def _left(self) -> list[Any]:
        """Those that nobody can use any more: their threads ended, and did not close them."""
        return [
            connection
            for connection, thread in self._holders.items()
            if not thread.is_alive() and not connection.allow_thread_sharing and connection.connection is not None
        ]

    def _wait(self, connection: Any, most: int, deadline: float) -> None:
        if watched() and is_sick(self._db):
            raise connection.Database.OperationalError(silence_of(self._db))
        left_s = deadline - monotonic()
        if left_s <= 0 or (watched() and is_silent(self._db)):
            raise TooManyConnections(
                f"All {most} connections of this process to database {self._db!r} are in use: "
                "raise MAX_CONNECTIONS, or let fewer threads ask it at a time."
            )
        self.changed.wait(min(left_s, _STEP_S))


def _is_open(connection: Any) -> bool:
    """Whether it is connected, or is about to be."""
    raw = connection.connection
    return raw is None or not raw.closed


_budgets: dict[str, Budget] = {}


def budget_of(db: str) -> Budget:
    """The budget of a database in this process."""
    return _budgets.get(db) or _budgets.setdefault(db, Budget(db))


def _forked() -> None:
    for budget in _budgets.values():
        budget.begin_anew()


os.register_at_fork(after_in_child=_forked)
