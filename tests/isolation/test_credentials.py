"""What lets somebody in at one tenant, shown at another: at a stranger, at a clone, at what was imported from its
archive. There the users have the same keys, hashes, addresses and last logins, and the sessions of all are in each
table, so that nothing but the credential itself tells tenants apart.

Each credential is accepted where it is from, before and behind: else that it is refused elsewhere would prove nothing.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import product, zip_longest
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group, User
from django.contrib.sessions.models import Session
from django.core import mail
from django.core.cache import cache
from django.db.models import CharField, Value
from django.db.models.functions import Concat
from django.test import Client, override_settings

from django_schemas import bind
from tenancy import lifecycle, registry, tenant_context
from tenancy.conf import conf
from tenancy.models import Tenant
from tests.apps.garage.models import Badge, Car, Owner, Tag
from tests.integration.django_schemas.standby import REPLICA, catch_up

pytestmark = pytest.mark.usefixtures("committed")

ENGINES = ("db", "cache", "cached_db", "signed_cookies")
OTHERS = ("stranger", "clone", "import")
PASSWORD = make_password("sesame")


def host(tenant: Tenant) -> str:
    return f"{tenant.slug}.saas.test"


def visit(tenant: Tenant, path: str, cookies: dict[str, str] | None = None, **kwargs: Any) -> Any:
    """Ask for a page as somebody who has these cookies and no others."""
    if REPLICA in settings.DATABASES:
        # A request may be answered by it, and what was written before it is another's.
        catch_up()
    client = Client(enforce_csrf_checks="CsrfViewMiddleware" in "".join(conf.middleware))
    for name, value in (cookies or {}).items():
        client.cookies[name] = value
    data = kwargs.pop("data", None)
    headers = {"host": host(tenant), **kwargs.pop("headers", {})}
    return (client.get if data is None else client.post)(path, data, headers=headers, **kwargs)


def cookies_of(response: Any, *names: str) -> dict[str, str]:
    return {name: response.cookies[name].value for name in names}


def session(tenant: Tenant) -> dict[str, str]:
    form = {"username": "ada", "password": "sesame"}
    return cookies_of(visit(tenant, "/login/", data=form), "sessionid")


def admin_session(tenant: Tenant) -> dict[str, str]:
    form = {"username": "ada", "password": "sesame", "next": "/admin/"}
    return cookies_of(visit(tenant, "/admin/login/", data=form), "sessionid")


def form_token(tenant: Tenant) -> tuple[Tenant, dict[str, str], str]:
    """What a page of a tenant has of a form: its origin, and the cookie and the token, which it can plant."""
    response = visit(tenant, "/form/")
    names = [name for name in ("csrftoken", "sessionid") if name in response.cookies]
    return tenant, cookies_of(response, *names), response.content.decode()


def takes_form(tenant: Tenant, taken: tuple[Tenant, dict[str, str], str]) -> bool:
    page, cookies, token = taken
    headers = {"origin": f"http://{host(page)}"}
    return bool(
        visit(tenant, "/form/", cookies, data={"csrfmiddlewaretoken": token}, headers=headers).status_code == 200
    )


def takes_form_in_session(tenant: Tenant, taken: tuple[Tenant, dict[str, str], str]) -> bool:
    """As above, in the best case for the page: the origin is right."""
    return takes_form(tenant, (tenant, *taken[1:]))


def reset_link(tenant: Tenant) -> str:
    mail.outbox.clear()
    visit(tenant, "/password_reset/", data={"email": "ada@example.test"})
    (sent,) = mail.outbox
    found = re.search(r"http://[^/]+(/reset/\S+)", sent.body)
    assert found is not None
    return found[1]


def page(path: str, name: str) -> Callable[[Tenant], str]:
    """A value that a page shows, to be given back to it by this name."""
    return lambda tenant: f"{path}?{name}={visit(tenant, path).content.decode()}"


def cookie(path: str, name: str) -> Callable[[Tenant], dict[str, str]]:
    return lambda tenant: cookies_of(visit(tenant, path), name)


def let_in(path: str) -> Callable[[Tenant, dict[str, str]], bool]:
    return lambda tenant, cookies: bool(visit(tenant, path, cookies).status_code == 200)


def by_link(tenant: Tenant, path: str) -> bool:
    return bool(visit(tenant, path).status_code == 200)


@dataclass(frozen=True)
class Credential:
    """A credential: how it is got at a tenant, whether it is accepted at one, and the settings that it needs."""

    get: Callable[[Tenant], Any]
    accepted: Callable[[Tenant, Any], bool]
    settings: dict[str, Any] = field(default_factory=dict)

    def used(self, engine: str) -> override_settings:
        """Where it is got and shown: in a project with its settings and an engine for sessions."""
        return override_settings(**{"SESSION_ENGINE": f"tenancy.sessions.{engine}", **self.settings})


CSRF = ["tenancy.middleware.TenantMiddleware", "django.contrib.sessions.middleware.SessionMiddleware"]
CSRF += ["django.middleware.csrf.CsrfViewMiddleware"]
CREDENTIALS = {
    "session": Credential(session, lambda tenant, got: visit(tenant, "/who/", got).json()["user"] == "ada"),
    "session, async": Credential(session, lambda tenant, got: visit(tenant, "/awho/", got).json()["user"] == "ada"),
    "session of the admin": Credential(admin_session, let_in("/admin/auth/user/7/change/")),
    "form": Credential(form_token, takes_form, {"MIDDLEWARE": CSRF}),
    "form, in the session": Credential(
        form_token, takes_form_in_session, {"MIDDLEWARE": CSRF, "CSRF_USE_SESSIONS": True}
    ),
    "link for a new password": Credential(
        reset_link, lambda tenant, path: bool(visit(tenant, path, follow=True).context["validlink"])
    ),
    "link that confirms an address": Credential(page("/confirm/", "token"), by_link),
    "signed link": Credential(page("/sign/", "signed"), by_link),
    "signed cookie": Credential(
        cookie("/seat/", "seat"), let_in("/seat/"), {"SIGNING_BACKEND": "tenancy.signing.CookieSigner"}
    ),
    "cookie that remembers": Credential(cookie("/remember/", "remember"), let_in("/remember/")),
    "messages": Credential(
        cookie("/say/", "messages"),
        lambda tenant, got: bool(visit(tenant, "/who/", got).json()["said"]),
        {"MESSAGE_STORAGE": "tenancy.messages.CookieStorage"},
    ),
    "messages, signed cookies": Credential(
        cookie("/say/", "messages"),
        lambda tenant, got: bool(visit(tenant, "/who/", got).json()["said"]),
        {
            "MESSAGE_STORAGE": "django.contrib.messages.storage.cookie.CookieStorage",
            "SIGNING_BACKEND": "tenancy.signing.CookieSigner",
        },
    ),
}


def key(tenant: Tenant) -> int:
    return int(bind(Badge, *place(tenant)).objects.get().number)


def takes_key(tenant: Tenant, number: int) -> bool:
    return bool(visit(tenant, "/by-key/", headers={"X-Badge": str(number)}).status_code == 200)


def place(tenant: Tenant) -> tuple[str, str]:
    return tenant.db, tenant.schema_name


def people_of(tenant: Tenant) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What there is of Ada, and the sessions."""
    user = bind(User, *place(tenant)).objects.values("password", "email", "last_login").get(pk=7)
    return user, list(bind(Session, *place(tenant)).objects.values())


