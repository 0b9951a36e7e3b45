"""Names that people make up, through every door: each is refused where it enters, in words, or is what it seems."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest
from django import forms
from django.contrib.admin import site
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import DataError, IntegrityError, connection, transaction
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext

from django_schemas import bind, schema_context, schema_cursor
from django_schemas.exceptions import InvalidSchemaName
from tenancy import current_tenant
from tenancy.exceptions import TenancyError
from tenancy.models import Tenant
from tests.apps.garage.models import Tag
from tests.isolation.conftest import Towns

GOOD = ("acme", "acme_2", "a-b", "_x", "order", "select", "t" * 63)
BAD = (
    "", " ", "Acme", "ACME", "acme ", " acme", "acme\n", "\nacme", "acme\x00", "a.b", 'a"b', "a'b", "a;b", "a--b;",
    "a,b", "a,public", "a$b", "a%b", "a%sb", "a{b}", "a\\b", "a/b", "../a", "a:b", "a b", "1a", "-a", "ä", "ａcme",
    "a\u200bb", "ﬁ", "a\ud800b", "pg_catalog", "pg_toast", "pg_temp_1", "pg_x", "information_schema", "public",
    "PUBLIC", "t" * 64, "ä" * 32, "x' OR '1'='1", 'x"; DROP SCHEMA registry CASCADE; --', "registry; --", "$$",
    "E'\\x'", "null\u2028",

)  # fmt: skip
PIECES = (
    *GOOD,
    *BAD,
    *"abcxyz019_-",
    '"',
    "'",
    ";",
    ".",
    "%",
    "$",
    "\\",
    "\x00",
    "\n",
    "\t",
    "é",
    "İ",
    "ß",
    "\u202e",
    "😀",
)


def names(number: int) -> Iterator[str]:
    """All that is listed, then what is made of it."""
    yield from (*GOOD, *BAD)
    random = Random(7)
    for _ in range(number):
        name = "".join(random.choices(PIECES, k=random.randint(1, 4)))
        yield random.choice([name, name.upper(), name[:63], name * 2, name.strip()])


def may_be_one(name: str) -> bool:
    """Whether a schema may be called so: said here once more, without the package's own rule."""
    return (
        re.fullmatch("[a-z_][a-z0-9_-]{0,62}", name, re.ASCII) is not None
        and name != "public"
        and name != "information_schema"
        and name[:3] != "pg_"
    )


def schemas() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT nspname::text FROM pg_namespace")
        return {name for (name,) in cursor.fetchall()}


def saved(name: str) -> None:
    Tenant.objects.create(name="Fuzz", slug="fuzz", db="default", schema_name=name)


def in_bulk(name: str) -> None:
    Tenant.objects.bulk_create([Tenant(name="Fuzz", slug="fuzz", db="default", schema_name=name)])


def updated(name: str) -> None:
    in_bulk("fuzz")
    Tenant.objects.filter(slug="fuzz").update(schema_name=name)


def by_admin(name: str) -> None:
    request = RequestFactory().post("/")
    admin = site._registry[Tenant]
    form = admin.get_form(request)({"name": "Fuzz", "slug": "fuzz", "db": "default", "schema_name": name})
    if "schema_name" not in form.fields:
        pytest.fail("The admin has no field for the schema.")
    if not form.is_valid():
        raise forms.ValidationError(form.errors.as_json())
    form.save()


def by_command(name: str) -> None:
    call_command("tenant", "create", "Fuzz", "--slug=fuzz", "--db=default", f"--schema={name}", verbosity=0)


DOORS: dict[str, Callable[[str], None]] = {
    "save": saved,
    "bulk_create": in_bulk,
    "update": updated,
    "admin": by_admin,
    "command": by_command,
}
REFUSALS: dict[str, tuple[type[Exception], ...]] = {
    "save": (ValidationError, InvalidSchemaName, TenancyError),
    # Here nothing but the database is asked: by constraints of its own, so that nothing else is shown.
    "bulk_create": (IntegrityError, DataError, ValueError),
    "update": (IntegrityError, DataError, ValueError),
    "admin": (ValidationError,),
    "command": (CommandError,),
}


def check_door(door: str, number: int) -> None:
    before, refused = schemas(), 0
    for name in names(number):
        # A form takes away what is around a word; argparse takes away `--`.
        blank = name == "" or (door == "admin" and name.strip() == "") or (door == "command" and name == "--")
        with transaction.atomic():
            try:
                with transaction.atomic():
                    DOORS[door](name)
                found = Tenant.objects.get(slug="fuzz").schema_name
            except REFUSALS[door]:
                found = None
                refused += 1
            transaction.set_rollback(True)
        if blank:
            # Left to the package, where it may be.
            assert found in ("fuzz", None), (door, name)
        elif name in before:
            assert found in (name, None), (door, name)
        else:
            expected = name.strip() if door == "admin" else name
            assert found == (expected if may_be_one(expected) else None), (door, name, found)
    assert refused > number / 3
    assert schemas() == before


