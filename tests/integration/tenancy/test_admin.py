"""The admin of the registry: for the platform's staff on the public host, and for nobody inside a tenant."""

import json
from collections.abc import Iterator
from threading import enumerate as enumerate_threads
from time import monotonic, sleep
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext

from django_schemas.schemas import schema_exists
from tenancy import lifecycle, tenant_context
from tenancy.events import TenantEvent
from tenancy.lifecycle import watching
from tenancy.lifecycle.watching import Progress, progress_of
from tenancy.models import Domain, Tenant
from tenancy.provisioning import postponed

ADMIN = "/admin/tenancy/tenant/"
rolled_back = pytest.mark.django_db(databases="__all__")


@pytest.fixture
def staff(tenants: Any) -> Client:
    client = Client(headers={"host": "saas.test"})
    client.force_login(User.objects.create_superuser("root", password="x"))
    return client


def act(staff: Client, action: str, tenant: Tenant, **typed: str) -> tuple[str, str]:
    """Carry out an action, and return the tenant's status and what was said."""
    response = staff.post(ADMIN, {"action": action, "_selected_action": [tenant.pk], **typed}, follow=True)
    return Tenant.objects.get(pk=tenant.pk).status, " ".join(map(str, response.context["messages"]))


@rolled_back
def test_add_shows_errors(staff: Client) -> None:
    """What is not valid, or taken, is said in the form."""
    taken = staff.post(f"{ADMIN}add/", {"name": "Hooli", "settings": "{}"}).content.decode()
    nameless = staff.post(f"{ADMIN}add/", {"name": "日本", "settings": "{}"}).content.decode()
    assert "already exists" in taken
    assert "No slug can be made" in nameless


@rolled_back
def test_actions(staff: Client, hooli: Tenant) -> None:
    """The actions call the functions of the lifecycle, and say what can't be done."""
    assert act(staff, "suspend", hooli, confirmed="yes", reason="unpaid") == ("suspended", "Hooli was suspended.")
    assert act(staff, "resume", hooli) == ("active", "Hooli was resumed.")
    assert act(staff, "migrate", hooli) == ("active", "Hooli was migrated.")
    assert act(staff, "resume_work", hooli) == ("active", "Hooli: nothing to do: it is active.")
    typed = {f"slug_{hooli.pk}": "hooli"}
    assert act(staff, "delete_tenants", hooli, confirmed="yes", **typed) == ("deleting", "Hooli was deleted.")
    said = act(staff, "suspend", hooli, confirmed="yes", reason="unpaid")[1]
    assert said == "Tenant 'hooli' is deleting, not active, so it can't become suspended by this."
    assert act(staff, "restore", hooli) == ("active", "Hooli was restored.")


@rolled_back
def test_what_is_done_bears_the_name_of_who_did_it(staff: Client, hooli: Tenant) -> None:
    """The log says who of the staff did it, and why."""
    act(staff, "suspend", hooli, confirmed="yes", reason="unpaid")

    event = TenantEvent.objects.filter(tenant_id=str(hooli.pk)).last()
    assert event is not None
    assert (event.old, event.new, event.actor, event.data) == ("active", "suspended", "root", {"reason": "unpaid"})
    page = staff.get(f"{ADMIN}{hooli.pk}/change/").content.decode()
    assert ("active → suspended" in page, "reason: unpaid" in page) == (True, True)


@rolled_back
def test_suspending_wants_a_reason(staff: Client, hooli: Tenant) -> None:
    """The first answer is a page that asks for it; without one nothing is done."""
    selected = {"action": "suspend", "_selected_action": [hooli.pk]}
    asked = staff.post(ADMIN, selected).content.decode()
    again = staff.post(ADMIN, {**selected, "confirmed": "yes", "reason": ""}).content.decode()

    assert ("Suspend Hooli" in asked, "This field is required" in again) == (True, True)
    assert Tenant.objects.get(pk=hooli.pk).status == "active"


