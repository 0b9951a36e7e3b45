"""The example project in a real browser: what customers and the platform's staff click through."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from example_project.accounts import DOMAINS, IN_THE_MAKING, PASSWORD, PAUSED, STAFF, owner_of
from example_project.demo.databases import fresh
from example_project.demo.server import manage, serving
from tests.acceptance.browser import Person, chromium, missing
from tests.acceptance.streaming import streaming
from tools import postgres

pytestmark = pytest.mark.skipif(bool(missing()) and not os.environ.get("CI"), reason=missing())

SETTINGS = "tests.acceptance.settings"
SET_UP = """
from example_project.accounts import STAFF
from example_project.seed import make_staff, make_tenants
make_staff(STAFF)
make_tenants()
"""
RUN_SQL = """
from django.db import connection
with connection.cursor() as cursor:
    cursor.execute({sql!r})
"""
SLOW_TABLES = """
CREATE FUNCTION public.dawdle() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.2); END $$;
CREATE EVENT TRIGGER dawdle ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION public.dawdle();
"""
USUAL_TABLES = "DROP EVENT TRIGGER dawdle; DROP FUNCTION public.dawdle();"
TENANTS = "/admin/tenancy/tenant/"


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of gunicorn, which serves the project on databases of its own."""
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for variable, url in stack.enter_context(fresh(postgres.ensure(), "harbor_desk_browser")).items():
            patch.setenv(variable, url)
        patch.setenv("DEBUG", "0")
        patch.setenv("CACHE_TTL_S", "0.2")
        manage(SETTINGS, "migrate", "--verbosity=0")
        manage(SETTINGS, "shell", "--verbosity=0", "--command", SET_UP)
        yield stack.enter_context(serving(SETTINGS, tmp_path_factory.mktemp("site"))).port


@pytest.fixture(scope="module")
def live_port(port: int) -> Iterator[int]:
    """The port of uvicorn, which serves the same, and streams."""
    with streaming(SETTINGS) as streamer:
        yield streamer.port


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def person(browser: Any, port: int) -> Iterator[Callable[..., Person]]:
    """Makes people, each with a browser profile of their own, whose browsers must have nothing to complain of."""
    people: list[Person] = []

    def make(port: int = port) -> Person:
        people.append(Person(browser, port))
        return people[-1]

    yield make
    for each in people:
        each.context.close()
    assert [complaint for each in people for complaint in each.complaints] == []


@pytest.fixture
def visitor(person: Callable[[], Person]) -> Person:
    return person()


@pytest.fixture
def staff(person: Callable[[], Person]) -> Person:
    """Somebody of the platform's staff, logged in."""
    somebody = person()
    somebody.log_in("", STAFF, PASSWORD)
    return somebody


def sign_up(visitor: Person, company: str, email: str) -> str:
    """Open a help desk, and return its address."""
    visitor.go("", "/signup/?plan=Ketch")
    visitor.page.get_by_label("Company name").fill(company)
    visitor.page.get_by_label("Your e-mail").fill(email)
    visitor.page.get_by_label("Password").fill("anchor-and-9")
    subdomain = visitor.page.get_by_label("Address").input_value()
    visitor.press(visitor.page.get_by_role("button", name="Open it"))
    visitor.page.wait_for_url(visitor.url(subdomain, "/login/?new"))
    return subdomain


def test_from_sign_up_to_the_first_ticket(visitor: Person) -> None:
    """A company opens its help desk, logs in there, and has its first question, in a few clicks."""
    page = visitor.page
    visitor.go("")
    visitor.look("landing")
    visitor.press(page.get_by_role("link", name="Start with Ketch"))
    visitor.look("signup")

    assert sign_up(visitor, "Fresh Fish", "ida@fresh.test") == "fresh-fish"
    visitor.look("login-new")
    page.get_by_label("E-mail").fill("ida@fresh.test")
    page.get_by_label("Password").fill("anchor-and-9")
    visitor.press(page.get_by_role("button", name="Log in"))
    visitor.look("dashboard-empty")
    page.locator(".menu summary").click()
    visitor.look("menu")
    assert "Ketch" in page.locator(".menu-list").inner_text()
    visitor.press(page.get_by_role("link", name="Add a customer"))
    page.get_by_label("Name").fill("Ada Lindqvist")
    page.get_by_label("E-mail").fill("ada@lindqvist.test")
    visitor.look("customer-form")
    visitor.press(page.locator("main [type=submit]"))
    visitor.go("fresh-fish", "/tickets/new/")
    page.get_by_label("Customer").select_option(label="Ada Lindqvist")
    page.get_by_label("Subject").fill("The parcel arrived empty")
    page.get_by_label("Description").fill("There was only air in it.")
    visitor.look("ticket-form")
    visitor.press(page.locator("main [type=submit]"))

    assert page.get_by_role("heading", name="The parcel arrived empty").is_visible()
    visitor.look("ticket")
    visitor.go("fresh-fish")
    assert page.locator(".stat-open strong").inner_text() == "1"
    visitor.look("dashboard-first")


