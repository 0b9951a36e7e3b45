"""Many clients of many tenants at once, over real servers: each gets its own tenant's rows, whatever goes wrong with
others; nothing stays active behind a request, and memory does not grow.
"""

import http.client
import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any

import psutil
import pytest
from django.db import connections

from tenancy.models import Tenant
from tests.serving import Server, serving

PATHS = ("/", "/async/", "/module/", "/tags/", "/stream/", "/astream/")
ENDLESS = {"gunicorn": "/endless/", "uvicorn": "/aendless/"}
"""Server-sent events that end when the client goes."""
THREADS = 8


@dataclass
class Seen:
    """What clients saw.

    Attributes:
        answers: how many of each status.
        wrong: what was not the tenant's own.
        dropped: how often they went away.
    """

    answers: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    dropped: int = 0

    def __add__(self, other: "Seen") -> "Seen":
        return Seen(self.answers + other.answers, self.wrong + other.wrong, self.dropped + other.dropped)


def client(server: Server, name: str, slugs: list[str], requests: int, number: int) -> Seen:
    """Somebody who asks so often, of 5 % what fails, and goes away in 5 %."""
    random, seen = Random(number), Seen()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    for _ in range(requests):
        slug, chance = random.choice(slugs), random.random()
        path = "/broken/" if chance < 0.05 else ENDLESS[name] if chance < 0.1 else random.choice(PATHS)
        try:
            connection.request("GET", path, headers={"Host": f"{slug}.saas.test"})
            response = connection.getresponse()
        except (OSError, http.client.HTTPException):
            # The server ended the connection, as it may between two requests.
            connection.close()
            continue
        seen.answers[response.status] += 1
        if path == ENDLESS[name] and response.status == 200:
            found = [json.loads(response.readline().removeprefix(b"data: "))["witnesses"]]
            response.close()
            connection.close()
            seen.dropped += 1
        else:
            body = response.read().decode()
            found = [] if response.status != 200 else [json.loads(line)["witnesses"] for line in body.splitlines()]
        if any(witnesses != [slug] for witnesses in found) or (response.status == 200) != (path != "/broken/"):
            seen.wrong.append(f"{slug} {path} {response.status} {found}")
    connection.close()
    return seen


def soak(server: Server, name: str, slugs: list[str], clients: int, requests: int) -> Seen:
    """So many requests by so many clients at once."""
    with ThreadPoolExecutor(clients) as pool:
        each = requests // clients
        found = pool.map(lambda number: client(server, name, slugs, each, number), range(clients))
        return sum(found, Seen())


def resident_mb(server: Server) -> float:
    """Megabytes of the server's processes in memory."""
    processes = [psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True)]
    total = 0
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            total += process.memory_info().rss
    return total / 1e6


def check(name: str, tenants: list[Tenant], clients: int, requests: int) -> None:
    slugs = [tenant.slug for tenant in tenants]
    kept: dict[str, Any] = {"CONN_MAX_AGE": 600} if name == "gunicorn" else {}
    databases = dict.fromkeys(connections, kept)
    with serving(name, databases, threads=THREADS) as server:
        soak(server, name, slugs, clients, requests // 10)
        before_mb = resident_mb(server)
        seen = soak(server, name, slugs, clients, requests)
        grown_mb = resident_mb(server) - before_mb
        rests = server.get("saas.test", "/left/")[1]["rests"]
    print(f"{name}: {dict(seen.answers)}, {seen.dropped} dropped, {before_mb:.0f} MB, {grown_mb:+.1f} MB")
    assert seen.wrong == []
    assert rests == []
    assert seen.answers.keys() == {200, 500}
    assert sum(seen.answers.values()) > requests * 0.99
    assert seen.answers[500] > requests * 0.03
    assert seen.dropped > requests * 0.03
    assert grown_mb < before_mb * 0.1


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gunicorn", "uvicorn"])
def test_soak(towns: Any, name: str) -> None:
    """A thousand requests."""
    check(name, towns(6), clients=10, requests=1_000)


@pytest.mark.long
@pytest.mark.parametrize("name", ["gunicorn", "uvicorn"])
def test_soak_at_length(towns: Any, name: str) -> None:
    """A hundred thousand, of a hundred tenants."""
    check(name, towns(100), clients=50, requests=100_000)