def copy_people(tenant: Tenant, user: dict[str, Any], sessions: list[dict[str, Any]]) -> None:
    """Have them in another tenant, where they would let a credential pass that is not told apart."""
    bind(User, *place(tenant)).objects.filter(pk=7).update(**user)
    for row in sessions:
        bind(Session, *place(tenant)).objects.update_or_create(pk=row["session_key"], defaults=row)


def make(name: str, db: str, rows: int) -> Tenant:
    """A tenant, in it Ada, who may do anything, her key, and so many rows of some models."""
    tenant: Tenant = Tenant.objects.create(name=name, db=db)
    with tenant_context(tenant):
        user = User.objects.create(
            pk=7, username="ada", email="ada@example.test", password=PASSWORD, is_staff=True, is_superuser=True
        )
        Badge.objects.create(number=sum(map(ord, name)), user=user)
        for number in range(rows):
            Owner.objects.create(name=f"Owner {number}")
            Car.objects.create(name=f"Car {number}")
            Group.objects.create(name=f"Group {number}")
    sign_rows(tenant)
    return tenant


def sign_rows(tenant: Tenant) -> None:
    """Have each row of a tenant name it."""
    with tenant_context(tenant):
        for model in (Tag, Owner, Car):
            model.objects.update(witness=tenant.slug)
        Group.objects.update(name=Concat(Value(tenant.slug), "pk", output_field=CharField()))