@pytest.mark.slow
def test_two_tenants_in_two_tabs(visitor: Person) -> None:
    """One browser is logged in at two help desks at once, and each tab goes on showing its own."""
    acme, globex = visitor.page, visitor.new_tab()
    visitor.log_in("acme", owner_of("acme"), PASSWORD, acme)
    visitor.log_in("globex", owner_of("globex"), PASSWORD, globex)

    for page, host, own, other in ((acme, "acme", "acme-", "globex-"), (globex, "globex", "globex-", "acme-")):
        for path in ("/", "/tickets/", "/customers/"):
            visitor.go(host, path, page)
        shown = page.content()
        assert (own in shown, other in shown) == (True, False)
    visitor.look("tickets", acme)
    assert [page.locator("html").get_attribute("data-accent") for page in (acme, globex)] == ["violet", "amber"]


def ask_something(somebody: Person, host: str, subject: str, page: Any = None) -> None:
    """Write down what somebody's first customer asks."""
    page = page or somebody.page
    somebody.go(host, "/tickets/new/", page)
    page.get_by_label("Customer").select_option(index=1)
    page.get_by_label("Subject").fill(subject)
    page.get_by_label("Description").fill("As I said.")
    somebody.press(page.locator("main [type=submit]"))
    page.get_by_role("heading", name=subject).wait_for()


@pytest.mark.slow
def test_new_tickets_appear(person: Callable[..., Person], live_port: int) -> None:
    """A ticket that is made in one tab appears in the others of its help desk, and in no other's; tabs of a help desk
    that is suspended say so.
    """
    acme, globex = person(live_port), person(live_port)
    acme.log_in("acme", owner_of("acme"), PASSWORD)
    globex.log_in("globex", owner_of("globex"), PASSWORD)
    making, dashboard = acme.new_tab(), acme.new_tab()
    acme.go("acme", "/tickets/")
    acme.go("acme", "/", dashboard)
    globex.go("globex", "/tickets/")
    counts = [int(page.locator("#count").inner_text()) for page in (acme.page, globex.page)]
    opened = int(dashboard.locator(".stat-open strong").inner_text())
    acme.page.get_by_label("Search").fill("what is typed stays")

    ask_something(acme, "acme", "Said by acme just now", making)

    fresh = acme.page.locator("#list tr.fresh")
    fresh.filter(has_text="Said by acme just now").wait_for()
    dashboard.locator(".stat-open strong", has_text=str(opened + 1)).wait_for()
    assert (fresh.count(), int(acme.page.locator("#count").inner_text())) == (1, counts[0] + 1)
    assert acme.page.get_by_label("Search").input_value() == "what is typed stays"
    acme.look("tickets-live")
    acme.look("dashboard-live", dashboard)
    ask_something(globex, "globex", "Said by globex just now", globex.new_tab())
    globex.page.locator("#list tr.fresh").filter(has_text="Said by globex just now").wait_for()
    assert int(globex.page.locator("#count").inner_text()) == counts[1] + 1
    assert "acme just now" not in globex.page.content()
    assert "globex just now" not in acme.page.content()

    manage(SETTINGS, "tenant", "suspend", "acme")
    try:
        for page in (acme.page, dashboard):
            page.get_by_role("heading", name="This help desk is paused").wait_for()
        acme.complaints.clear()  # Of the refusals.
        assert globex.page.locator("#list").is_visible()
    finally:
        manage(SETTINGS, "tenant", "resume", "acme")


