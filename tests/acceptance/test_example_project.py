"""The example project over HTTP: a real server in a process of its own, on databases of its own."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from itertools import chain
from threading import Event, Thread

import environ
import httpx
import psutil
import pytest

from example_project.accounts import PASSWORD, STAFF, owner_of
from example_project.demo.databases import fresh
from example_project.demo.server import ROOT, Server, manage, serving
from example_project.demo.statements import complaints, read
from example_project.demo.tour import API, key_headers, tour
from example_project.demo.visitor import Visitor
from tests.acceptance.streaming import Streamer, streaming
from tools import postgres

SETTINGS = "tests.acceptance.settings"
BASE = "localhost"
SET_UP = """
from django.contrib.auth.models import User
from tenancy import lifecycle
from tenancy.models import Tenant
from example_project.accounts import PASSWORD, STAFF
from example_project.seed import seed
for slug, db in (("acme", "default"), ("globex", "default"), ("initech", "shard2")):
    seed(Tenant.objects.create(name=slug.title(), slug=slug, db=db))
lifecycle.suspend(Tenant.objects.create(name="Hooli", slug="hooli"))
Tenant.objects.filter(pk=Tenant.objects.create(name="Pied Piper", slug="piper").pk).update(status="provisioning")
User.objects.create_superuser(STAFF, password=PASSWORD)
"""
PAGES = (
    "/",
    "/tickets/",
    "/tickets/new/",
    "/tickets/1/",
    "/tickets/1/edit/",
    "/customers/",
    "/customers/new/",
    "/customers/1/",
    "/customers/1/edit/",
)


@dataclass(frozen=True)
class Site:
    """The server, and a key of each tenant's JSON endpoint."""

    server: Server
    keys: dict[str, str]

    def visitor(self, subdomain: str = "") -> Visitor:
        return Visitor(self.server.port, f"{subdomain}.{BASE}" if subdomain else BASE)

    def owner(self, slug: str) -> Visitor:
        visitor = self.visitor(slug)
        visitor.log_in(owner_of(slug), PASSWORD)
        return visitor

    def staff(self) -> Visitor:
        visitor = self.visitor()
        entered = {"username": STAFF, "password": PASSWORD}
        visitor.submit("log in", "/admin/login/?next=/admin/", entered)
        return visitor


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for variable, url in stack.enter_context(fresh(postgres.ensure(), "harbor_desk_test")).items():
            patch.setenv(variable, url)
        patch.setenv("DEBUG", "0")
        patch.setenv("CACHE_TTL_S", "600")
        manage(SETTINGS, "migrate", "--verbosity=0")
        manage(SETTINGS, "shell", "--verbosity=0", "--command", SET_UP)
        keys = {slug: manage(SETTINGS, "tenant", "run", slug, "--", "api_key", "test") for slug in ("acme", "globex")}
        yield Site(stack.enter_context(serving(SETTINGS, tmp_path_factory.mktemp("site"))), keys)


@pytest.fixture(scope="module")
def streamer(site: Site) -> Iterator[Streamer]:
    with streaming(SETTINGS) as streamer:
        yield streamer


@pytest.mark.parametrize("slug", ["acme", "globex"])
def test_a_tenant_sees_its_own_rows_and_no_others(site: Site, slug: str) -> None:
    """Every kind of page, and every page of the lists, holds words of this tenant and none of its neighbours."""
    seen = tour(site.server.port, BASE, slug, PASSWORD, site.keys[slug])

    assert len(seen.tickets) == seen.found_by_api > 30
    assert len(seen.customers) > 10
    shown = " ".join(visit.body for visit in seen.visits)
    assert {"acme", "globex", "initech"}.intersection(re.findall(r"acme|globex|initech", shown)) == {slug}


def test_statements_name_the_schema_of_each_table_and_set_nothing(site: Site) -> None:
    """No request leaves state on its connection, and none relies on any."""
    seen = tour(site.server.port, BASE, "acme", PASSWORD, site.keys["acme"])

    sent = read(site.server.statement_log)
    statements = [sql for visit in seen.visits for sql in sent[visit.request_id]]
    tables = {"auth_user", "django_session", "helpdesk_ticket", "helpdesk_customer", "tenancy_tenant"}
    assert len(statements) > 50
    assert complaints(statements, tables, {"acme", "registry"}) == []


