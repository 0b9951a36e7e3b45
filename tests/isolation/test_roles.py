"""Roles: who serves may do nothing in tenants' schemas but as the role of the very schema a statement is of."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import partial
from io import StringIO
from random import Random
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ObjectDoesNotExist
from django.core.management import CommandError, call_command
from django.db import IntegrityError, ProgrammingError, connections, transaction
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from django_schemas import bind, schema_cursor
from django_schemas.environments import primary_of
from django_schemas.exceptions import SchemasError
from django_schemas.roles import name_of_role
from tenancy import lifecycle, tenant_context
from tenancy.conf import conf
from tenancy.models import Tenant
from tenancy.privileges import check_login, give_login
from tests.apps.garage.models import Owner, Tag
from tests.apps.platform.models import Plan
from tests.audit.capture import raw_sql
from tests.integration.django_schemas.test_fail_closed import OPERATIONS
from tests.isolation.conftest import Towns
from tests.isolation.logins import SERVER, logged_in, with_roles
from tests.pooler.bouncer import bouncing
from tests.serving import serving
from tools import postgres

ROLE = "SELECT current_user, session_user"


@pytest.fixture
def prepared(committed: None) -> Iterator[None]:
    """Schemas that are made have roles; the login that serves has its rights."""
    with with_roles():
        for db in ("default", "shard2"):
            give_login(db)
        yield


@pytest.fixture
def cities(prepared: None, towns: Towns) -> list[Tenant]:
    """Four tenants, in two databases in turn."""
    return towns(4)


@pytest.fixture
def served(cities: list[Tenant]) -> Iterator[list[Tenant]]:
    """The same, while this process is one that serves."""
    with logged_in(SERVER):
        yield cities


def role_of(tenant: Tenant) -> str:
    return name_of_role(SERVER, str(connections[tenant.db].settings_dict["NAME"]), tenant.schema_name)


def role_now(db: str) -> str:
    """The role that a statement of no model runs as, here and now."""
    with connections[db].cursor() as cursor:
        cursor.execute(ROLE)
        role, login = cursor.fetchone()
    assert login == SERVER
    return str(role)


@pytest.mark.parametrize("in_transaction", [True, False])
def test_own_rows(served: list[Tenant], in_transaction: bool) -> None:
    """Whatever can be done with a tenant's rows can be done as its role; behind it the login is itself again."""
    for tenant in served:
        with tenant_context(tenant):
            assert Owner.objects.create(name="Ada", witness=tenant.slug).pk
            for name, operation in OPERATIONS.items():
                try:
                    with transaction.atomic(using=tenant.db) if in_transaction else nullcontext():
                        operation()
                except (ValueError, LookupError, ObjectDoesNotExist, IntegrityError, SchemasError):
                    # What the operation itself is refused for: it has no such object.
                    continue
                except ProgrammingError as error:
                    raise AssertionError(name) from error
            assert role_now(tenant.db) == role_of(tenant)
            assert [tag.witness for tag in Tag.objects.filter(name="red").iterator()] == [tenant.slug]
            with connections[tenant.db].cursor() as cursor:
                table = f'"{tenant.schema_name}".garage_tag'
                cursor.executemany(f"INSERT INTO {table} (name, witness) VALUES (%s, '')", [["one"], ["100 %"]])
            assert Tag.objects.filter(name__in=["one", "100 %"]).count() == 2
        assert role_now(tenant.db) == SERVER


def test_others_rows(served: list[Tenant]) -> None:
    """SQL that names another's table, or is of nobody, is denied."""
    mine, other = served[0], served[2]
    table = f'"{other.schema_name}".garage_tag'
    for context in (lambda: tenant_context(mine), lambda: schema_cursor(mine.db, mine.schema_name), nullcontext):
        for sql in (f"SELECT * FROM {table}", f"DELETE FROM {table}"):
            with context(), pytest.raises(ProgrammingError, match="permission denied"), raw_sql("another's table"):
                with transaction.atomic(using=mine.db), connections[mine.db].cursor() as cursor:
                    cursor.execute(sql)
    with tenant_context(other):
        assert Tag.objects.filter(name="red").count() == 1


