"""Tenants that are not served, or not where they were, beside look-alikes of their tables in `public`: whatever is
tried, nothing is read there, and nothing written.
"""

from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.exceptions import ObjectDoesNotExist
from django.core.management import CommandError, call_command
from django.db import ProgrammingError, transaction
from django.test import Client

from django_schemas.exceptions import SchemasError
from tenancy import lifecycle, tenant_context
from tenancy.exceptions import TenancyError
from tenancy.models import Tenant
from tenancy.states import Status
from tests.apps.garage.witness import public_digest
from tests.integration.django_schemas.test_fail_closed import OPERATIONS
from tests.isolation.conftest import Towns


def again(tenant: Tenant) -> Tenant:
    """The same tenant in other hands: what the program has of it does not change."""
    return Tenant.objects.get(pk=tenant.pk)


def half_made(tenant: Tenant) -> None:
    """As a process leaves it that dies while it makes the schema."""
    lifecycle.delete(again(tenant))
    Tenant.objects.filter(pk=tenant.pk).update(status=Status.PROVISIONING, work=None)


STATES: dict[str, tuple[Callable[[Tenant], None], int]] = {
    "suspended": (lambda tenant: lifecycle.suspend(again(tenant)), 403),
    "renamed": (lambda tenant: lifecycle.rename(again(tenant), slug="elsewhere", schema_name="elsewhere"), 404),
    "deleted": (lambda tenant: lifecycle.delete(again(tenant)), 404),
    "half made": (half_made, 503),
}


@pytest.fixture
def public(schemas: dict[str, dict[str, str]]) -> Iterator[None]:
    """Nothing becomes of `public`."""
    yield
    assert {db: public_digest(db) for db in schemas} == schemas


@pytest.fixture(params=STATES)
def town(request: Any, towns: Towns, public: None) -> Iterator[tuple[Tenant, str, int]]:
    """A tenant in some state, as it was read before; the state; what a request is answered with."""
    (tenant,) = towns(1)
    change, status = STATES[request.param]
    change(tenant)
    yield tenant, request.param, status
    if request.param == "half made":
        Tenant.objects.filter(pk=tenant.pk).update(status=Status.DELETING)
    elif request.param == "suspended":
        lifecycle.resume(again(tenant))


def test_in_code(town: tuple[Tenant, str, int]) -> None:
    """Who reads its row now is refused, unless it is another place now; who has read it before finds its own rows, or
    no schema.
    """
    stale, state, _ = town
    for name, operation in OPERATIONS.items():
        for tenant in (stale,) if state == "renamed" else (stale, again(stale)):
            try:
                with tenant_context(tenant), transaction.atomic(using=tenant.db):
                    found = operation()
                    transaction.set_rollback(True, using=tenant.db)
            except (TenancyError, ProgrammingError):
                continue
            except (SchemasError, ValueError, LookupError, ObjectDoesNotExist):
                # What the operation itself is refused for, in any tenant: it has no such object.
                continue
            assert (tenant is stale, state) == (True, "suspended"), (name, found)
            rows = found if isinstance(found, list) else []
            assert {row.witness for row in rows if hasattr(row, "witness")} <= {"town-0", "", "x"}, (state, name)


def test_by_requests(town: tuple[Tenant, str, int]) -> None:
    """No view is run."""
    _, state, status = town
    response = Client(headers={"host": "town-0.saas.test"}).get("/")
    assert response.status_code == status, state


@pytest.mark.parametrize("words", [["check"], ["dumpdata", "garage"], ["flush", "--no-input"]])
def test_by_commands(town: tuple[Tenant, str, int], words: list[str]) -> None:
    """`tenant run` refuses it."""
    assert again(town[0]).status != "active" or town[1] == "renamed"
    with pytest.raises(CommandError):
        call_command("tenant", "run", "town-0", "--", *words, stdout=StringIO(), stderr=StringIO())