@pytest.mark.parametrize("path", PAGES)
def test_every_page_asks_to_log_in(site: Site, path: str) -> None:
    """Nothing of a help desk is shown to somebody who is not logged in."""
    assert site.visitor("acme").get("anonymous", path, 302).location.startswith("/login/")


def test_a_session_of_one_tenant_is_none_at_another(site: Site) -> None:
    """A cookie is a key to the sessions of one schema: elsewhere it leads to the log-in page."""
    owner = site.owner("acme")

    for subdomain, path in (("globex", "/"), ("initech", "/"), ("", "/admin/")):
        elsewhere = site.visitor(subdomain)
        elsewhere.client.cookies.update(owner.client.cookies)
        assert "/login/" in elsewhere.get("replayed", path, 302).location


def test_accounts_of_one_tenant_are_unknown_at_another(site: Site) -> None:
    """The password of one tenant's owner opens neither another tenant nor the platform's admin."""
    entered = {"username": owner_of("acme"), "password": PASSWORD}

    site.visitor("globex").submit("log in", "/login/", entered, expect=200)
    site.visitor().submit("log in", "/admin/login/", entered, expect=200)


def test_rows_of_another_tenant_are_not_at_their_address(site: Site) -> None:
    """A new row's address leads to nothing, or to another row, at the neighbour's."""
    acme, globex = site.owner("acme"), site.owner("globex")
    entered = {"name": "Witness of acme", "email": "witness@acme-customers.test", "company": ""}

    made = acme.submit("new customer", "/customers/new/", entered).location

    assert "Witness of acme" in acme.get("customer", made).body
    answer = globex.client.get(made)
    assert "Witness of acme" not in answer.text
    assert "Witness of acme" not in globex.get("search", "/customers/?q=witness").body


def test_a_ticket_goes_through_its_life(site: Site) -> None:
    """A customer asks, somebody answers and solves it, and the numbers on the dashboard follow."""
    owner = site.owner("initech")
    customer = {"name": "Ida Marsh", "email": "ida@marsh.test", "company": "Marsh"}
    customer_pk = owner.submit("customer", "/customers/new/", customer).location.split("/")[2]
    asked = {
        "customer": customer_pk,
        "subject": "Where is <my> order?",
        "description": "It is late.",
        "status": "open",
        "priority": "4",
    }

    before = solved(owner)
    ticket = owner.submit("ticket", "/tickets/new/", asked).location
    owner.submit("reply", ticket, {"body": "On its way.", "status": "solved"})
    shown = owner.client.get(ticket).text

    assert "Where is &lt;my&gt; order?" in shown
    assert "On its way." in shown
    assert "badge-solved" in shown
    assert solved(owner) == before + 1
    assert "Where is <my> order?" in owner.get("search", "/tickets/?q=ida+order").body


def solved(owner: Visitor) -> int:
    """Return the number that the dashboard shows."""
    found = re.search(r"stat-solved[^>]*><strong>(\d+)", owner.get("dashboard", "/").body)
    assert found
    return int(found[1])


class Stream(Thread):
    """Somebody's stream of events, which is read until a moment passes without any.

    Attributes:
        events: how many said that something changed.
    """

    def __init__(self, port: int, slug: str, cookies: httpx.Cookies) -> None:
        super().__init__()
        self.events = 0
        self.listens = Event()
        self._cookie = {"Cookie": f"sessionid={cookies['sessionid']}", "Host": f"{slug}.{BASE}"}
        self._url = f"http://127.0.0.1:{port}/live/"

    def run(self) -> None:
        with (
            suppress(httpx.ReadTimeout),
            httpx.stream("GET", self._url, headers=self._cookie, timeout=httpx.Timeout(30, read=5)) as response,
        ):
            for line in response.iter_lines():
                self.listens.set()
                self.events += line.startswith("data:")


def connections_of(streamer: Streamer) -> int:
    """How many connections a server has to PostgreSQL."""
    port = environ.Env.db_url_config(os.environ["DATABASE_URL"])["PORT"]
    open_ones = psutil.Process(streamer.pid).net_connections("tcp")
    return sum(bool(each.raddr) and each.raddr.port == port and each.status == "ESTABLISHED" for each in open_ones)


