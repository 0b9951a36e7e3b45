"""The admin of the registry: for the platform's staff on the public host, and for nobody inside a tenant."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from django_schemas.schemas import schema_exists
from tenancy import tenant_context
from tenancy.models import Tenant

pytestmark = pytest.mark.django_db(databases="__all__")

ADMIN = "/admin/tenancy/tenant/"


@pytest.fixture
def staff(tenants: Any) -> Client:
    client = Client(headers={"host": "saas.test"})
    client.force_login(User.objects.create_superuser("root", password="x"))
    return client


def test_add_provisions(staff: Client) -> None:
    """A tenant that is added here has its schema when the page returns."""
    response = staff.post(f"{ADMIN}add/", {"name": "Pied Piper", "db": "default", **management_form()}, follow=True)
    assert "was added successfully" in response.content.decode()
    assert (Tenant.objects.get(slug="pied-piper").status, schema_exists("default", "pied-piper")) == ("active", True)


def test_add_shows_errors(staff: Client) -> None:
    """What is not valid, or taken, is said in the form."""
    taken = staff.post(f"{ADMIN}add/", {"name": "Hooli", **management_form()}).content.decode()
    nameless = staff.post(f"{ADMIN}add/", {"name": "日本", **management_form()}).content.decode()
    assert "already exists" in taken
    assert "No slug can be made" in nameless


def test_actions(staff: Client, hooli: Tenant) -> None:
    """The actions call the functions of the lifecycle, and say what can't be done."""

    def act(action: str) -> tuple[str, str]:
        response = staff.post(ADMIN, {"action": action, "_selected_action": [hooli.pk]}, follow=True)
        return Tenant.objects.get(pk=hooli.pk).status, " ".join(map(str, response.context["messages"]))

    assert act("suspend") == ("suspended", "Hooli was suspended.")
    assert act("resume") == ("active", "Hooli was resumed.")
    assert act("delete_tenants") == ("deleting", "Hooli was deleted.")
    assert act("suspend")[1] == "Tenant 'hooli' is deleting, not active, so it can't become suspended by this."
    assert act("restore") == ("active", "Hooli was restored.")


def test_list_search_and_change(staff: Client, hooli: Tenant) -> None:
    """Tenants are listed, found, and shown with what can't be changed."""
    assert "Umbrella" in staff.get(ADMIN).content.decode()
    assert "Umbrella" not in staff.get(ADMIN, {"q": "hooli"}).content.decode()
    page = staff.get(f"{ADMIN}{hooli.pk}/change/").content.decode()
    assert ('name="schema_name"' in page, 'name="name"' in page) == (False, True)
    assert staff.get(f"{ADMIN}{hooli.pk}/delete/").status_code == 403


def test_nothing_inside_a_tenant(hooli: Tenant) -> None:
    """A tenant's own superuser neither sees nor reaches the registry."""
    with tenant_context(hooli):
        boss = User.objects.create_superuser("boss", password="x")
        client = Client(headers={"host": "hooli.saas.test"})
        client.force_login(boss)
    index = client.get("/admin/").content.decode()
    assert ("Users" in index, "Tenants" in index) == (True, False)
    assert [client.get(path).status_code for path in (ADMIN, f"{ADMIN}add/", f"{ADMIN}{hooli.pk}/change/")] == [403] * 3


def test_staff_is_nobody_inside_a_tenant(staff: Client) -> None:
    """The platform's session opens no tenant's admin."""
    assert staff.get("/admin/", headers={"host": "hooli.saas.test"}).status_code == 302


def management_form() -> dict[str, str]:
    return {"domains-TOTAL_FORMS": "0", "domains-INITIAL_FORMS": "0"}
