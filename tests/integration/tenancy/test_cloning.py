"""A clone has the rows of its source as they were at one moment, and nobody's way in."""

import multiprocessing
from collections.abc import Iterator
from io import StringIO
from multiprocessing.synchronize import Event
from time import sleep
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import connections, transaction
from django.utils import timezone

from django_schemas.exceptions import NoActiveSchema
from django_schemas.schemas import schema_exists
from tenancy import current_tenant, lifecycle, tenant_context
from tenancy.exceptions import ProvisioningFailed, TenancyError, TenantExists, TenantNotActive
from tenancy.lifecycle.resuming import resume_work
from tenancy.models import Tenant, TenantEvent
from tenancy.provisioning import provision
from tests.apps.garage.models import Owner, Tag
from tests.integration.tenancy import test_kill_matrix as matrix
from tests.integration.tenancy.test_kill_matrix import small, tenant  # noqa: F401  # a fixture

pytestmark = pytest.mark.usefixtures("committed")


@pytest.fixture
def source(tenants: Any, committed: None) -> Iterator[Tenant]:
    """A tenant with rows; what is named after it is purged behind the test."""
    made = Tenant.objects.create(name="Origin", db="default", settings={"plan": "gold"})
    lifecycle.add_domain(made, "origin.example")
    with tenant_context(made):
        Tag.objects.update(witness="origin")
        User.objects.create_user("ada", "ada@example.com", "secret")
        Session.objects.create(session_key="k", session_data="d", expire_date=timezone.now())
    yield made
    for each in Tenant.objects.filter(name__in=("Origin", "Copy")):
        lifecycle.delete(each)
        lifecycle.purge(each)


@pytest.mark.parametrize("db", ["", "shard2"])
def test_clone(source: Tenant, db: str) -> None:
    """Rows and settings are carried over; sessions and hosts are not, and the two are two from then on."""
    copy = lifecycle.clone(source, "Copy", db=db)
    told = list(TenantEvent.objects.filter(tenant_id=copy.pk, kind="cloned").values_list("old", "new"))
    found = Tenant.objects.get(slug="copy")
    assert (found.status, found.work, found.settings, found.db) == ("active", None, {"plan": "gold"}, db or "default")
    assert list(copy.domains.all()) == []
    with tenant_context(found):
        assert (User.objects.get().username, Session.objects.count()) == ("ada", 0)
        assert {tag.witness for tag in Tag.objects.all()} == {"origin"}
        Tag.objects.update(witness="copy")
        assert User.objects.create(username="bob").pk == 2
    with tenant_context(source):
        assert {tag.witness for tag in Tag.objects.all()} == {"origin"}
        assert (User.objects.count(), Session.objects.count()) == (1, 1)
    assert told == [("origin", "copy")]


def mask(tenant: Tenant, source: Tenant) -> None:
    """Change what must not be seen; nobody sees the clone before."""
    current = current_tenant()
    assert current is not None
    assert (current.slug, tenant.slug, source.slug) == ("copy", "copy", "origin")
    assert connections[tenant.db].in_atomic_block
    assert Tenant.objects.get(slug="copy").status == "provisioning"
    User.objects.update(email="masked@example.com")


def break_down(**kwargs: Any) -> None:
    User.objects.update(email="half")
    raise RuntimeError("no mask")


def test_mask(source: Tenant, settings: Any) -> None:
    """The hook runs before the clone can be seen: what is in its transaction, and the one of the settings too."""
    settings.TENANCY = {**settings.TENANCY, "CLONE_HOOK": f"{__name__}.mask"}
    with tenant_context(lifecycle.clone(source, "Copy")):
        assert User.objects.get().email == "masked@example.com"
    with tenant_context(source):
        assert User.objects.get().email == "ada@example.com"


def test_failing_mask(source: Tenant) -> None:
    """A clone whose hook fails has no schema, says why, and is made with it once it can be."""
    with pytest.raises(ProvisioningFailed, match="no mask"):
        lifecycle.clone(source, "Copy", hook=break_down)
    failed = Tenant.objects.get(slug="copy")
    assert (failed.status, failed.status_reason) == ("failed", "RuntimeError: no mask")
    assert not schema_exists("default", "copy")
    # Nothing makes an empty tenant of it, nor one that is not masked.
    with pytest.raises(TenancyError, match="has work"):
        provision(failed)
    with pytest.raises(ProvisioningFailed, match="no mask"):
        resume_work(failed)


