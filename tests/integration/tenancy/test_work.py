"""One process at a time works on a tenant, and one that dies lets go."""

import multiprocessing
import signal
from multiprocessing.synchronize import Event
from threading import Thread

import pytest
from django.db import connections

from tenancy.exceptions import TenantBusy
from tenancy.work import working_on

pytestmark = pytest.mark.usefixtures("committed")


def refused(*slugs: str) -> bool:
    """Whether another thread is refused."""
    found: list[bool] = []

    def ask() -> None:
        try:
            with working_on(*slugs):
                found.append(False)
        except TenantBusy:
            found.append(True)
        finally:
            connections.close_all()

    thread = Thread(target=ask)
    thread.start()
    thread.join()
    return found[0]


def test_one_at_a_time() -> None:
    """Another thread is refused each of the tenants, and no other; behind the block it is not."""
    with working_on("acme", "globex"):
        assert [refused("acme"), refused("globex"), refused("initech", "acme"), refused("initech")] == [
            True,
            True,
            True,
            False,
        ]
    assert not refused("acme", "globex")


def test_nests() -> None:
    """Who holds it may ask again, and holds it until the outer block ends."""
    with working_on("acme"):
        with working_on("acme", "globex"):
            assert refused("globex")
        assert (refused("acme"), refused("globex")) == (True, False)


def test_an_error_lets_go() -> None:
    """A block that fails, and a lock that is refused, leave nothing held."""
    with pytest.raises(ZeroDivisionError), working_on("acme"):
        1 / 0  # noqa: B018
    assert not refused("acme")


def test_lets_go_at_once() -> None:
    """Behind the block the tenant can be worked on without waiting, however soon."""
    for _ in range(200):
        with working_on("acme"):
            pass


def hold(ready: Event) -> None:
    """Hold the lock until killed."""
    connections.close_all()
    with working_on("acme"):
        ready.set()
        signal.pause()


def test_a_killed_process_lets_go() -> None:
    """PostgreSQL notices that a process was killed, and the work may be taken up."""
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    process = context.Process(target=hold, args=(ready,))
    process.start()
    assert ready.wait(10)
    assert refused("acme")
    process.kill()
    process.join()
    for _ in range(100):
        if not refused("acme"):
            return
    pytest.fail("still held")