@rolled_back
@pytest.mark.parametrize(
    "typed",
    [
        {},
        {"hooli": "hooli"},
        {"hooli": "hooli", "vehement": "vehemen"},
        {"hooli": "vehement", "vehement": "hooli"},
    ],
)
def test_deleting_wants_each_slug_typed(staff: Client, hooli: Tenant, vehement: Tenant, typed: dict[str, str]) -> None:
    """The page shows what there is to lose; one slug that is wrong or missing, and no tenant is deleted."""
    selected = {"action": "delete_tenants", "_selected_action": [hooli.pk, vehement.pk]}
    asked = staff.post(ADMIN, selected).content.decode()
    answers = {f"slug_{tenant.pk}": typed[tenant.slug] for tenant in (hooli, vehement) if tenant.slug in typed}
    staff.post(ADMIN, {**selected, "confirmed": "yes", **answers})

    assert (str(hooli.placement) in asked, " rows, " in asked) == (True, True)
    assert (
        list(Tenant.objects.filter(pk__in=(hooli.pk, vehement.pk)).values_list("status", flat=True)) == ["active"] * 2
    )


@rolled_back
def test_list_search_and_change(staff: Client, hooli: Tenant) -> None:
    """Tenants are listed, found, and shown with what can't be changed."""
    Domain.objects.create(host="help.hooli.test", tenant=hooli)
    assert "Umbrella" in staff.get(ADMIN).content.decode()
    for searched in ("hooli", "help.hooli.test"):
        found = staff.get(ADMIN, {"q": searched}).content.decode()
        assert ("Hooli" in found, "Umbrella" in found) == (True, False)
    assert "Umbrella" not in staff.get(ADMIN, {"db": "default"}).content.decode()
    page = staff.get(f"{ADMIN}{hooli.pk}/change/").content.decode()
    assert ('name="schema_name"' in page, 'name="name"' in page) == (False, True)
    assert staff.get(f"{ADMIN}{hooli.pk}/delete/").status_code == 403


def listed(staff: Client) -> dict[str, tuple[Any, ...]]:
    rows = staff.get(ADMIN).context["cl"].result_list
    return {row.slug: (row.size_bytes, row.backlog, str(row.last_event)) for row in rows}


@rolled_back
def test_the_list_tells_size_backlog_and_last_event(staff: Client, hooli: Tenant) -> None:
    """Each tenant's own, that of a deleted one included, and one without a schema has none."""
    with postponed():
        Tenant.objects.create(name="Bare", db="default")
    with tenant_context(hooli), connections["default"].cursor() as cursor:
        cursor.execute('DELETE FROM "hooli".django_migrations WHERE app = %s', ["garage"])
    before = listed(staff)
    typed = {f"slug_{hooli.pk}": "hooli"}
    act(staff, "delete_tenants", hooli, confirmed="yes", **typed)

    sizes = {slug: size for slug, (size, _, _) in before.items()}
    assert sizes["bare"] == 0
    assert min(sizes["hooli"], sizes["vehement"], sizes["umbrella"]) > 100_000
    assert {slug: row[1:] for slug, row in before.items()} == {
        "bare": (None, "bare created:  -> provisioning"),
        "hooli": ([("garage", "0001_initial"), ("garage", "0002_ledger")], "hooli status: provisioning -> active"),
        "vehement": ([], "vehement status: provisioning -> active"),
        "umbrella": ([], "umbrella status: provisioning -> active"),
    }
    assert listed(staff)["hooli"] == (*before["hooli"][:2], "hooli status: active -> deleting")


@rolled_back
def test_the_list_takes_as_many_statements_however_long_it_is(staff: Client, hooli: Tenant) -> None:
    """Nothing on it is asked for once for each tenant."""

    def statements() -> list[int]:
        captured = [CaptureQueriesContext(connections[db]) for db in ("default", "shard2")]
        with captured[0], captured[1]:
            staff.get(ADMIN)
        return [len(each) for each in captured]

    staff.get(ADMIN)
    few = statements()
    for number in range(5):
        Tenant.objects.create(name=f"More {number}", db=("default", "shard2")[number % 2])
    assert statements() == few


@rolled_back
def test_hosts_are_added_and_removed(staff: Client, hooli: Tenant) -> None:
    """By the functions of the commands, which log it; a host that another tenant has is said to be taken."""
    url = f"{ADMIN}{hooli.pk}/change/"
    form = {"name": "Hooli", "settings": "{}", "domains-INITIAL_FORMS": "0", "domains-TOTAL_FORMS": "1"}
    staff.post(url, {**form, "domains-0-host": "Help.Hooli.test", "domains-0-tenant": str(hooli.pk)})
    domain = Domain.objects.get()
    assert (domain.host, domain.tenant_id) == ("help.hooli.test", hooli.pk)

    form |= {"domains-INITIAL_FORMS": "1", "domains-0-id": str(domain.pk), "domains-0-DELETE": "on"}
    staff.post(url, {**form, "domains-0-tenant": str(hooli.pk)})
    assert not Domain.objects.exists()
    events = TenantEvent.objects.filter(tenant_id=str(hooli.pk), kind__startswith="domain")
    assert [(event.kind, event.actor) for event in events] == [("domain added", "root"), ("domain removed", "root")]


