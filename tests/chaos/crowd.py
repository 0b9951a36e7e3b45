"""Clients at load, who note what they got and how long it took."""

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event, Thread

from tests.serving import Server

__all__ = ["Answer", "Crowd", "longest_ms", "p95_ms", "statuses", "until"]


@dataclass(frozen=True)
class Answer:
    """What a client got: of nothing, status 0."""

    moment: float
    took_s: float
    path: str
    status: int
    right: bool


@dataclass
class Crowd:
    """Clients who ask for tenants of one database, each one request after the other."""

    site: Server
    slugs: list[str]
    clients: int
    paths: tuple[str, ...] = ("/",)
    pause_s: float = 0.1
    answers: list[Answer] = field(default_factory=list)
    over: Event = field(default_factory=Event)
    threads: list[Thread] = field(default_factory=list)

    def __enter__(self) -> "Crowd":
        self.threads = [Thread(target=self.ask, args=(number,)) for number in range(self.clients)]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.over.set()
        for thread in self.threads:
            thread.join()

    def ask(self, number: int) -> None:
        chance = random.Random(number)
        while not self.over.wait(chance.uniform(0.5, 1.5) * self.pause_s):
            slug, path, begun = chance.choice(self.slugs), chance.choice(self.paths), time.monotonic()
            try:
                status, body = self.site.get(f"{slug}.saas.test", path)
            except OSError:
                status, body = 0, ""
            # A body that is none of a view's names nobody.
            right = body["witnesses"] == [slug] if status == 200 else "witnesses" not in str(body)
            self.answers.append(Answer(begun, time.monotonic() - begun, path, status, right))

    def between(self, begun: float, ended: float) -> list[Answer]:
        """What was asked then."""
        return [answer for answer in self.answers if begun <= answer.moment < ended]

    def is_served(self) -> bool:
        """Whether each of the last answers, so many as there are clients, is as it should be."""
        return all(answer.status == 200 for answer in self.answers[-self.clients :])


def until(holds: Callable[[], bool], limit_s: float) -> None:
    deadline = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def statuses(answers: list[Answer]) -> dict[int, int]:
    return dict(Counter(answer.status for answer in answers))


def p95_ms(answers: list[Answer]) -> float:
    return sorted(answer.took_s for answer in answers)[int(len(answers) * 0.95)] * 1000


def longest_ms(answers: list[Answer]) -> float:
    return max((answer.took_s for answer in answers), default=0) * 1000