def dissolve(tenant: Tenant) -> None:
    lifecycle.delete(tenant)
    lifecycle.purge(tenant)


@pytest.fixture(scope="module")
def settled(schemas: Any, django_db_blocker: Any, tmp_path_factory: Any) -> Iterator[dict[str, Tenant]]:
    """`home`; a `stranger` to it in another database; a `clone` of it, and an `import` of its archive."""
    archive = tmp_path_factory.mktemp("archives") / "home.zip"
    with django_db_blocker.unblock(), ExitStack() as stack:
        made = {"home": make("Harbour", "default", 70), "stranger": make("Meadow", "shard2", 20)}
        with override_settings(TENANCY={**conf.tenancy, "CLONE_EXCLUDE": [*conf.clone_exclude, "garage.Badge"]}):
            made["clone"] = lifecycle.clone(made["home"], "Lagoon")
        lifecycle.export(made["home"], archive)
        made["import"] = lifecycle.import_(archive, "Quarry", db="shard2")
        for tenant in made.values():
            stack.callback(dissolve, tenant)
            sign_rows(tenant)
        yield made


@pytest.fixture(autouse=True)
def _site() -> Iterator[None]:
    registry.forget()
    cache.clear()
    with override_settings(
        ROOT_URLCONF="tests.apps.site.urls_credentials", LOGIN_REDIRECT_URL="/untouched/", SITE_ID=1
    ):
        yield
    cache.clear()
    registry.forget()


def cases() -> list[Any]:
    """Every credential with every engine, at every other. In short: at a clone, and engines where they matter."""
    made = []
    for (name, credential), engine, other in product(CREDENTIALS.items(), ENGINES, OTHERS):
        short = other == "clone" and ("session" in name or engine == "db")
        marks = [] if short else [pytest.mark.long]
        made.append(pytest.param(credential, engine, other, id=f"{name}, {engine}, {other}", marks=marks))
    return made


@pytest.mark.parametrize(("credential", "engine", "other"), cases())
def test_replayed(settled: dict[str, Tenant], credential: Credential, engine: str, other: str) -> None:
    """Refused at the other, from home and the other way; accepted at home before and behind."""
    with credential.used(engine):
        for one, two in ((settled["home"], settled[other]), (settled[other], settled["home"])):
            got = credential.get(one)
            copy_people(two, *people_of(one))
            # A message that was shown is in the cookie still, which somebody has kept.
            assert [credential.accepted(tenant, got) for tenant in (one, two, one)] == [True, False, True], one.slug


@pytest.mark.parametrize("engine", [ENGINES[0], *(pytest.param(each, marks=pytest.mark.long) for each in ENGINES[1:])])
def test_kept(engine: str) -> None:
    """All outlive whatever happens to their tenant: they are of its id. Who comes after it by its names takes none."""
    tenant = make("Nomad", "default", 1)
    got = {}
    for name, credential in CREDENTIALS.items():
        with credential.used(engine):
            got[name] = credential.get(tenant)

    def accepted() -> set[str]:
        found = set()
        for name, credential in CREDENTIALS.items():
            with credential.used(engine):
                if credential.accepted(tenant, got[name]):
                    found.add(name)
        return found

    try:
        assert accepted() == {*CREDENTIALS}
        lifecycle.suspend(tenant)
        lifecycle.resume(tenant)
        lifecycle.rename(tenant, slug="settler", schema_name="settler")
        assert accepted() == {*CREDENTIALS}
        lifecycle.move(tenant, "shard2", drop_source=True)
        assert accepted() == {*CREDENTIALS}
        lifecycle.delete(tenant)
        lifecycle.restore(tenant)
        assert accepted() == {*CREDENTIALS}
        people = people_of(tenant)
    finally:
        dissolve(tenant)
    tenant = make("Settler", "shard2", 1)
    try:
        copy_people(tenant, *people)
        # Whether a form is taken is asked of the host that it comes from, and that is the same.
        assert accepted() == {"form"}
    finally:
        dissolve(tenant)


