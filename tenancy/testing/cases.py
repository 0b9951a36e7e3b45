"""Test cases for Django's runner, and for unittest: with a tenant that is current in each test."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, ClassVar

from django.db import connections, transaction
from django.test import SimpleTestCase, TestCase, TransactionTestCase
from django.test.testcases import TestData  # type: ignore[attr-defined]  # not in the stubs

from ..context import tenant_context
from ..models import AbstractTenant
from . import stock
from .clients import AsyncTenantClient, TenantClient
from .making import make_tenant

__all__ = ["TenantTestCase", "TenantTransactionTestCase"]


class _WithTenant(SimpleTestCase):
    """What both have."""

    tenant: ClassVar[Any]
    client_class = TenantClient
    async_client_class = AsyncTenantClient

    @classmethod
    def make_tenant(cls) -> AbstractTenant:
        """Make the tenant of these tests; override it to choose its fields, or its database."""
        return make_tenant("Tenant")


class TenantTestCase(_WithTenant, TestCase):
    """Django's TestCase, with a tenant for the whole class: `self.tenant`, at whose host `self.client` asks.

    It is current in `setUpTestData` and in the tests. Its row and its schema are rolled back behind the class.
    """

    @classmethod
    def setUpClass(cls) -> None:
        """Make the tenant, in a transaction around Django's own."""
        databases = _databases_of(cls)
        stock.restock(databases)
        for db in databases:
            cls.enterClassContext(_rolled_back(db))
        tenant = cls.make_tenant()
        # Each test gets a copy, as of what setUpTestData makes.
        cls.tenant = TestData("tenant", tenant)
        cls.enterClassContext(tenant_context(tenant))
        super().setUpClass()


class TenantTransactionTestCase(_WithTenant, TransactionTestCase):
    """Django's TransactionTestCase, with a tenant for each test, which is current there and gone behind it."""

    _leaving: ClassVar[ExitStack]

    @classmethod
    def _pre_setup(cls) -> None:
        # Django calls it for the first test before it knows whether there is one to run.
        stock.restock(_databases_of(cls))
        cls.tenant = cls.make_tenant()
        cls._leaving = ExitStack()
        cls.addClassCleanup(cls._leaving.close)
        cls._leaving.enter_context(tenant_context(cls.tenant))
        super()._pre_setup()  # type: ignore[misc]  # not in the stubs

    def _fixture_teardown(self) -> None:
        self._leaving.close()
        super()._fixture_teardown()  # type: ignore[misc]  # not in the stubs
        stock.clear(_databases_of(type(self)))


def _databases_of(case: type[TestCase] | type[TransactionTestCase]) -> list[str]:
    """The databases that a test case may use, without those that mirror others."""
    named: Any = connections if case.databases == "__all__" else case.databases
    return sorted(alias for alias in named if not connections[alias].settings_dict["TEST"]["MIRROR"])


@contextmanager
def _rolled_back(db: str) -> Iterator[None]:
    """A transaction of which nothing remains. It is marked as Django's test cases mark theirs: code that must be in no
    transaction, or the outermost, may run in it.
    """
    block = transaction.atomic(using=db)
    block._from_testcase = True  # type: ignore[attr-defined]  # not in the stubs
    with block:
        yield
        transaction.set_rollback(True, using=db)