@pytest.mark.slow
def test_streams_tell_of_their_own_desk(site: Site, streamer: Streamer) -> None:
    """However many streams are open, one connection listens at each database; a change is told to each stream of its
    own desk, and to no other. Behind clients that go away nothing is left.
    """
    owners = {slug: site.owner(slug) for slug in ("acme", "globex", "initech")}
    streams = {
        slug: [Stream(streamer.port, slug, owner.client.cookies) for _ in range(10)] for slug, owner in owners.items()
    }
    for each in chain(*streams.values()):
        each.start()
    assert all(each.listens.wait(20) for each in chain(*streams.values()))
    time.sleep(1)
    assert connections_of(streamer) <= 4
    # Who comes first is told that something may have changed before.
    for each in chain(*streams.values()):
        each.events = 0

    owners["acme"].submit("reply", "/tickets/1/", {"body": "Told to acme.", "status": "pending"})

    for each in chain(*streams.values()):
        each.join()
    assert {slug: {each.events for each in some} for slug, some in streams.items()} == {
        "acme": {1},
        "globex": {0},
        "initech": {0},
    }
    deadline = time.monotonic() + 10
    while (left := connections_of(streamer)) > 1:
        assert time.monotonic() < deadline, f"{left} connections are left"
        time.sleep(0.1)


def test_streams_are_for_who_is_logged_in(site: Site, streamer: Streamer) -> None:
    """Nobody else hears of anything, whoever they are elsewhere; a server with threads ends the stream at once."""
    owner = site.owner("acme")
    cookie = f"sessionid={owner.client.cookies['sessionid']}"
    for slug, cookies in (("acme", ""), ("globex", cookie), ("initech", cookie)):
        headers = {"Host": f"{slug}.{BASE}", "Cookie": cookies}
        assert httpx.get(f"http://127.0.0.1:{streamer.port}/live/", headers=headers).status_code == 403
    assert owner.get("stream", "/live/", 204).body == ""


def test_json_is_for_a_key_of_the_tenant(site: Site) -> None:
    """A key opens the endpoint of its own tenant, by host or by header, and nothing else does."""
    key = {"Authorization": f"Bearer {site.keys['acme']}"}

    for visitor, headers in ((site.visitor("acme"), key), (site.visitor(), key_headers("acme", site.keys["acme"]))):
        tickets = json.loads(visitor.client.get(API, headers=headers).text)["tickets"]
        assert all("acme-" in ticket["subject"] for ticket in tickets)
        assert tickets
    for visitor, headers, status in (
        (site.visitor("acme"), {}, 401),
        (site.visitor("globex"), key, 401),
        (site.visitor("globex"), key_headers("acme", site.keys["acme"]), 401),
        (site.visitor(), key, 404),
        (site.visitor(), {"X-Tenant": "acme"}, 404),
        (site.visitor(), key_headers("globex", site.keys["acme"]), 404),
        (site.visitor(), key_headers("hooli", site.keys["acme"]), 404),
        (site.visitor(), key_headers("nobody", site.keys["acme"]), 404),
    ):
        assert visitor.client.get(API, headers=headers).status_code == status


@pytest.mark.parametrize(
    ("subdomain", "status", "words"),
    [
        ("nobody", 404, "No help desk here"),
        ("www", 404, "No help desk here"),
        ("a.acme", 404, "No help desk here"),
        ("hooli", 403, "This help desk is paused"),
        ("piper", 503, "Back in a moment"),
    ],
)
def test_hosts_that_are_not_served_say_why(site: Site, subdomain: str, status: int, words: str) -> None:
    """An unknown host, a suspended tenant and one that is being made get a page of their own."""
    assert words in site.visitor(subdomain).get("refused", "/tickets/", status).body


