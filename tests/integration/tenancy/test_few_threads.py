"""A database that does not answer, fifty requests for its tenants at once, and a server of four threads: they get 503
within two seconds, and others are served meanwhile, since `MAX_CONNECTIONS` leaves threads to them.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from django.db import connections

from django_schemas.health import LOOK_S, PATIENCE_S, SILENCE_S
from tenancy.models import Tenant
from tests.gate import Gate, gate_before
from tests.serving import Server, serving

pytestmark = pytest.mark.slow

THREADS = 4
CONNECTIONS = 2
REQUESTS = 50
SICK, WELL = "umbrella", "hooli"
LEFT_S = PATIENCE_S + SILENCE_S + 4 * LOOK_S
"""For how long requests for the sick one may be waiting for a connection before they are refused."""
MACHINE_S = 0.7
"""What fifty requests at once take, on a machine that is busy, that are all answered at once."""


@dataclass(frozen=True)
class Answer:
    """What a client got, and how long it took."""

    status: int
    took_s: float
    retry_after: str | None


def ask(site: Server, slug: str, path: str = "/") -> Answer:
    begun = time.monotonic()
    with site.open(f"{slug}.saas.test", path) as response:
        response.read()
        return Answer(response.status, time.monotonic() - begun, response.headers["Retry-After"])


def refuses(gate: Gate, site: Server) -> None:
    gate.refuses = True


def hangs(gate: Gate, site: Server) -> None:
    gate.hangs = True


TROUBLES = {"refuses": (refuses, 0), "takes connections and is silent": (hangs, 0), "falls silent": (hangs, 600)}
"""What befalls the database, and for how many seconds connections to it are kept before."""


@contextmanager
def few_threads(kept_s: int, **limits: Any) -> Iterator[tuple[Server, Gate]]:
    """A server of few threads, and the gate before the second database."""
    with gate_before(int(connections["shard2"].settings_dict["PORT"])) as gate:
        shard2 = {"HOST": "127.0.0.1", "PORT": gate.port, "CONN_MAX_AGE": kept_s, **limits}
        databases = {"default": {"CONN_MAX_AGE": kept_s}, "default-read1": None, "shard2": shard2}
        with serving("gunicorn", databases, threads=THREADS, LISTEN=True) as site, ThreadPoolExecutor(8) as pool:
            for slug in (SICK, WELL):
                assert {each.status for each in pool.map(partial(ask, site), [slug] * 8)} == {200}
            yield site, gate
            gate.hangs = gate.refuses = False


def crowd(
    site: Server, trouble: Callable[[], None], others: tuple[tuple[str, str], ...]
) -> tuple[list[Answer], list[Answer]]:
    """What fifty requests for the sick one get, and what is asked for others one after the other meanwhile."""
    with ThreadPoolExecutor(REQUESTS) as pool:
        trouble()
        asked = [pool.submit(ask, site, SICK) for _ in range(REQUESTS)]
        time.sleep(0.05)
        served = []
        while not all(each.done() for each in asked) or len(served) < 10:
            served += [ask(site, *other) for other in others]
        return [each.result() for each in asked], served


@pytest.mark.parametrize("trouble", TROUBLES)
def test_threads_are_left(committed: None, tenants: dict[str, Tenant], trouble: str) -> None:
    """Also to those whose tenant is looked up in the registry, and to the public host."""
    strike, kept_s = TROUBLES[trouble]
    with few_threads(kept_s, MAX_CONNECTIONS=CONNECTIONS) as (site, gate):
        refused, served = crowd(site, partial(strike, gate, site), ((WELL, "/"),))
        print(
            f"\n{trouble}: refused {len(refused)}, longest {max(each.took_s for each in refused):.2f} s; others "
            f"{len(served)}, longest {max(each.took_s for each in served):.2f} s"
        )
        assert {(each.status, each.retry_after) for each in refused} == {(503, "5")}
        assert max(each.took_s for each in refused) < 2 + MACHINE_S
        assert {each.status for each in served} == {200}
        assert max(each.took_s for each in served) < LEFT_S + MACHINE_S
        # From then on nobody waits at all, though it is still away.
        refused, served = crowd(site, lambda: None, ((WELL, "/"), ("nobody", "/")))
        assert {each.status for each in refused} == {503}
        assert {each.status for each in served} == {200, 404}
        assert max(each.took_s for each in (*refused, *served)) < MACHINE_S


def test_in_the_middle_of_statements(committed: None, tenants: dict[str, Tenant]) -> None:
    """Statements that run as the database falls silent are cut off; nobody waits for their connections meanwhile."""
    with few_threads(600, MAX_CONNECTIONS=CONNECTIONS) as (site, gate), ThreadPoolExecutor(CONNECTIONS) as pool:
        running = [pool.submit(ask, site, SICK, "/slow-here/?s=0.8") for _ in range(CONNECTIONS)]
        time.sleep(0.4)
        struck = time.monotonic()
        refused, served = crowd(site, partial(hangs, gate, site), ((WELL, "/"),))
        assert {each.result().status for each in running} == {503}
        assert time.monotonic() - struck < 3
        assert {each.status for each in refused} == {503}
        assert max(each.took_s for each in (*refused, *served)) < 2
        assert {each.status for each in served} == {200}


@pytest.mark.long
def test_without_a_budget(committed: None, tenants: dict[str, Tenant]) -> None:
    """Else the first requests take all threads, until it is known that the database does not answer."""
    with few_threads(600) as (site, gate):
        refused, served = crowd(site, partial(hangs, gate, site), ((WELL, "/"),))
        print(f"\nothers: longest {max(each.took_s for each in served):.2f} s")
        assert {each.status for each in refused} == {503}
        assert {each.status for each in served} == {200}
        assert 1 < max(each.took_s for each in served) < 2 + MACHINE_S