@pytest.mark.slow
def test_new_tickets_appear_later_without_a_stream(visitor: Person) -> None:
    """A server with threads does not stream: then a page asks now and then."""
    visitor.log_in("globex", owner_of("globex"), PASSWORD)
    shown, making = visitor.new_tab(), visitor.new_tab()
    shown.clock.install()
    with shown.expect_response("**/live/") as answered:
        visitor.go("globex", "/tickets/", shown)
    assert answered.value.status == 204

    ask_something(visitor, "globex", "Who hears me?", making)

    shown.wait_for_timeout(500)
    assert "Who hears me?" not in shown.content()
    shown.clock.fast_forward(16_000)
    shown.locator("#list tr.fresh").filter(has_text="Who hears me?").wait_for()


def test_a_session_is_refused_by_another_tenant(visitor: Person) -> None:
    """A cookie that is copied from one help desk to another opens nothing there, nor at the platform's admin."""
    visitor.log_in("acme", owner_of("acme"), PASSWORD)
    (session,) = (cookie for cookie in visitor.context.cookies() if cookie["name"] == "sessionid")

    for host, path in (("globex", "/tickets/"), ("", "/admin/")):
        visitor.context.add_cookies([{**session, "domain": f"{host}.localhost" if host else "localhost"}])
        visitor.go(host, path)
        assert "/login/" in visitor.page.url
    visitor.go("acme", "/tickets/")
    assert visitor.page.url == visitor.url("acme", "/tickets/")


def test_a_domain_of_its_own(visitor: Person) -> None:
    """A tenant is reached by a host of its own as well."""
    visitor.go(DOMAINS["globex"].removesuffix(".localhost"), "/login/")
    assert visitor.page.get_by_role("heading", name="Log in to Globex Travel").is_visible()
    visitor.look("login-domain")


@pytest.mark.parametrize(
    ("host", "status", "words"),
    [
        (PAUSED, 403, "This help desk is paused"),
        (IN_THE_MAKING, 503, "Back in a moment"),
        ("nobody", 404, "No help desk here"),
    ],
)
def test_refusals_look_like_the_product(visitor: Person, host: str, status: int, words: str) -> None:
    """A suspended tenant, one that is being made and an unknown one have a page with the product's look."""
    assert visitor.go(host) == status
    assert visitor.page.get_by_role("heading", name=words).is_visible()
    assert visitor.page.locator(".mark").is_visible()
    visitor.look(f"refused-{status}")


def choose(staff: Person, slug: str, action: str) -> None:
    """Carry out an action of the list of tenants on one of them."""
    staff.go("", f"{TENANTS}?q={slug}")
    staff.page.locator(".action-select").check()
    staff.page.locator("select[name=action]").select_option(label=action)
    staff.press(staff.page.get_by_role("button", name="Go", exact=True))


@pytest.mark.slow
def test_suspend_in_the_admin(staff: Person, visitor: Person) -> None:
    """The staff suspends a tenant for a reason and resumes it; its people see the page for that, and then their own."""
    sign_up(visitor, "Slow Payer", "ida@slow.test")
    staff.go("", TENANTS)
    staff.look("admin-tenants")
    table = staff.page.locator("#changelist-form .results")
    assert table.evaluate("table => table.scrollWidth - table.clientWidth") <= 0

    choose(staff, "slow-payer", "Suspend")
    staff.page.get_by_label("Reason").fill("The bill of March is not paid")
    staff.look("admin-suspend")
    staff.press(staff.page.get_by_role("button", name="Suspend"))
    staff.page.get_by_text("Slow Payer was suspended.").wait_for()
    visitor.page.wait_for_timeout(300)
    assert visitor.go("slow-payer", "/login/") == 403
    staff.press(staff.page.get_by_role("link", name="Slow Payer"))
    staff.look("admin-tenant")
    row = staff.page.locator(".tenant-events tbody tr").first.inner_text()
    assert ("active → suspended" in row, STAFF in row, "The bill of March" in row) == (True, True, True)

    choose(staff, "slow-payer", "Resume")
    staff.page.get_by_text("Slow Payer was resumed.").wait_for()
    visitor.page.wait_for_timeout(300)
    assert visitor.go("slow-payer", "/login/") == 200