def test_across(served: list[Tenant]) -> None:
    """A query over several tenants asks each by itself, under its own role: no role may read two."""
    with CaptureQueriesContext(connections["default"]) as sent:
        found = sorted(Tag.across(served).filter(name="red").values_list("tenant", "witness"))
        counted = Tag.across(served).count()
    assert found == sorted((tenant.slug, tenant.slug) for tenant in served)
    assert counted >= len(served)
    assert not [each for each in sent.captured_queries if "UNION" in each["sql"]]


def test_a_transaction_of_several(served: list[Tenant]) -> None:
    """Within one transaction each statement runs as the role of its own schema, and as the login in the registry."""
    one, other = served[0], served[2]
    mine = bind(Tag, one.db, one.schema_name).objects
    its = bind(Tag, other.db, other.schema_name).objects
    with transaction.atomic(using="default"):
        for _ in range(2):
            mine.create(name="new", witness=one.slug)
            assert role_now("default") == SERVER
            its.create(name="new", witness=other.slug)
            assert Tenant.objects.get(pk=one.pk) == one
            with pytest.raises(ZeroDivisionError), transaction.atomic(using="default"):
                its.filter(name="new").delete()
                raise ZeroDivisionError
            # The savepoint's end has put back the role that was before it.
            assert its.filter(name="new").exists()
            assert mine.filter(name="new").exists()
            with tenant_context(other), transaction.atomic(using="default"):
                assert role_now("default") == role_of(other)
                assert Tag.objects.get(name="red").witness == other.slug
            with pytest.raises(ProgrammingError), tenant_context(one), transaction.atomic(using="default"):
                with connections["default"].cursor() as cursor:
                    cursor.execute("SELECT nothing")
        assert list(mine.filter(name="new").values_list("witness", flat=True)) == [one.slug] * 2
        assert list(its.filter(name="new").values_list("witness", flat=True)) == [other.slug] * 2
    assert role_now("default") == SERVER


def test_transactions_one_after_the_other(served: list[Tenant]) -> None:
    """What was set for one holds in none behind it, however it ended."""
    tags = bind(Tag, served[0].db, served[0].schema_name).objects
    for end in (lambda: None, lambda: transaction.set_rollback(True, using="default")):
        for _ in range(2):
            with transaction.atomic(using="default"):
                assert tags.filter(name="red").exists()
                end()
    transaction.set_autocommit(False, using="default")
    try:
        for end in (transaction.commit, transaction.rollback):
            assert tags.filter(name="red").exists()
            end(using="default")
            assert tags.filter(name="red").exists()
            end(using="default")
    finally:
        transaction.set_autocommit(True, using="default")
    assert tags.filter(name="red").exists()


def test_the_first_statement_of_a_connection(served: list[Tenant]) -> None:
    """It is its schema's too, in autocommit mode, of a model, of SQL, and of a replica where there is one."""
    tenant = served[0]
    tags = bind(Tag, tenant.db, tenant.schema_name).objects
    for ask in (
        lambda: tags.get(name="red").witness,
        lambda: tags.raw("SELECT * FROM garage_tag WHERE name = 'red'")[0].witness,
        lambda: tags.filter(name="red").update(name="red") and tenant.slug,
    ):
        connections.close_all()
        assert ask() == tenant.slug


