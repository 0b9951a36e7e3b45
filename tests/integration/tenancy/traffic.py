"""Traffic: processes that write to a tenant as fast as they can, and keep a ledger of what PostgreSQL acknowledged."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from multiprocessing import get_context
from multiprocessing.synchronize import Event
from pathlib import Path
from time import monotonic, sleep

from django.db import DatabaseError, InterfaceError, connections, transaction
from django.db.models import F

from tenancy import registry, tenant_context
from tenancy.models import Tenant
from tests.apps.garage.models import Car, Lot, Owner

__all__ = ["Traffic", "traffic", "traffic_in_all"]

WITNESS = "traffic"


class Traffic:
    """What writers have written.

    Attributes:
        folder: holds a ledger of each writer: the names of the rows that were acknowledged, one a line.
    """

    def __init__(self, folder: Path, writers: int) -> None:
        self.folder = folder
        self.writers = writers

    def acknowledged(self) -> set[str]:
        """Names of all rows that were acknowledged until now."""
        return {line for ledger in self.folder.glob("ledger-*") for line in ledger.read_text().splitlines()}

    def wait(self, more: int = 5, timeout_s: float = 30) -> None:
        """Wait until each writer has had so many rows more acknowledged."""
        deadline = monotonic() + timeout_s
        ledgers = [self.folder / f"ledger-{number}" for number in range(self.writers)]
        wanted = {ledger: self._length(ledger) + more for ledger in ledgers}
        while any(self._length(ledger) < length for ledger, length in wanted.items()):
            assert monotonic() < deadline, {ledger.name: self._length(ledger) for ledger in ledgers}
            sleep(0.02)

    def lost(self, tenant: Tenant) -> set[str]:
        """Rows that were acknowledged and are not where the tenant is; in pairs they are there, or not at all."""
        acknowledged = self.acknowledged()
        with tenant_context(tenant, allow_inactive=True):
            found = set(Owner.objects.filter(witness=WITNESS).values_list("name", flat=True))
            cars = set(Car.objects.filter(witness=WITNESS).values_list("name", flat=True))
            counted = dict(Lot.objects.values_list("witness", "position"))
        assert found == cars
        assert counted == Counter(name.partition("-")[0] for name in found)
        return acknowledged - found

    @staticmethod
    def _length(ledger: Path) -> int:
        return ledger.read_bytes().count(b"\n") if ledger.exists() else 0


@contextmanager
def traffic(tenant: Tenant, folder: Path, writers: int) -> Iterator[Traffic]:
    """Have so many processes write to a tenant during a block, and one more that never asks again where it is."""
    with traffic_in_all([tenant], folder, writers) as found:
        yield found[tenant.slug]


@contextmanager
def traffic_in_all(tenants: Sequence[Tenant], folder: Path, writers: int) -> Iterator[dict[str, Traffic]]:
    """The same with many tenants, which each process writes to in turn; what was written to each, by its slug."""
    context = get_context("fork")
    stop = context.Event()
    found = {tenant.slug: Traffic(folder / tenant.slug, writers) for tenant in tenants}
    processes = [
        context.Process(target=_write, args=(tenants, folder, number, stop, number == writers))
        for number in range(writers + 1)
    ]
    for tenant in tenants:
        found[tenant.slug].folder.mkdir()
        with tenant_context(tenant):
            Lot.objects.bulk_create(Lot(witness=f"w{number}", position=0) for number in range(writers + 1))
    for process in processes:
        process.start()
    try:
        # The last in everybody's round.
        found[tenants[-1].slug].wait()
        yield found
    finally:
        stop.set()
        for process in processes:
            process.join(20)
            assert process.exitcode == 0


def _write(tenants: Sequence[Tenant], folder: Path, number: int, stop: Event, stubborn: bool) -> None:
    """Write rows in pairs, each pair in a transaction that also counts it, as the requests of a process would."""
    for connection in connections.all(initialized_only=True):
        # It is the parent's: closing it would end the parent's session.
        connection.connection = None
    registry.forget()
    writer = f"w{number}"
    with ExitStack() as stack:
        ledgers = [
            stack.enter_context((folder / tenant.slug / f"ledger-{number}").open("ab", buffering=0))
            for tenant in tenants
        ]
        for count in range(10_000_000):
            if stop.is_set():
                break
            name = f"{writer}-{count}"
            tenant, ledger = tenants[count % len(tenants)], ledgers[count % len(tenants)]
            try:
                here = tenant if stubborn else registry.tenant_by_slug(tenant.slug)
                if here is None or not here.is_active:
                    sleep(0.005)  # The middleware answers 503.
                    continue
                with tenant_context(here), transaction.atomic(using=here.db):
                    Owner.objects.create(name=name, witness=WITNESS)
                    Car.objects.create(name=name, witness=WITNESS)
                    Lot.objects.filter(witness=writer).update(position=F("position") + 1)
                ledger.write(f"{name}\n".encode())
            except (DatabaseError, InterfaceError):
                connections.close_all()
                sleep(0.005)
    os._exit(0)
