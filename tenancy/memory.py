"""What a process remembers of the registry. It knows nothing of databases, and is safe to use from any thread.

Answers are kept by what was asked, and by the tenant they are about, so that a change to one tenant makes nothing
forgotten of any other. That something does not exist is kept apart and briefly: hosts that strangers make up push
nothing out.
"""

from collections import OrderedDict, defaultdict
from collections.abc import Hashable
from dataclasses import dataclass
from math import inf
from threading import Lock
from time import monotonic
from typing import Any

__all__ = ["MISSING_S", "Answer", "Key", "Memory"]

Key = tuple[str, str]
MISSING_S = 1.0
"""For how long it is remembered that something does not exist, in seconds, so that a new tenant is soon found."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the database said.

    Attributes:
        tenant: key of the tenant that it is about; None if there is none.
        value: whatever whoever asked makes of it.
        moment: when the database was asked.
    """

    tenant: Hashable
    value: Any
    moment: float


class Memory:
    """Answers, the oldest first."""

    def __init__(self) -> None:
        self._known: OrderedDict[Key, Answer] = OrderedDict()
        self._missing: OrderedDict[Key, Answer] = OrderedDict()
        self._keys: defaultdict[Hashable, set[Key]] = defaultdict(set)
        self._valid_since = -inf
        self._changes = 0
        self._doubts = 0
        self._lock = Lock()

    @property
    def changes(self) -> int:
        """How often something was forgotten. What was asked before that is not to be remembered after it."""
        return self._changes

    @property
    def news(self) -> int:
        """How often something was forgotten, or all of it doubted: a number that grows."""
        return self._changes + self._doubts

    def fresh(self, key: Key, ttl_s: float) -> Answer | None:
        """What is remembered, if it is no older than that."""
        answer = self._known.get(key)
        if answer is None:
            answer, ttl_s = self._missing.get(key), min(ttl_s, MISSING_S)
        if answer is None or answer.moment <= monotonic() - ttl_s or answer.moment < self._valid_since:
            return None
        return answer

    def stale(self, key: Key, limit_s: float) -> Answer | None:
        """What is remembered, though it should be asked for again, if it is no older than that."""
        answer = self._known.get(key) or self._missing.get(key)
        return answer if answer is not None and answer.moment > monotonic() - limit_s else None

    def remember(self, key: Key, answer: Answer, changes: int, size: int) -> None:
        """Remember an answer, unless something was forgotten since it was asked for.

        Args:
            key: what was asked.
            answer: what the database said.
            changes: what `changes` was before the database was asked.
            size: how many answers may be remembered, of those that are about a tenant and of others.
        """
        with self._lock:
            if changes != self._changes:
                return
            self._drop(key)
            answers = self._missing if answer.tenant is None else self._known
            answers[key] = answer
            if answer.tenant is not None:
                self._keys[answer.tenant].add(key)
            while len(answers) > size:
                self._drop(next(iter(answers)))

    def forget(self, tenant: Hashable, *keys: Key) -> None:
        """Forget what is remembered of a tenant, of these keys, and of all that did not exist."""
        with self._lock:
            self._changes += 1
            self._missing.clear()
            for key in (*self._keys.get(tenant, ()), *keys):
                self._drop(key)

    def forget_all(self) -> None:
        """Forget everything."""
        with self._lock:
            self._changes += 1
            for each in (self._known, self._missing, self._keys):
                each.clear()

    def doubt_all(self) -> None:
        """Ask again for everything, since changes may have been missed; until that can be done it serves as stale."""
        with self._lock:
            self._doubts += 1
            self._valid_since = monotonic()

    def forked(self) -> None:
        """Go on in a new process, in which whoever held the lock does not exist."""
        self._lock = Lock()

    def _drop(self, key: Key) -> None:
        self._missing.pop(key, None)
        answer = self._known.pop(key, None)
        if answer is not None:
            keys = self._keys[answer.tenant]
            keys.discard(key)
            if not keys:
                del self._keys[answer.tenant]