@rolled_back
def test_nothing_inside_a_tenant(hooli: Tenant) -> None:
    """A tenant's own superuser neither sees nor reaches the registry, whatever address they type."""
    with tenant_context(hooli):
        boss = User.objects.create_superuser("boss", password="x")
        client = Client(headers={"host": "hooli.saas.test"})
        client.force_login(boss)
    index = client.get("/admin/").content.decode()
    assert ("Users" in index, "Tenants" in index) == (True, False)
    pages = (
        "",
        "add/",
        f"{hooli.pk}/change/",
        f"{hooli.pk}/history/",
        f"{hooli.pk}/progress/",
        f"{hooli.pk}/progress.json",
    )
    assert [client.get(ADMIN + page).status_code for page in pages] == [403] * 6
    assert client.post(f"{ADMIN}{hooli.pk}/progress/").status_code == 403
    assert client.post(ADMIN, {"action": "resume", "_selected_action": [hooli.pk]}).status_code == 403


@rolled_back
def test_permissions_of_the_registry_are_none_of_a_tenant(hooli: Tenant) -> None:
    """Nobody inside a tenant can be given a right to the registry: there is none to choose."""
    with tenant_context(hooli):
        labels = set(Permission.objects.values_list("content_type__app_label", flat=True))
    assert ("tenancy" in labels, "garage" in labels) == (False, True)


@rolled_back
def test_staff_is_nobody_inside_a_tenant(staff: Client) -> None:
    """The platform's session opens no tenant's admin."""
    assert staff.get("/admin/", headers={"host": "hooli.saas.test"}).status_code == 302