@pytest.mark.slow
def test_delete_and_restore_in_the_admin(staff: Person, visitor: Person) -> None:
    """Deleting shows what there is to lose and wants the slug typed; restoring brings everything back."""
    sign_up(visitor, "Short Lived", "ida@short.test")
    visitor.log_in("short-lived", "ida@short.test", "anchor-and-9")
    choose(staff, "short-lived", "Delete (can be restored)")
    shown = staff.page.locator(".tenant-facts").inner_text()
    assert ("Short Lived" in shown, "short-lived" in shown, "rows" in shown) == (True, True, True)
    staff.page.get_by_label("Type the slug of Short Lived").fill("short")
    staff.press(staff.page.get_by_role("button", name="Delete"))
    assert staff.page.get_by_text("That is not the slug of Short Lived").is_visible()
    staff.look("admin-delete-mistyped")
    assert visitor.go("short-lived") == 200

    staff.page.get_by_label("Type the slug of Short Lived").fill("short-lived")
    staff.press(staff.page.get_by_role("button", name="Delete"))
    staff.page.get_by_text("Short Lived was deleted.").wait_for()
    staff.look("admin-deleted")
    visitor.page.wait_for_timeout(300)
    assert visitor.go("short-lived") == 404

    choose(staff, "short-lived", "Restore")
    staff.page.get_by_text("Short Lived was restored.").wait_for()
    visitor.page.wait_for_timeout(300)
    assert visitor.go("short-lived", "/tickets/") == 200
    assert visitor.page.url == visitor.url("short-lived", "/tickets/")


def run_sql(sql: str) -> None:
    """Send SQL to the first database, from a process of its own."""
    manage(SETTINGS, "shell", "--verbosity=0", "--command", RUN_SQL.format(sql=sql))


def create(staff: Person, name: str) -> None:
    """Fill in and send the form for a new tenant in the first database."""
    staff.go("", f"{TENANTS}add/")
    staff.page.locator("[name=name]").fill(name)
    staff.page.locator("[name=db]").select_option("default")
    staff.look("admin-add")
    staff.press(staff.page.locator("[name=_save]"))
    staff.page.wait_for_url("**/progress/")


@pytest.mark.slow
def test_create_in_the_admin_with_live_progress(staff: Person, visitor: Person) -> None:
    """The page shows how far a new tenant's migrations are, through a reload, until it is served."""
    page = staff.page
    done, running = page.locator(".tenant-steps .step-done"), page.locator(".tenant-steps .step-running")
    served = page.get_by_text("It is served now.")
    run_sql(SLOW_TABLES)
    try:
        create(staff, "Made by Staff")
        seen = []
        for _ in range(2):
            running.wait_for()
            seen.append((done.count(), running.count()))
            page.reload()
        staff.look("admin-progress")
        served.wait_for()
    finally:
        run_sql(USUAL_TABLES)

    total = page.locator(".tenant-steps li").count()
    # A blueprint's script runs as a whole.
    assert seen == [(0, 1), (0, 1)]
    assert (done.count(), running.count()) == (total, 0)
    assert total > 10
    staff.look("admin-progress-done")
    assert visitor.go("made-by-staff", "/login/") == 200


@pytest.mark.slow
def test_a_provisioning_that_fails_is_tried_again(staff: Person, visitor: Person) -> None:
    """A schema that is in the way is said to be; once it is gone the button makes the tenant."""
    run_sql("CREATE SCHEMA blocked")
    page = staff.page
    create(staff, "Blocked")
    again = page.get_by_role("button", name="Try again")
    again.wait_for(state="visible")
    assert "was not made by django_schemas" in page.locator("[data-reason]").inner_text()
    staff.look("admin-progress-failed")
    assert visitor.go("blocked") == 503

    run_sql("DROP SCHEMA blocked")
    again.click()
    page.get_by_text("It is served now.").wait_for()
    assert not again.is_visible()
    visitor.page.wait_for_timeout(300)
    assert visitor.go("blocked", "/login/") == 200


@pytest.mark.slow
def test_the_pages_of_the_admins(staff: Person, visitor: Person) -> None:
    """A tenant's back office lists its own models alone; its superuser finds nothing at the registry's address."""
    staff.look("admin-index")
    visitor.log_in("acme", owner_of("acme"), PASSWORD)
    visitor.go("acme", "/admin/")
    assert "Tenan" not in visitor.page.locator("#content-main").inner_text()
    visitor.look("back-office")
    for path in (TENANTS, f"{TENANTS}add/", "/admin/tenancy/"):
        assert visitor.go("acme", path) == 404
