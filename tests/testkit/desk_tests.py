"""The tests that the project of `files` has, as its developers would write them; copied there, and run there alone."""

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import user_logged_in
from django.contrib.auth.models import User
from django.db import connection, connections, transaction
from tickets.models import Ticket

from django_schemas.exceptions import NoActiveSchema
from tenancy import current_tenant, tenant_context
from tenancy.models import PooledSchema, Tenant
from tenancy.testing import AsyncTenantClient, TenantClient, assert_stays_in_tenant
from tenancy.testing.factories import TenantFactory


def subjects(client, path="/subjects/"):
    return client.get(path).json()["subjects"]


@pytest.mark.parametrize("number", [1, 2])
def test_tenant(tenant, number):
    """It is current, and empty each time."""
    assert (current_tenant(), tenant.status, tenant.schema_name) == (tenant, "active", "tenant")
    assert (Ticket.objects.count(), Tenant.objects.count()) == (0, 1)
    Ticket.objects.create(subject="x")


def test_tenants(tenants):
    """Two, none current, each with rows of its own."""
    a, b = tenants
    with pytest.raises(NoActiveSchema):
        Ticket.objects.count()
    for tenant in tenants:
        with tenant_context(tenant):
            Ticket.objects.create(subject=tenant.slug)
    assert (subjects(TenantClient(a)), subjects(TenantClient(b))) == (["tenant-a"], ["tenant-b"])


def test_logging_in_where_nobody_is_current(tenants):
    """The session is the client's tenant's, who is current for receivers of `user_logged_in`."""
    a, _ = tenants
    current = []
    user_logged_in.connect(lambda **kwargs: current.append(current_tenant()), weak=False)
    with tenant_context(a):
        ada = User.objects.create_user("ada")
    client = TenantClient(a)
    client.force_login(ada)
    assert client.get("/subjects/").json()["user"] == "ada"
    session = client.session
    session["asked"] = True
    session.save()
    assert (client.session["_auth_user_id"], client.session["asked"]) == (str(ada.pk), True)
    async_client = AsyncTenantClient(a)
    async_to_sync(async_client.aforce_login)(ada)
    assert async_to_sync(async_client.get)("/subjects/").json()["user"] == "ada"
    assert current == [a, a]
    client.logout()
    assert client.get("/subjects/").json()["user"] == ""


def test_make_tenant(make_tenant, tenant):
    """As many as one likes, each with its schema; what its provisioning tells is told."""
    others = [make_tenant(f"Acme {number}", slug=f"acme-{number}") for number in range(3)]
    for other in others:
        with tenant_context(other):
            assert Ticket.objects.count() == 0
            Ticket.objects.create(subject=other.name)
    assert Ticket.objects.count() == 0
    assert [each.schema_name for each in others] == ["acme-0", "acme-1", "acme-2"]


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.django_db(databases=["default", "shard2"])
def test_two_databases(make_tenant, number):
    """A tenant in each; both are gone behind the test."""
    here, there = make_tenant("Here"), make_tenant("There", db="shard2")
    assert (here.db, there.db) == ("default", "shard2")
    with tenant_context(there):
        Ticket.objects.create(subject="there")
    assert (subjects(TenantClient(here)), subjects(TenantClient(there))) == ([], ["there"])
    with connections["shard2"].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_namespace WHERE nspname = 'there'")
        assert cursor.fetchone() == (1,)


def test_undeclared_database(make_tenant):
    """A database that the test does not declare is not used."""
    with pytest.raises(Exception, match="shard2"):
        make_tenant("There", db="shard2")


def test_client(tenant, tenant_client, make_tenant):
    """It asks at the tenant's host, logged in as a user of the tenant's."""
    other = make_tenant("Other")
    with tenant_context(other):
        User.objects.create_user("bob", password="pw")
        Ticket.objects.create(subject="other's")
        theirs = TenantClient(other)
        assert tenant_client.login(username="bob", password="pw") is False
    tenant_client.force_login(User.objects.create_user("ada"))
    assert tenant_client.get("/add/", {"subject": "x"}).json() == {"subjects": ["x"], "user": "ada"}
    assert theirs.login(username="bob", password="pw") is True
    assert theirs.get("/subjects/").json() == {"subjects": ["other's"], "user": "bob"}
    theirs.logout()
    assert theirs.get("/subjects/").json()["user"] == ""


