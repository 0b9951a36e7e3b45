"""The test cases that the project of `files` has, for Django's runner; copied there, and run there alone."""

from django.contrib.auth.models import User
from django.core.exceptions import SynchronousOnlyOperation
from django.db import connections
from django.test import TestCase, TransactionTestCase
from tickets.models import Notice, Ticket

from tenancy import current_tenant, tenant_context
from tenancy.models import Tenant
from tenancy.signals import tenant_provisioned
from tenancy.testing import (
    TenantClient,
    TenantTestCase,
    TenantTransactionTestCase,
    assert_stays_in_tenant,
    make_tenant,
)

told = []
tenant_provisioned.connect(lambda tenant, **kwargs: told.append(tenant.slug), weak=False)


def schemas(db="default"):
    with connections[db].cursor() as cursor:
        cursor.execute("SELECT nspname::text FROM pg_namespace WHERE obj_description(oid) LIKE '%owner%' ORDER BY 1")
        return [name for (name,) in cursor.fetchall() if not name.startswith("_pool_")]


class Case(TenantTestCase):
    """A tenant for the class, rows of setUpTestData and of each test."""

    @classmethod
    def setUpTestData(cls):
        cls.ticket = Ticket.objects.create(subject="of the class")
        cls.neighbour = make_tenant("Neighbour")
        with tenant_context(cls.neighbour):
            Ticket.objects.create(subject="the neighbour's")

    def test_rows(self):
        self.assertEqual(current_tenant(), self.tenant)
        self.assertEqual([ticket.subject for ticket in Ticket.objects.all()], ["of the class"])
        self.ticket.delete()
        self.tenant.name = "Changed"

    def test_rows_again(self):
        self.assertEqual([ticket.subject for ticket in Ticket.objects.all()], ["of the class"])
        self.assertEqual(self.tenant.name, "Tenant")
        self.assertEqual(self.client.get("/subjects/").json()["subjects"], ["of the class"])
        self.assertEqual(told[-2:], ["tenant", "neighbour"])

    def test_statements_of_a_request(self):
        with self.assertNumQueries(4):  # Of a host: the domain, whose it may be; the tenant; and the tickets.
            self.client.get("/subjects/")

    async def test_async(self):
        await self.async_client.aforce_login(await User.objects.acreate(username="ada"))
        async with assert_stays_in_tenant(self.tenant):
            response = await self.async_client.get("/asubjects/")
        self.assertEqual(response.json(), {"subjects": ["of the class"]})

    async def test_leak_in_async(self):
        with self.assertRaisesRegex(AssertionError, "reads .*neighbour.*tickets_ticket"):
            async with assert_stays_in_tenant(self.tenant):
                await self.async_client.get("/leak/")

    async def test_sync_assertion_in_async(self):
        """It would watch connections that nobody uses."""
        with self.assertRaisesRegex(SynchronousOnlyOperation, "async with"):
            with assert_stays_in_tenant(self.tenant):
                pass


class CaseOfAnother(TenantTestCase):
    """A tenant of one's own choice, in another database, and a class that begins with nothing."""

    databases = ("default", "shard2")

    @classmethod
    def make_tenant(cls):
        return make_tenant("There", slug="tenant", db="shard2")

    def test_first(self):
        self.assertEqual((self.tenant.db, schemas(), schemas("shard2")), ("shard2", [], ["tenant"]))
        self.client.get("/add/", {"subject": "x"})
        self.assertEqual(Ticket.objects.count(), 1)

    def test_second(self):
        self.assertEqual((Ticket.objects.count(), Tenant.objects.count()), (0, 1))


class Committing(TenantTransactionTestCase):
    """A tenant for each test, committed, and gone behind it, with what the test itself leaves behind."""

    databases = ("default", "shard2")

    def test_first(self):
        self.assertEqual((Ticket.objects.count(), schemas()), (0, ["tenant"]))
        Ticket.objects.create(subject="committed")
        Tenant.objects.create(name="Left behind", db="default")
        make_tenant("There", db="shard2")
        Notice.objects.create(text="committed")
        self.assertEqual(self.client.get("/subjects/").json()["subjects"], ["committed"])

    test_second = test_first


class PlainCommitting(TransactionTestCase):
    """Django's own, which leaves schemas behind."""

    def test_first(self):
        Tenant.objects.create(name="Tenant", db="default")


class AfterCommitting(TransactionTestCase):
    """Nothing of that is in the way."""

    def test_nothing_is_left(self):
        self.assertEqual((Tenant.objects.count(), Notice.objects.count()), (0, 0))


class Plain(TestCase):
    """A test case of Django's makes tenants too."""

    def test_two(self):
        first, second = make_tenant("First"), make_tenant("Second")
        with tenant_context(first):
            Ticket.objects.create(subject="x")
        self.assertEqual(TenantClient(second).get("/subjects/").json()["subjects"], [])
        self.assertLessEqual({"first", "second"}, set(schemas()))
