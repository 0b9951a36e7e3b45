"""django-guardian."""

import pytest
from django.contrib.auth.models import Group, User
from guardian.shortcuts import (
    assign_perm,
    get_objects_for_group,
    get_objects_for_user,
    get_perms,
    get_users_with_perms,
    remove_perm,
)
from guardian.utils import get_anonymous_user

from django_schemas.exceptions import SchemaMismatch
from tenancy import tenant_context
from tenancy.models import Tenant
from tests.apps_of_others.shop.models import Book

from .conftest import Browser


def test_permissions(acme: Tenant, globex: Tenant, initech: Tenant) -> None:
    """A permission for an object is for that of the tenant alone, whichever tenants the process served before."""
    for tenant in (acme, globex, initech):
        with tenant_context(tenant):
            ada, book = User.objects.get(username="ada"), Book.objects.get(pk=1)
            assert not ada.has_perm("shop.change_book", book)
            assert list(get_objects_for_user(ada, "shop.change_book")) == []
            assign_perm("change_book", ada, book)
            ada = User.objects.get(username="ada")
            assert ada.has_perm("shop.change_book", book)
            assert get_perms(ada, book) == ["change_book"]
            assert list(get_objects_for_user(ada, "shop.change_book")) == [book]
            assert list(get_objects_for_user(ada, "shop.change_book", Book)) == [book]
            assert list(get_users_with_perms(book)) == [ada]
    with tenant_context(acme):
        remove_perm("change_book", User.objects.get(username="ada"), Book.objects.get(pk=1))
        assert not User.objects.get(username="ada").has_perm("shop.change_book", Book.objects.get(pk=1))
    with tenant_context(globex):
        assert User.objects.get(username="ada").has_perm("shop.change_book", Book.objects.get(pk=1))


def test_groups(acme: Tenant, initech: Tenant) -> None:
    """Groups have them too."""
    for tenant in (acme, initech):
        with tenant_context(tenant):
            readers = Group.objects.create(name="readers")
            User.objects.get(username="ada").groups.add(readers)
            assign_perm("view_book", readers, Book.objects.filter(pk__lt=3))
            assert set(get_objects_for_group(readers, "shop.view_book").values_list("pk", flat=True)) == {1, 2}
            ada = User.objects.get(username="ada")
            assert set(get_objects_for_user(ada, "view_book", Book).values_list("pk", flat=True)) == {1, 2}


def test_mixed(acme: Tenant, globex: Tenant) -> None:
    """A user of one tenant gets no permission for another's object."""
    with tenant_context(acme):
        ada = User.objects.get(username="ada")
    with tenant_context(globex):
        book = Book.objects.get(pk=1)
        with pytest.raises(SchemaMismatch):
            assign_perm("change_book", ada, book)


def test_anonymous_user(acme: Tenant, globex: Tenant, initech: Tenant) -> None:
    """Each tenant has its own."""
    assert len({get_anonymous_user_of(tenant) for tenant in (acme, globex, initech)}) == 3


def get_anonymous_user_of(tenant: Tenant) -> User:
    with tenant_context(tenant):
        return get_anonymous_user()


def test_admin(acme: Tenant, globex: Tenant) -> None:
    """The admin's page of an object's permissions gives them."""
    browser = Browser(acme, root=True)
    assert browser.get("/admin/shop/author/1/permissions/").status_code == 200
    with tenant_context(acme):
        ada = User.objects.get(username="ada")
    path = f"/admin/shop/author/1/permissions/user-manage/{ada.pk}/"
    assert browser.post(path, {"permissions": ["change_author"], "submit": "Save"}).status_code == 302
    found = []
    for tenant in (acme, globex):
        with tenant_context(tenant):
            found.append([author.name for author in get_objects_for_user(ada_of(tenant), "shop.change_author")])
    assert found == [["acme"], []]


def ada_of(tenant: Tenant) -> User:
    with tenant_context(tenant):
        return User.objects.get(username="ada")
