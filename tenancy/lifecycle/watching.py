"""Provisioning that somebody watches: in a thread of its own, while any process can tell how far it has come.

How far stands in the tenant's `work`, written by yet another thread, since the schema's own transaction shows nothing
until it is committed. Where the process dies, nobody works on the tenant any more, and `resume_work` goes on.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from threading import Thread
from typing import Any

from django.db import OperationalError, connections
from django.utils import timezone

from django_schemas.schemas import is_locked

from ..events import acting, actor
from ..exceptions import TenancyError, TenantBusy
from ..models import AbstractTenant
from ..provisioning import provision
from ..registry import tenant_model
from ..standing import plan
from ..states import Status
from ..work import working_on
from .resuming import resume_work, resumes

__all__ = ["Progress", "progress_of", "provision_in_background"]

KIND = "provision"
_PATIENCE = timedelta(seconds=3)
"""How long a thread may take to begin before it is taken for dead."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the provisioning of a tenant has come.

    Attributes:
        status: the tenant's.
        reason: why it failed; empty if it did not.
        steps: all migrations, as `app.name`, each with `done`, `running` or `waiting`.
        cut_off: whether it is not done, and nobody is at it.
    """

    status: str
    reason: str
    steps: list[tuple[str, str]]
    cut_off: bool

    @property
    def done(self) -> int:
        """How many migrations were run."""
        return sum(state == "done" for _, state in self.steps)

    @property
    def under_way(self) -> bool:
        """Whether there is something to wait for."""
        return self.status == Status.PROVISIONING and not self.cut_off


def provision_in_background(tenant: AbstractTenant) -> None:
    """Provision a tenant in a thread of its own; nothing is done if somebody else is at it, or has done it.

    What goes wrong stands in the tenant's status. The process does not end before the thread does.

    Raises:
        IllegalTransition: it had failed, and another process tries again already.
    """
    # What was to be filled from elsewhere is resumed as that: its work stays.
    if tenant.work is None or tenant.work["kind"] == KIND:
        if tenant.status == Status.FAILED:
            tenant.set_status(Status.PROVISIONING, was=Status.FAILED)
        _write(tenant, {"kind": KIND, "done": []})
    name = f"provision {tenant.slug}"
    Thread(target=_provision, args=(tenant.pk, tenant.slug, actor()), name=name).start()


def progress_of(tenant: AbstractTenant) -> Progress:
    """Tell how far the provisioning of a tenant has come. The tenant is to be read just now."""
    work = tenant.work if tenant.work and tenant.work["kind"] == KIND else {}
    done, running = set(work.get("done", ())), work.get("running")
    through = tenant.status not in (Status.PROVISIONING, Status.FAILED)
    steps = [
        (name, "done" if through or name in done else "running" if name == running else "waiting")
        for name in _migrations()
    ]
    return Progress(tenant.status, tenant.status_reason, steps, _cut_off(tenant))


def _migrations() -> list[str]:
    """The migrations that a new tenant's schema runs, in order, as `app.name`."""
    return [".".join(key) for key in plan()]


@resumes(KIND)
def _resume(tenant: AbstractTenant) -> str:
    unfinished = tenant.status in (Status.PROVISIONING, Status.FAILED)
    try:
        if unfinished:
            with _reporting(tenant) as report:
                provision(tenant, progress=report)
    finally:
        _write(tenant, None)
    return "provisioned" if unfinished else f"nothing to do: it is {tenant.status}"


def _provision(pk: Any, slug: str, who: str) -> None:
    try:
        with acting(who), working_on(slug):
            tenant = tenant_model()._default_manager.get(pk=pk)
            if tenant.status in (Status.PROVISIONING, Status.FAILED):
                resume_work(tenant)
    except TenancyError:
        return  # It stands in the tenant's status, or another process is at it.
    finally:
        connections.close_all()


@contextmanager
def _reporting(tenant: AbstractTenant) -> Iterator[Any]:
    """Write down each migration that begins or ends, without waiting for that: a migration may lock what is written."""
    done: list[str] = []

    def report(action: str, migration: Any = None, fake: bool = False) -> None:
        if action not in ("apply_start", "apply_success"):
            return
        name = f"{migration.app_label}.{migration.name}"
        if action == "apply_success":
            done.append(name)
        running = name if action == "apply_start" else None
        writer.submit(_write, tenant, {"kind": KIND, "done": list(done), "running": running})

    with ThreadPoolExecutor(1, "provisioning-report") as writer:
        try:
            yield report
        finally:
            writer.submit(connections.close_all)


def _write(tenant: AbstractTenant, work: dict[str, Any] | None) -> None:
    rows = type(tenant)._default_manager.filter(pk=tenant.pk)
    # A report that comes late, behind a lock, tells of what is over.
    (rows if work is None else rows.filter(status=Status.PROVISIONING)).update(work=work, updated_at=timezone.now())


def _cut_off(tenant: AbstractTenant) -> bool:
    if tenant.status != Status.PROVISIONING or timezone.now() - tenant.updated_at < _PATIENCE:
        return False
    try:
        with working_on(tenant.slug):
            # Who provisions in another way locks the schema alone.
            return not is_locked(tenant.alias)
    except (TenantBusy, OperationalError):
        return False