def test_no_state_is_left(served: list[Tenant]) -> None:
    """A failed statement leaves nothing on the connection either, in a transaction or not."""
    tenant = served[0]
    for block in (lambda: transaction.atomic(using=tenant.db), nullcontext):
        with (
            pytest.raises(ProgrammingError),
            tenant_context(tenant),
            block(),
            connections[tenant.db].cursor() as cursor,
        ):
            cursor.execute("SELECT nothing")
        assert role_now(tenant.db) == SERVER
        with tenant_context(tenant), block():
            assert User.objects.count() == 0
    with transaction.atomic(using=tenant.db):
        # The savepoint ends, in an aborted transaction, where the tenant is not current any more.
        with pytest.raises(ProgrammingError), transaction.atomic(using=tenant.db), tenant_context(tenant):
            assert Tag.objects.exists()
            with connections[tenant.db].cursor() as cursor:
                cursor.execute("SELECT nothing")
        assert role_now(tenant.db) == SERVER
        with tenant_context(tenant):
            savepoint = transaction.savepoint(using=tenant.db)
        # What was set before it holds again behind it.
        transaction.savepoint_rollback(savepoint, using=tenant.db)
        assert role_now(tenant.db) == SERVER
    with pytest.raises(ProgrammingError), tenant_context(tenant), connections[tenant.db].cursor() as cursor:
        cursor.executemany("SELECT nothing WHERE 1 = %s", [[1], [2]])
    assert connections[tenant.db].connection.info.transaction_status == 0


def test_may_make_nothing(served: list[Tenant]) -> None:
    """Neither a tenant's role nor the login may change what is there, or make anything."""
    tenant = served[0]
    for sql in (
        f'CREATE TABLE "{tenant.schema_name}".mine ()',
        f'ALTER TABLE "{tenant.schema_name}".garage_tag ADD COLUMN mine int',
        f'DROP TABLE "{tenant.schema_name}".garage_car_tags',
        f'TRUNCATE "{tenant.schema_name}".garage_car_tags',
        f'DROP SCHEMA "{tenant.schema_name}" CASCADE',
        "CREATE SCHEMA mine",
        "CREATE ROLE mine",
    ):
        for context in (tenant_context(tenant), nullcontext()):
            with context, pytest.raises(ProgrammingError), connections[tenant.db].cursor() as cursor:
                with raw_sql("what is not allowed"):
                    cursor.execute(sql)


def roles_there() -> set[str]:
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT rolname FROM pg_roles WHERE rolname LIKE %s", [f"{SERVER}.%"])
        return {name for (name,) in cursor.fetchall()}


def serves(tenant: Tenant) -> bool:
    """Whether a process that serves can read a tenant's rows, which are as many as they were."""
    with logged_in(SERVER), tenant_context(Tenant.objects.get(pk=tenant.pk), allow_inactive=True):
        return Tag.objects.filter(name="red").count() == 1


def test_through_life(cities: list[Tenant]) -> None:
    """The role goes where the schema goes, and away with it."""
    tenant = cities[0]
    assert roles_there() == {role_of(each) for each in cities}
    lifecycle.rename(tenant, slug="town-9", schema_name="town_9")
    assert serves(tenant)
    assert roles_there() == {role_of(each) for each in cities}
    copy = lifecycle.clone(tenant, name="Copy")
    try:
        assert serves(copy)
    finally:
        lifecycle.delete(copy)
        lifecycle.purge(copy)
    lifecycle.delete(tenant)
    lifecycle.restore(tenant)
    assert serves(tenant)
    lifecycle.move(tenant, "shard2")
    lifecycle.drop_leftovers(tenant)
    tenant.refresh_from_db()
    assert serves(tenant)
    assert roles_there() == {role_of(each) for each in cities}


def test_a_site(prepared: None, cities: list[Tenant]) -> None:
    """A server whose processes log in so serves each tenant, sync and async, streams and forms."""
    databases = {alias: {"USER": SERVER} for alias in connections if primary_of(alias) in ("default", "shard2")}
    for name in ("gunicorn", "uvicorn"):
        with serving(name, databases, ROLES={"SERVING": SERVER}) as server:
            for path in ("/", "/async/", "/tags/"):
                for tenant in cities:
                    status, body = server.get(f"{tenant.slug}.saas.test", path)
                    assert (status, tenant.slug in str(body)) == (200, True), (name, path, body)