def test_client_of_a_domain(make_tenant):
    """The primary domain is its host."""
    acme = make_tenant("Acme")
    acme.domains.create(host="acme.desk.test", is_primary=True)
    assert TenantClient(acme).get("/subjects/").wsgi_request.get_host() == "acme.desk.test"


def test_public_host_in_a_tenants_test(tenant, tenant_client):
    """What is current in the test is not current in a request: the public host has no tickets."""
    with pytest.raises(NoActiveSchema):
        tenant_client.get("/subjects/", SERVER_NAME="desk.test")


def test_async_client(tenant, async_tenant_client):
    """So does the asynchronous one."""
    Ticket.objects.create(subject="x")
    assert async_to_sync(async_tenant_client.get)("/asubjects/").json() == {"subjects": ["x"]}
    async_to_sync(async_tenant_client.aforce_login)(User.objects.create_user("ada"))
    assert async_to_sync(async_tenant_client.get)("/subjects/").json() == {"subjects": ["x"], "user": "ada"}


def test_client_of_nobody(db):
    """A client needs a tenant."""
    with pytest.raises(Exception, match="give it a tenant"):
        TenantClient()


def test_factory(db):
    """Tenants of the factory are like those of the fixtures."""
    first, second = TenantFactory(name="First"), TenantFactory(slug="second")
    with tenant_context(second):
        Ticket.objects.create(subject="x")
    with tenant_context(first):
        assert Ticket.objects.count() == 0


@pytest.mark.parametrize("number", [1, 2, 3])
def test_that_commits(transactional_db, tenant, make_tenant, number):
    """What it commits is gone behind the test."""
    other = make_tenant("Other")
    with transaction.atomic(), tenant_context(other):
        Ticket.objects.create(subject="committed")
    assert Ticket.objects.count() == 0
    Tenant.objects.create(name="Left behind", db="default")


@pytest.mark.django_db(transaction=True, databases=["default", "shard2"])
def test_that_commits_in_two_databases(make_tenant):
    """Likewise."""
    with tenant_context(make_tenant("There", db="shard2")):
        Ticket.objects.create(subject="committed")


@pytest.mark.parametrize("number", [1, 2])
def test_after_those_that_commit(tenant, number):
    """The stock is there again, and what was left behind is not: see conftest.py for the order."""
    waiting = set(PooledSchema.objects.filter(db="default").values_list("schema_name", flat=True))
    with connection.cursor() as cursor:
        cursor.execute("SELECT nspname::text FROM pg_namespace WHERE starts_with(nspname, '_pool_')")
        assert {name for (name,) in cursor.fetchall()} == waiting != set()
    Tenant.objects.create(name="Left behind", db="default")
    with connection.cursor() as cursor:
        cursor.execute("SELECT nspname::text FROM pg_namespace WHERE obj_description(oid) LIKE '%owner%' ORDER BY 1")
        found = [name for (name,) in cursor.fetchall() if not name.startswith("_pool_")]
    assert found == ["left-behind", "tenant"]


def test_stays(tenants):
    """A view that stays in its tenant's schema passes."""
    with assert_stays_in_tenant(tenants[0]):
        TenantClient(tenants[0]).get("/add/", {"subject": "x"})


@pytest.mark.parametrize("path", ["leak", "swallow", "raw", "look_around"])
def test_leaks(tenants, path):
    """One that does not fails."""
    for tenant in tenants:
        with tenant_context(tenant):
            Ticket.objects.create(subject=tenant.slug)
    with pytest.raises(AssertionError, match=r"Tenant 'tenant-a' .* not all statements stayed"):
        with assert_stays_in_tenant(tenants[0]):
            assert "tenant-b" in subjects(TenantClient(tenants[0]), f"/{path}/")


def test_registry_is_not_changed(tenants):
    """The registry may be read and not changed, unless that is said."""
    with pytest.raises(AssertionError, match=r"changes .*registry.*tickets_notice"):
        with assert_stays_in_tenant(tenants[0]):
            TenantClient(tenants[0]).get("/announce/")
    with assert_stays_in_tenant(tenants[0], writes=["registry"]):
        TenantClient(tenants[0]).get("/announce/")
    with pytest.raises(AssertionError, match=r"reads .*registry.*tenancy_tenant"):
        with assert_stays_in_tenant(tenants[0], reads=[]):
            TenantClient(tenants[0]).get("/subjects/")