def test_rows_that_are_keys(settled: dict[str, Tenant]) -> None:
    """A key of a project's own is a row. It stays behind where a clone is made if its model is named; who does not name
    it has it in the clone. An import has all rows, since it may be the only one left.
    """
    number = key(settled["home"])
    others = {name: takes_key(tenant, number) for name, tenant in settled.items()}
    assert others == {"home": True, "stranger": False, "clone": False, "import": True}
    careless = lifecycle.clone(settled["home"], "Careless")
    try:
        assert takes_key(careless, number)
    finally:
        dissolve(careless)


@pytest.mark.parametrize("engine", ["django.contrib.sessions.backends.db", "tenancy.sessions.db"])
def test_no_session_is_carried(settled: dict[str, Tenant], tmp_path: Path, engine: str) -> None:
    """Neither a clone nor an import has a session of its source, be its keys signed for a tenant or Django's own."""
    home = settled["home"]
    with override_settings(SESSION_ENGINE=engine), ExitStack() as stack:
        got = session(home)
        lifecycle.export(home, tmp_path / "home.zip")
        made = [lifecycle.clone(home, "Copy one")]
        stack.callback(dissolve, made[0])
        made.append(lifecycle.import_(tmp_path / "home.zip", "Copy two", db="default"))
        stack.callback(dissolve, made[1])
        accepted = CREDENTIALS["session"].accepted
        assert [accepted(tenant, got) for tenant in (home, *made, home)] == [True, False, False, True]
        assert [people_of(tenant)[1] for tenant in made] == [[], []]


DJANGOS = {
    "signed link": Credential(page("/sign-as-django/", "signed"), by_link),
    "signed cookie": Credential(cookie("/seat/", "seat"), let_in("/seat/")),
    "messages": Credential(CREDENTIALS["messages"].get, CREDENTIALS["messages"].accepted),
}


@pytest.mark.parametrize("name", DJANGOS)
def test_why_djangos_are_not_enough(settled: dict[str, Tenant], name: str) -> None:
    """What Django signs is signed for no tenant: any other takes it."""
    with DJANGOS[name].used("db"):
        got = DJANGOS[name].get(settled["home"])
        assert [DJANGOS[name].accepted(tenant, got) for tenant in settled.values()] == [True] * 4


def urls(home: Tenant, number: int) -> list[str]:
    """Pages that show a row by its key, one of this tenant's: of views and of the admin."""
    kinds = {"/tag/{}/": Tag, "/owner/{}/": Owner, "/car/{}/": Car, "/admin/auth/group/{}/change/": Group}
    rows = zip_longest(
        *(
            sorted(bind(model, *place(home)).objects.values_list("pk", flat=True), reverse=True)
            for model in kinds.values()
        )
    )
    found = [path.format(pk) for row in rows for path, pk in zip(kinds, row, strict=True) if pk is not None]
    return found[:number]


def check_keys(settled: dict[str, Tenant], number: int, others: Sequence[str]) -> None:
    """Ada, who is somebody in each tenant, asks for pages by keys of home's rows; home's own session does nothing."""
    got = {name: session(tenant) for name, tenant in settled.items()}
    answers = Counter[int]()
    paths = urls(settled["home"], number)
    for path in paths:
        shown = visit(settled["home"], path, got["home"])
        assert (shown.status_code, settled["home"].slug in shown.content.decode()) == (200, True), path
        for other in others:
            tenant = settled[other]
            response = visit(tenant, path, got[other])
            body = response.content.decode()
            answers[response.status_code] += 1
            assert settled["home"].slug not in body, path
            if response.status_code == 200:
                assert tenant.slug in body, path
            else:
                # The admin leads to its first page from a row that is not there.
                assert response.status_code == (302 if "admin" in path else 404), path
            if "admin" in path:
                response = visit(tenant, path, got["home"])
                assert (response.status_code, response.url.partition("?")[0]) == (302, "/admin/login/"), path
    assert len(paths) == number
    assert answers[200] > 0


def test_keys(settled: dict[str, Tenant]) -> None:
    """Twenty pages at a stranger, who has rows by some of the keys, and at the clone, which has them all."""
    check_keys(settled, 20, ["stranger", "clone"])


@pytest.mark.long
def test_keys_at_length(settled: dict[str, Tenant]) -> None:
    """200 pages, at all others."""
    check_keys(settled, 200, OTHERS)
