"""Code as a project writes it, which type checkers must understand: read by mypy and pyright, and never run."""

from collections.abc import AsyncIterator, Iterator
from typing import Self, assert_type

from django.contrib.auth.models import User
from django.db.models import Count
from django.http import HttpRequest, HttpResponse

from django_schemas import (
    Placement,
    across,
    active_placement,
    allow_two_databases,
    bind,
    models,
    schema_context,
    schema_cursor,
    wrap_context,
)
from django_schemas.migrations import flush, migrate
from example_project.helpdesk.models import Customer, Tag
from tenancy import current_tenant, tenant_context
from tenancy.decorators import public_only, tenant_required
from tenancy.lifecycle import clone, delete, rename, suspend
from tenancy.models import AbstractTenant, Tenant


class SampleUser(models.Model):
    name = models.CharField(max_length=20)

    @classmethod
    def named(cls, name: str) -> Self:
        return cls(name=name)

    class Meta:
        abstract = True
        db_environment = "tenant"


def binding() -> None:
    acme = Customer.set_db("default", "acme")
    assert_type(acme, type[Customer])
    assert_type(acme.objects.get(name="Ada"), Customer)
    assert_type(acme.objects.filter(name="Ada").first(), Customer | None)
    assert_type(acme(name="Bob"), Customer)
    customer = acme.objects.create(name="Ada")
    assert_type(Tag.inherit_db(customer), type[Tag])
    assert_type(Tag.auto_db(), type[Tag])
    assert_type(bind(User, "default", "acme"), type[User])
    assert_type(bind(User, db="default", schema="acme").objects.get(), User)
    assert_type(customer.db_name, str | None)
    assert_type(SampleUser.set_db("default", "acme").named("Ada"), SampleUser)


def many(places: list[Placement]) -> None:
    found = Customer.across(places).filter(name="Ada").order_by("name")
    for customer in found:
        assert_type(customer, Customer)
    for tag in Tag.across(Tenant.objects.active()).iterator():
        assert_type(tag, Tag)
    assert_type(across(User, places).get(), User)
    assert_type(across(User, places).first(), User | None)
    assert_type(across(User, places).count(), int)
    across(User, places).aggregate(number=Count("pk"))


def contexts(tenant: Tenant) -> None:
    with schema_context("default", "acme") as placement:
        assert_type(placement, Placement)
    assert_type(active_placement(), Placement | None)
    with tenant_context(tenant) as entered:
        assert_type(entered, AbstractTenant)
    assert_type(current_tenant(), AbstractTenant | None)
    with schema_cursor("default", "acme") as cursor:
        cursor.execute("SELECT 1")
    with allow_two_databases("because"):
        pass

    @schema_context("default", "acme")
    def decorated(number: int) -> str:
        return str(number)

    assert_type(decorated(1), str)
    assert_type(wrap_context(decorated)(1), str)


async def asynchronous(tenant: Tenant) -> AsyncIterator[Customer]:
    async with tenant_context(tenant):
        async for customer in Customer.objects.all():
            yield customer


def life() -> None:
    tenant = Tenant.objects.create(name="Acme")
    assert_type(tenant, Tenant)
    assert_type(tenant.placement, Placement)
    print(tenant.slug.upper())
    suspend(tenant)
    rename(tenant, slug="acme-2")
    clone(tenant, "Globex")
    delete(tenant)
    migrate("default", schema="acme")
    flush("default", "acme")


def visits() -> Iterator[int]:
    for tenant, number in Tenant.objects.active().each(lambda tenant: Customer.objects.count(), threads=2):
        print(tenant.slug)
        yield number


@tenant_required
def view(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


@public_only
async def another(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


assert_type(view(HttpRequest()), HttpResponse)