def test_behind_a_pooler(cities: list[Tenant], pgbouncer_installed: None) -> None:
    """Roles are of transactions, not of sessions: threads that share few sessions see their own rows only."""
    url = postgres.ensure().databases["default"]
    with bouncing(re.sub(r"//[^@/]*@", f"//{SERVER}@", url)) as port:
        pooled = {"HOST": "127.0.0.1", "PORT": port, "DISABLE_SERVER_SIDE_CURSORS": True}
        with logged_in(SERVER, settings=pooled), ThreadPoolExecutor(8) as pool:
            wrong = list(pool.map(partial(_misread, cities), range(8)))
    assert wrong == [[]] * 8


def _misread(cities: list[Tenant], number: int) -> list[Any]:
    random, wrong = Random(number), []
    try:
        for _ in range(60):
            tenant = random.choice(cities)
            in_transaction = random.random() < 0.5
            with tenant_context(tenant), transaction.atomic(using=tenant.db) if in_transaction else nullcontext():
                Tag.objects.filter(name="red").update(name="red")
                found = (role_now(tenant.db), list(Tag.objects.filter(name="red").values_list("witness", flat=True)))
            if found != (role_of(tenant), [tenant.slug]):
                wrong.append(found)
    finally:
        connections.close_all()
    return wrong


def test_rights_for_what_was_there(towns: Towns) -> None:
    """`tenant roles` gives them to tenants and the login; `tenant check` tells who lacks them; it may be run again."""
    early = towns(1)[0]
    call = partial(call_command, "tenant", stdout=StringIO(), stderr=StringIO())
    with pytest.raises(CommandError, match="names no login"):
        call("roles", "--all")
    with with_roles(READABLE=["platform.Plan"]):
        with pytest.raises(CommandError, match="1 finding is left"):
            call("check", early.slug)
        for _ in range(2):
            call("roles", early.slug)
        call("check", early.slug)
        assert check_login(None, ["default", "shard2"]) == []
        plan = Plan.objects.create(name="gold")
        try:
            with logged_in(SERVER), tenant_context(Tenant.objects.get(pk=early.pk)):
                assert Tag.objects.get(name="red").witness == early.slug
                # One statement, of both schemas.
                Owner.objects.create(name="Ada", plan=plan)
                assert [owner.plan.name for owner in Owner.objects.select_related("plan").filter(plan=plan)] == ["gold"]
                with pytest.raises(ProgrammingError, match="permission denied"), raw_sql("the registry's table"):
                    with connections["default"].cursor() as cursor:
                        cursor.execute("SELECT * FROM registry.tenancy_tenant")
                Owner.objects.all().delete()
        finally:
            plan.delete()


@pytest.mark.parametrize(
    ("options", "told"),
    [("SUPERUSER", "is a superuser"), ("CREATEROLE", "may make roles"), ("INHERIT", "inherits the rights")],
)
def test_a_login_that_may_too_much(committed: None, options: str, told: str) -> None:
    """E034: roles are of no use with it."""
    with with_roles():
        with connections["default"].cursor() as cursor:
            cursor.execute(f"ALTER ROLE {SERVER} {options}")
        (error, other) = check_login(None, ["default", "shard2"])
        assert error.id == other.id == "tenancy.E034"
        assert told in error.msg
    with override_settings(TENANCY={**conf.tenancy, "ROLES": {"SERVING": "nobody_at_all"}}):
        assert "is not there" in check_login(None, ["default"])[0].msg


def test_a_long_name(prepared: None) -> None:
    """What PostgreSQL would cut stays one name for each schema."""
    names = {name_of_role(SERVER, "database", letter * 63) for letter in "ab"}
    assert len(names) == 2
    assert {len(name) for name in names} == {63}