@pytest.fixture
def by_hand(db: None, schemas: Any, settings: Any) -> None:
    """Rows without schemas: what is tried here are their names."""
    settings.TENANCY = {**settings.TENANCY, "PROVISIONING": "manual"}


rolled_back = pytest.mark.django_db(databases="__all__")


@rolled_back
@pytest.mark.parametrize("door", DOORS)
def test_schema_names(by_hand: None, door: str) -> None:
    """A few hundred through each door of the registry."""
    check_door(door, 150)


@rolled_back
@pytest.mark.long
@pytest.mark.parametrize("door", DOORS)
def test_schema_names_at_length(by_hand: None, door: str) -> None:
    """Ten thousand."""
    check_door(door, 10_000)


@rolled_back
def test_names_in_code(by_hand: None) -> None:
    """What names a schema for queries refuses before any SQL is sent; what is right finds nothing of others'."""
    ways: list[Callable[[str], Any]] = [
        lambda name: bind(Tag, "default", name).objects.count(),
        lambda name: Tag.set_db("default", name),
        lambda name: schema_context("default", name),
        lambda name: schema_cursor("default", name).__enter__(),
    ]
    for name in names(500):
        if may_be_one(name):
            continue
        for way in ways:
            with CaptureQueriesContext(connection) as sent, pytest.raises(InvalidSchemaName):
                way(name)
            assert len(sent) == 0


HOSTS = ("town-0.saas.test", "town-1.saas.test", "saas.test")
BITS = (
    "town-0",
    "town-1",
    ".saas.test",
    ".",
    "..",
    ":",
    ":80",
    ":99999",
    " ",
    "\t",
    ",",
    "@",
    "/",
    "\\",
    "%00",
    "[",
    "]",
)
ODD = (
    *BITS,
    *HOSTS,
    "xn--",
    "*",
    "-",
    "_",
    "é",
    "ı",
    "K",
    "\x00",
    "\x7f",
    "\xa0",
    "。",
    "'",
    '"',
    ";",
    "www.",
    "\r",
    "X",
)


def hosts(number: int) -> Iterator[str]:
    """Right ones, spelt in many ways, and what is nearly right."""
    random = Random(11)
    for _ in range(number):
        host = random.choice(HOSTS)
        how = random.random()
        if how < 0.2:
            host = "".join(random.choice((char.upper(), char)) for char in host) + random.choice(
                ("", ".", ":80", ".:443")
            )
        elif how < 0.7:
            at = random.randint(0, len(host))
            host = host[:at] + random.choice(ODD) + host[at + random.randint(0, 1) :]
        else:
            host = "".join(random.choices(ODD, k=random.randint(0, 4)))
        # As a server gives it to WSGI.
        yield host.encode("utf-8", "replace").decode("latin-1")


def slug_of(host: str) -> str | None:
    """Whose host it is, said once more without the package's own rule; empty for the public one."""
    found = re.fullmatch(r"(?:(town-[01])\.)?saas\.test\.?(?::[0-9]+)?", host, re.ASCII | re.IGNORECASE)
    return None if found is None else (found[1] or "").lower()


def check_hosts(number: int) -> None:
    client, answers = Client(raise_request_exception=False), dict.fromkeys((200, 400, 404), 0)
    for host in hosts(number):
        response = client.get("/module/", HTTP_HOST=host)
        answers[response.status_code] += 1
        slug = slug_of(host)
        if slug:
            assert (response.status_code, response.json()) == (200, {"witnesses": [slug]}), host
        else:
            # The public site has no such page.
            assert response.status_code in (400, 404), (host, response.content)
        assert current_tenant() is None
    assert min(answers.values()) > number / 50, answers


def test_hosts(towns: Towns) -> None:
    """A thousand of them: none leads to a tenant that it does not name, and none is an error."""
    towns(2)
    check_hosts(1_000)


@pytest.mark.long
def test_hosts_at_length(towns: Towns) -> None:
    """A hundred thousand."""
    towns(2)
    check_hosts(100_000)


PROXIES: dict[str, tuple[dict[str, Any], list[str], tuple[str, ...]]] = {
    "off": ({"USE_X_FORWARDED_HOST": False}, ["10.0.0.0/8"], ()),
    "nobody named": ({}, [], ()),
    "a network": ({}, ["10.0.0.0/8"], ("10.0.0.1", "10.255.255.255", "::ffff:10.1.2.3")),
    "a network of IPv6": ({}, ["fd00::/8", "192.0.2.1/32"], ("fd00::1", "fdff::", "192.0.2.1", "::ffff:192.0.2.1")),
    "a socket": ({}, ["unix"], ("",)),
}
"""Set-ups of proxies: settings beside `USE_X_FORWARDED_HOST`, who is trusted, and which of the peers that is."""