def test_hook_that_could_not_be_found_again(source: Tenant) -> None:
    """A function that another process can't import is refused: it would resume without the mask."""
    with pytest.raises(TenancyError, match="hook"):
        lifecycle.clone(source, "Copy", hook=lambda **kwargs: None)
    assert not Tenant.objects.filter(slug="copy").exists()


def test_refused(source: Tenant, tenants: Any) -> None:
    """A name that is taken, a source that is not there to be read, a transaction of the caller's."""
    with pytest.raises(TenantExists):
        lifecycle.clone(source, "Hooli")
    with transaction.atomic(), pytest.raises(TenancyError, match="outside of atomic"):
        lifecycle.clone(source, "Copy")
    source.status = "deleting"
    with pytest.raises(TenantNotActive):
        lifecycle.clone(source, "Copy")
    assert not Tenant.objects.filter(slug="copy").exists()


def test_exclude(source: Tenant, settings: Any) -> None:
    """What the settings name stays behind, with its many-to-many tables."""
    settings.TENANCY = {**settings.TENANCY, "CLONE_EXCLUDE": ["auth.User", "garage.Badge", "admin.LogEntry"]}
    with tenant_context(lifecycle.clone(source, "Copy")):
        assert (User.objects.count(), Session.objects.count()) == (0, 1)


def test_command(source: Tenant) -> None:
    """The command says what it made, and again that it is there."""
    out = StringIO()
    call_command("tenant", "clone", "origin", "Copy", "--schema", "kopie", stdout=out)
    assert out.getvalue().startswith("Tenant copy is a clone of origin: default.kopie, ")


def write(pk: Any, ready: Event, done: Event) -> None:
    """Write pairs of an owner and a tag, each in a transaction, until told to stop."""
    for connection in connections.all(initialized_only=True):
        connection.connection = None
    source = Tenant.objects.get(pk=pk)
    with tenant_context(source):
        while not done.is_set():
            with transaction.atomic(using=source.db):
                Owner.objects.create(name="pair")
                Tag.objects.create(name="pair")
            ready.set()
            sleep(0.005)


@pytest.mark.parametrize(
    ("db", "writing"), [("default", 2), *(pytest.param(db, 8, marks=pytest.mark.slow) for db in ("default", "shard2"))]
)
def test_while_processes_write(source: Tenant, db: str, writing: int) -> None:
    """A clone has both rows of each pair or none, and its next id is a fresh one."""
    context = multiprocessing.get_context("fork")
    done = context.Event()
    ready = [context.Event() for _ in range(writing)]
    writers = [context.Process(target=write, args=(source.pk, each, done)) for each in ready]
    for writer in writers:
        writer.start()
    assert all(each.wait(20) for each in ready)
    copy = lifecycle.clone(source, "Copy", db=db)
    done.set()
    for writer in writers:
        writer.join()
    with tenant_context(copy):
        counts = (Owner.objects.filter(name="pair").count(), Tag.objects.filter(name="pair").count())
        newest = max(Owner.objects.values_list("pk", flat=True))
        assert Owner.objects.create(name="New").pk > newest
    assert counts[0] == counts[1] >= writing
    with pytest.raises(NoActiveSchema):
        Owner.objects.count()


def clone(db: str) -> None:
    tenant("clone", "bystander-default", "Doomed", "--db", db)


@pytest.mark.filterwarnings("ignore:Overriding setting DATABASES")
@pytest.mark.parametrize("anywhere", [False, pytest.param(True, marks=pytest.mark.long)])
@pytest.mark.parametrize("db", ["default", "shard2"])
def test_killed(small: None, db: str, anywhere: bool) -> None:  # noqa: F811
    """At a sample of the points at which it can be cut off, or at all, a clone ends whole or gone."""
    assert matrix.wrong_ends(matrix.making(clone), db, anywhere) == []
