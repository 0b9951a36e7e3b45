"""Many processes at once: one winner for a name, and no name that still means another tenant to one of them."""

import os
from collections import Counter
from collections.abc import Iterator
from multiprocessing import get_context
from time import monotonic
from typing import Any

import pytest

from tenancy import lifecycle, registry, tenant_context
from tenancy.exceptions import TenantExists
from tenancy.models import Tenant
from tests.apps.crates.models import Crate
from tests.faults import leave_inherited_connections
from tests.integration.tenancy.test_kill_matrix import small  # noqa: F401  # a fixture

pytestmark = [
    pytest.mark.usefixtures("committed", "small"),
    pytest.mark.filterwarnings("ignore:Overriding setting DATABASES"),
]


def attempt(name: str, start: Any, answers: Any) -> None:
    leave_inherited_connections()
    start.wait()
    try:
        answers.put(Tenant.objects.create(name=name, db="default").status)
    except TenantExists:
        answers.put("exists")
    except Exception as error:
        answers.put(f"{type(error).__name__}: {error}")
    answers.close()
    answers.join_thread()
    os._exit(0)


def at_once(names: list[str]) -> Counter[str]:
    """Create tenants, each in a process of its own, all at the same time."""
    context = get_context("fork")
    start, answers = context.Barrier(len(names)), context.Queue()
    processes = [context.Process(target=attempt, args=(name, start, answers)) for name in names]
    for process in processes:
        process.start()
    found = Counter(answers.get(timeout=60) for _ in names)
    for process in processes:
        process.join()
    return found


@pytest.fixture
def cleared(small: None) -> Iterator[None]:  # noqa: F811
    yield
    for tenant in Tenant.objects.filter(name__startswith="Wanted"):
        lifecycle.delete(tenant)
        lifecycle.purge(tenant)


@pytest.mark.parametrize("rounds", [3, pytest.param(50, marks=pytest.mark.long)])
def test_one_winner(cleared: None, rounds: int) -> None:
    """Of 32 processes that create the same tenant one does, and all others are told that it exists."""
    found = [at_once([f"Wanted {number}"] * 32) for number in range(rounds)]
    assert found == [Counter(exists=31, active=1)] * rounds


@pytest.mark.slow
def test_different_names(cleared: None) -> None:
    """100 tenants, 25 at a time: all are made."""
    found = [at_once([f"Wanted {first + number}" for number in range(25)]) for first in range(0, 100, 25)]
    assert found == [Counter(active=25)] * 4


def remember(asked: Any, answers: Any) -> None:
    """Go on with what was read of a tenant, as a server's process does, and say what it finds each time."""
    leave_inherited_connections()
    registry.forget()
    while asked.get() == "read":
        tenant = registry.tenant_by_slug("contested")
        try:
            assert tenant is not None
            with tenant_context(tenant):
                answers.put((str(tenant.pk), [crate.label for crate in Crate.objects.all()]))
        except Exception as error:
            answers.put((type(error).__name__, []))
    os._exit(0)


@pytest.mark.parametrize("released", ["purge", "rename"])
def test_a_released_name_is_kept_until_all_have_heard(
    cleared: None, settings: Any, monkeypatch: Any, released: str
) -> None:
    """A process that remembers the former tenant never reads the rows of the one that gets its schema's name."""
    monkeypatch.setattr("tenancy.releasing._MARGIN", 1.2)
    settings.TENANCY = {**settings.TENANCY, "CACHE_TTL_S": 1.5}
    former = Tenant.objects.create(name="Wanted once", slug="contested", schema_name="contested", db="default")
    context = get_context("fork")
    asked, answers = context.Queue(), context.Queue()
    process = context.Process(target=remember, args=(asked, answers))
    process.start()
    asked.put("read")
    assert answers.get(timeout=10) == (str(former.pk), ["first"])
    started_s = monotonic()
    if released == "purge":
        lifecycle.delete(former)
        lifecycle.purge(former)
    else:
        lifecycle.rename(former, slug="elsewhere", schema_name="elsewhere")
    later = Tenant.objects.create(name="Wanted later", slug="contested", schema_name="contested", db="default")
    waited_s = monotonic() - started_s
    asked.put("read")
    answer = answers.get(timeout=10)
    asked.put("stop")
    process.join()
    assert answer == (str(later.pk), ["first"])
    assert waited_s >= 1.5