PEERS = (
    "",
    "10.0.0.1",
    "10.255.255.255",
    "::ffff:10.1.2.3",
    "fd00::1",
    "fdff::",
    "192.0.2.1",
    "::ffff:192.0.2.1",
    "192.0.2.2",
    "127.0.0.1",
    "::1",
    "11.0.0.1",
    "fe80::1",
    "10.0.0.1:80",
    "10.0.0.256",
    "10.0.0.1,10.0.0.2",
    "unix",
    "unknown",
)


def check_proxies(way: str, number: int, settings: Any) -> None:
    """Requests of any peers, with a host and a forwarded one, of which at most one is right."""
    changes, trusted, believed = PROXIES[way]
    settings.USE_X_FORWARDED_HOST = changes.get("USE_X_FORWARDED_HOST", True)
    settings.TENANCY = {**settings.TENANCY, "TRUSTED_PROXIES": trusted}
    client, random, answers = Client(raise_request_exception=False), Random(5), Counter[str]()
    for host, forwarded in zip(hosts(number), hosts_again(number), strict=True):
        peer = random.choice(believed if believed and random.random() < 0.5 else PEERS)
        headers = {"HTTP_HOST": host, "REMOTE_ADDR": peer}
        if random.random() < 0.9:
            headers["HTTP_X_FORWARDED_HOST"] = forwarded
        slug = slug_of(headers.get("HTTP_X_FORWARDED_HOST", host) if peer in believed else host)
        response = client.get("/module/", **headers)
        answers[f"forwarded {peer in believed} {response.status_code}"] += 1
        if slug:
            assert (response.status_code, response.json()) == (200, {"witnesses": [slug]}), headers
        else:
            assert response.status_code in (400, 404), (headers, response.content)
    expected = {(who, status) for who in (True, False) for status in (200, 400, 404) if who is False or believed}
    assert {*answers} == {f"forwarded {who} {status}" for who, status in expected}


def hosts_again(number: int) -> Iterator[str]:
    """As `hosts`, others, and lists of them."""
    random = Random(3)
    for host in hosts(2 * number):
        if random.random() < 0.5:
            yield host if random.random() < 0.9 else f"{host}, {random.choice(HOSTS)}"
            number -= 1
        if number == 0:
            return
    yield from hosts(number)


@pytest.mark.parametrize("way", PROXIES)
def test_proxies(towns: Towns, settings: Any, way: str) -> None:
    """Two hundred requests in each set-up: the forwarded host counts from those who are named, and from nobody else."""
    towns(2)
    check_proxies(way, 200, settings)


@pytest.mark.long
@pytest.mark.parametrize("way", PROXIES)
def test_proxies_at_length(towns: Towns, settings: Any, way: str) -> None:
    """Twenty thousand in each."""
    towns(2)
    check_proxies(way, 20_000, settings)


def check_headers(number: int) -> None:
    """Requests that name a tenant by a header: at hosts of tenants, of the platform, and of nobody."""
    client, random, answers = Client(raise_request_exception=False), Random(13), Counter[tuple[bool, int]]()
    for name in names(number):
        claim = random.choice(("town-0", "town-1", "TOWN-0", "town-0,town-1", "town-2", name))
        # What a header can hold, as a server gives it.
        claim = re.sub("[\r\n\x00]", "", claim).encode("utf-8", "replace").decode("latin-1")
        host = random.choice((*HOSTS, "api.test", "api.test"))
        word = random.choice(("sesame", "sesame", "Sesame", ""))
        response = client.get("/module/", HTTP_HOST=host, HTTP_X_TENANT=claim, HTTP_X_WORD=word)
        allowed = claim in ("town-0", "town-1") and word == "sesame"
        slug = slug_of(host) or (claim if allowed else None)
        answers[allowed, response.status_code] += 1
        if slug:
            assert (response.status_code, response.json()) == (200, {"witnesses": [slug]}), (host, claim, word)
        else:
            assert response.status_code == 404, (host, claim, word, response.content)
        assert current_tenant() is None
    assert {*answers} == {(True, 200), (False, 200), (False, 404)}


def test_headers(towns: Towns) -> None:
    """Some hundred: one leads to the tenant it names, if the verifier lets it, and never away from a tenant's host."""
    towns(2)
    check_headers(500)


@pytest.mark.long
def test_headers_at_length(towns: Towns) -> None:
    """Twenty thousand."""
    towns(2)
    check_headers(20_000)