@rolled_back
def test_who_may_only_look_tries_nothing_again(tenants: Any, hooli: Tenant) -> None:
    """Staff with the right to view sees how far a tenant is, and may not begin anew."""
    viewer = User.objects.create_user("viewer", password="x", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_tenant"))
    client = Client(headers={"host": "saas.test"})
    client.force_login(viewer)
    url = f"{ADMIN}{hooli.pk}/progress/"
    assert (client.get(url).status_code, client.post(url).status_code) == (200, 403)
    assert client.get(f"{ADMIN}{hooli.pk}/change/").status_code == 200


@pytest.fixture
def committed_staff(tenants: Any, committed: None) -> Iterator[Client]:
    client = Client(headers={"host": "saas.test"})
    user = User.objects.create_superuser("root", password="x")
    client.force_login(user)
    yield client
    user.delete()


def added(staff: Client, name: str) -> tuple[Tenant, str]:
    """Send the form for a new tenant, and return it and where it can be watched."""
    response = staff.post(f"{ADMIN}add/", {"name": name, "db": "default", "settings": "{}"})
    tenant = Tenant.objects.get(name=name)
    assert response["Location"] == f"{ADMIN}{tenant.pk}/progress/"
    return tenant, f"{ADMIN}{tenant.pk}/progress"


def watched(staff: Client, url: str) -> dict[str, Any]:
    """Ask until there is nothing to wait for."""
    deadline = monotonic() + 30
    while monotonic() < deadline:
        answer: dict[str, Any] = json.loads(staff.get(f"{url}.json").content)
        if not answer["under_way"]:
            return answer
        sleep(0.05)
    raise AssertionError("it does not end")


def ended() -> None:
    """Wait for the threads, which write a last time once all is done."""
    for thread in enumerate_threads():
        if thread.name.startswith("provision "):
            thread.join(30)


def away(tenant: Tenant) -> None:
    tenant.refresh_from_db()
    lifecycle.delete(tenant)
    lifecycle.purge(tenant)


def test_a_new_tenant_is_made_in_the_background(committed_staff: Client) -> None:
    """The form's answer does not wait; who asks learns when it is done, and the log says who did it."""
    tenant, url = added(committed_staff, "Pied Piper")
    seen = watched(committed_staff, url)
    tenant.refresh_from_db()

    assert (seen["status"], set(seen["steps"].values()), tenant.status) == ("active", {"done"}, "active")
    assert schema_exists("default", "pied-piper")
    ended()
    tenant.refresh_from_db()
    assert tenant.work is None
    events = TenantEvent.objects.filter(tenant_id=str(tenant.pk))
    assert [(event.kind, event.new, event.actor) for event in events] == [
        ("created", "provisioning", "root"),
        ("status", "active", "root"),
    ]
    away(tenant)


def test_progress_goes_with_the_migrations(
    committed_staff: Client, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where they run one by one, each is told as it begins and once it is done, in the tenant's row."""
    settings.TENANCY = {**settings.TENANCY, "BLUEPRINT": False}
    write, rows = watching._write, []

    def spy(tenant: Tenant, work: Any) -> None:
        write(tenant, work)
        rows.append(progress_of(Tenant.objects.get(pk=tenant.pk)))

    monkeypatch.setattr(watching, "_write", spy)
    tenant, url = added(committed_staff, "Pied Piper")
    names = list(watched(committed_staff, url)["steps"])
    ended()
    # The last may be told when the tenant is active already.
    told = [(row.done, dict(row.steps)) for row in rows if row.status == "provisioning"]
    assert len(told) > 6
    for number, name in enumerate(names[: (len(told) - 1) // 2]):
        (before, _), (_, during), (after, behind) = told[2 * number : 2 * number + 3]
        assert (before, during[name], after, behind[name]) == (number, "running", number + 1, "done")
    away(tenant)


def test_what_fails_is_shown_and_tried_again(committed_staff: Client) -> None:
    """A schema that is in the way is the reason; once it is gone a POST makes the tenant. A second one does no harm."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA blocked")
    tenant, url = added(committed_staff, "Blocked")
    failed = watched(committed_staff, url)
    page = committed_staff.get(f"{url}/").content.decode()
    with connection.cursor() as cursor:
        cursor.execute("DROP SCHEMA blocked")
    for _ in range(2):
        committed_staff.post(f"{url}/")
    done = watched(committed_staff, url)

    assert (failed["status"], "was not made by django_schemas" in failed["reason"]) == ("failed", True)
    assert "was not made by django_schemas" in page
    assert (done["status"], done["reason"]) == ("active", "")
    ended()
    away(tenant)


def test_what_was_cut_off_is_said_to_be(committed_staff: Client) -> None:
    """A tenant that nobody works on any more is no longer waited for, and `resume_work` goes on with it."""
    with postponed():
        tenant = Tenant.objects.create(name="Cut Off", db="default")
    work = {"kind": "provision", "done": ["contenttypes.0001_initial"], "running": "auth.0001_initial"}
    Tenant.objects.filter(pk=tenant.pk).update(work=work)
    tenant.refresh_from_db()
    fresh = progress_of(tenant)
    Tenant.objects.filter(pk=tenant.pk).update(updated_at="2020-01-01T00:00Z")
    tenant.refresh_from_db()
    stale = progress_of(tenant)

    assert (fresh.under_way, fresh.cut_off, stale.under_way, stale.cut_off) == (True, False, False, True)
    assert dict(fresh.steps)["auth.0001_initial"] == "running"
    assert isinstance(fresh, Progress)
    assert fresh.done == 1
    assert lifecycle.resume_work(tenant) == "provisioned"
    tenant.refresh_from_db()
    assert (tenant.status, tenant.work) == ("active", None)
    away(tenant)


def test_a_tenant_is_exported(committed_staff: Client) -> None:
    """The download is an archive, as the command writes it. Two at a time are refused."""
    tenant = Tenant.objects.get(slug="hooli")
    selected = {"action": "export", "_selected_action": [tenant.pk]}
    answer = committed_staff.post(ADMIN, selected)
    archive = b"".join(answer.streaming_content)

    assert answer["Content-Disposition"] == 'attachment; filename="hooli.tenant"'
    assert archive.startswith(b"PK")
    other = Tenant.objects.get(slug="vehement")
    refused = committed_staff.post(ADMIN, {**selected, "_selected_action": [tenant.pk, other.pk]}, follow=True)
    assert "One tenant is exported at a time." in refused.content.decode()
