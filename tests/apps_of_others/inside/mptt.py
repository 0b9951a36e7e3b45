"""django-mptt, which moves nodes by raw SQL."""

import pytest
from django.db import DatabaseError
from django.db.transaction import atomic

from django_schemas import schema_cursor
from tenancy import tenant_context
from tenancy.models import Tenant
from tests.apps_of_others.shop.models import Shelf
from tests.audit.capture import raw_sql


def test_tree(acme: Tenant, globex: Tenant, initech: Tenant) -> None:
    """Within `schema_cursor` trees grow, move and are read; the other tenants have none."""
    for tenant in (acme, initech):
        with tenant_context(tenant), schema_cursor(tenant.db, tenant.schema_name):
            root = Shelf.objects.create(name="root")
            left, right = (Shelf.objects.create(name=name, parent=root) for name in ("left", "right"))
            leaf = Shelf.objects.create(name="leaf", parent=left)
            leaf.refresh_from_db()
            leaf.move_to(Shelf.objects.get(pk=right.pk))
        with tenant_context(tenant):
            root = Shelf.objects.get(name="root")
            assert [node.name for node in root.get_descendants()] == ["left", "right", "leaf"]
            assert [node.name for node in Shelf.objects.get(name="leaf").get_ancestors()] == ["root", "right"]
    with tenant_context(globex):
        assert not Shelf.objects.exists()


def test_without_it(acme: Tenant) -> None:
    """Elsewhere a node that others must make room for is an error: the table is not found."""
    with tenant_context(acme):
        root = Shelf.objects.create(name="root")
        with raw_sql("mptt's own, which finds no table"), pytest.raises(DatabaseError), atomic(acme.db):
            Shelf.objects.create(name="child", parent=root)