def test_sign_up_makes_a_tenant_at_once(site: Site) -> None:
    """The form leads to the log-in page of a new tenant, which is empty and somebody's own."""
    entered = {"company": "Fresh Fish", "subdomain": "Fresh", "email": "Ida@fresh.test", "password": "anchor-and-9"}

    done = site.visitor().submit("sign-up", "/signup/", entered)

    assert done.location == f"http://fresh.{BASE}:{site.server.port}/login/?new"
    owner = site.visitor("fresh")
    owner.log_in("ida@fresh.test", "anchor-and-9")
    assert "A quiet harbour" in owner.get("dashboard", "/").body
    assert "Back office" in owner.get("back office", "/admin/").body


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"subdomain": "acme"}, "This address is taken"),
        ({"subdomain": "hooli"}, "This address is taken"),
        ({"subdomain": "www"}, "reserved"),
        ({"subdomain": "-no-"}, "Use lower-case letters"),
        ({"subdomain": "with.dot"}, "Use lower-case letters"),
        ({"email": "nobody"}, "Enter a valid email address"),
        ({"password": "password"}, "too common"),
        ({"company": ""}, "This field is required"),
    ],
)
def test_sign_up_says_what_is_wrong(site: Site, changed: dict[str, str], words: str) -> None:
    """What can't be used is said beside the form, and makes nothing."""
    entered = {"company": "Late", "subdomain": "late", "email": "ida@late.test", "password": "anchor-and-9"}

    assert words in site.visitor().submit("sign-up", "/signup/", entered | changed, expect=200).body

    site.visitor("late").get("not made", "/", 404)


def test_each_admin_shows_its_own_models_only(site: Site) -> None:
    """A tenant's back office has the help desk's models, the platform's admin the registry, neither the other's."""
    tenants, platforms = sections(site.owner("acme")), sections(site.staff())

    assert tenants == {
        *("auth/group", "auth/user"),
        *(f"helpdesk/{name}" for name in ("apikey", "comment", "customer", "tag", "ticket")),
    }
    assert platforms == {"auth/group", "auth/user", "tenancy/tenant"}


def sections(visitor: Visitor) -> set[str]:
    """Return the models that an admin lists, having opened the list and the form of each."""
    found = set(re.findall(r'href="/admin/(\w+/\w+)/"', visitor.get("admin", "/admin/").body))
    for section in found:
        shown = visitor.get(section, f"/admin/{section}/").body
        visitor.get(section, f"/admin/{section}/add/")
        row = re.search(rf'href="(/admin/{section}/[\w-]+/change/)', shown)
        if row:
            visitor.get(section, row[1])
    return found


def test_the_admin_logs_and_lists_within_its_tenant(site: Site) -> None:
    """What is changed in a back office is in that tenant's own log, and users are the tenant's own."""
    owner = site.owner("acme")

    owner.submit("add", "/admin/helpdesk/tag/add/", {"name": "acme-urgent"})

    assert "acme-urgent" in owner.get("log", "/admin/").body
    assert "acme-urgent" not in site.owner("globex").get("log", "/admin/").body
    assert "acme-urgent" not in site.staff().get("log", "/admin/").body
    users = site.staff().get("users", "/admin/auth/user/").body
    assert STAFF in users
    assert owner_of("acme") not in users


def test_a_key_is_shown_once(site: Site) -> None:
    """The back office shows a new key after saving and keeps only its digest."""
    owner = site.owner("globex")

    owner.submit("new key", "/admin/helpdesk/apikey/add/", {"name": "partner"})
    first, second = (owner.get("keys", "/admin/helpdesk/apikey/").body for _ in range(2))
    secret = re.search(r"not shown again: ([\w-]+)", first)

    assert secret
    assert secret[1] not in second
    headers = {"Authorization": f"Bearer {secret[1]}"}
    assert site.visitor("globex").client.get(API, headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("sql", "wrong"),
    [
        ('SELECT "t"."id" FROM "acme"."t" INNER JOIN "acme"."u" ON ("t"."u" = "u"."id")', 0),
        ('SELECT 1 FROM "acme"."t" WHERE "t"."id" IN (SELECT "u"."t" FROM "u")', 1),
        ('UPDATE "t" SET "a" = 1', 1),
        ('INSERT INTO "globex"."t" ("a") VALUES (1)', 1),
        ("SET search_path = acme", 1),
        ("SELECT set_config('search_path', 'acme', true)", 1),
    ],
)
def test_the_judge_of_statements_sees_what_is_wrong(sql: str, wrong: int) -> None:
    """A table without a schema, or in a foreign one, and anything that is set, is complained of."""
    assert len(complaints([sql], {"t", "u"}, {"acme"})) == wrong


@pytest.mark.slow
def test_the_demonstration_succeeds() -> None:
    """`python -m example_project.demo` ends well, and prints a line for each tenant."""
    command = [sys.executable, "-m", "example_project.demo"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)

    assert done.returncode == 0, done.stdout + done.stderr
    assert re.findall(r"(?m)^ *(acme|globex|initech) .* 0 *$", done.stdout) == ["acme", "globex", "initech"]
