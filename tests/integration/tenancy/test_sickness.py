"""What a request gets whose database can't be asked; and on which database its transaction is."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.db import close_old_connections, connections, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import Client
from django.urls import path

from django_schemas import budget, health
from tenancy import registry
from tenancy.atomicity import OfItsOwn, confine_transactions
from tests.apps.garage.models import Tag
from tests.gate import Gate, gate_before
from tests.integration.tenancy.test_middleware import HostedAsyncClient

DBS = ("default", "shard2")


def tags(request: HttpRequest) -> HttpResponse:
    return HttpResponse(Tag.objects.values_list("witness", flat=True)[0])


def out_of_time(request: HttpRequest) -> HttpResponse:
    with transaction.atomic("shard2"), connections["shard2"].cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 50")
        cursor.execute("SELECT pg_sleep(1)")
    return HttpResponse()


async def aout_of_time(request: HttpRequest) -> HttpResponse:
    return await sync_to_async(out_of_time)(request)


def wrong(request: HttpRequest) -> HttpResponse:
    with connections["shard2"].cursor() as cursor:
        cursor.execute("SELECT 1 / 0")
    return HttpResponse()


def told_otherwise(request: HttpRequest) -> HttpResponse:
    try:
        return out_of_time(request)
    except Exception:
        return HttpResponse("later", status=202)


def atomic(request: HttpRequest) -> JsonResponse:
    return JsonResponse({db: connections[db].in_atomic_block for db in DBS})


def write_and_fail(request: HttpRequest) -> HttpResponse:
    Tag.objects.create(name="left", witness="left")
    raise RuntimeError


urlpatterns = [
    path("", tags),
    path("out-of-time/", out_of_time),
    path("aout-of-time/", aout_of_time),
    path("wrong/", wrong),
    path("told/", told_otherwise),
    path("atomic/", atomic),
    path("fails/", write_and_fail),
]


@pytest.fixture(autouse=True)
def _site(settings: Any, tenants: Any, committed: None) -> Iterator[None]:
    """The views of this module, on all hosts."""
    settings.ROOT_URLCONF = __name__
    settings.TENANCY = {**settings.TENANCY, "PUBLIC_URLCONF": __name__}
    settings.MIDDLEWARE = ["tenancy.middleware.TenantMiddleware"]
    yield
    registry.forget()
    health.stop_watching()


def get(slug: str, path: str, *, is_async: bool = False) -> Any:
    close_old_connections()  # As a server does, and a test's client does not.
    headers = {"host": f"{slug}.saas.test" if slug else "saas.test"}
    if is_async:
        client = HostedAsyncClient(raise_request_exception=False)
        return async_to_sync(client.get)(path, headers=headers)
    return Client(raise_request_exception=False).get(path, headers=headers)


@pytest.mark.parametrize(
    ("path", "status"), [("out-of-time/", 503), ("aout-of-time/", 503), ("wrong/", 500), ("told/", 202)]
)
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("slug", ["umbrella", ""], ids=["tenant", "public"])
def test_what_becomes_503(slug: str, is_async: bool, path: str, status: int, caplog: Any) -> None:
    """An error that a database had no time is the refusal of tenants that are unavailable, and Django tells the log;
    other errors, and what a view says itself, are left alone.
    """
    response = get(slug, f"/{path}", is_async=is_async)
    assert (response.status_code, response.headers.get("Retry-After")) == (status, "5" if status == 503 else None)
    assert ("QueryCanceled" in caplog.text) == (status == 503)


@pytest.fixture
def gate() -> Iterator[Gate]:
    """A gate before umbrella's database."""
    connections["shard2"].close()
    settings = connections["shard2"].settings_dict
    with gate_before(int(settings["PORT"])) as gate, pytest.MonkeyPatch.context() as patch:
        patch.setitem(settings, "HOST", "127.0.0.1")
        patch.setitem(settings, "PORT", gate.port)
        yield gate
        gate.hangs = gate.refuses = False
        connections["shard2"].close()


def until_served(slug: str, status: int) -> None:
    deadline = time.monotonic() + 3
    while get(slug, "/").status_code != status:
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_sick_database(gate: Gate, is_async: bool, caplog: Any) -> None:
    """Its tenants get 503 at once, and no view of theirs is run, once that is known; others are served; and all are
    soon after it answers again.
    """
    assert get("umbrella", "/", is_async=is_async).content == b"umbrella"
    gate.refuses = True
    assert get("umbrella", "/", is_async=is_async).status_code == 503
    until_served("umbrella", 503)
    time.sleep(0.3)
    caplog.clear()
    response = get("umbrella", "/", is_async=is_async)
    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
    assert "OperationalError" not in caplog.text
    assert get("hooli", "/", is_async=is_async).content == b"hooli"
    gate.refuses = False
    until_served("umbrella", 200)


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_no_connection_left(is_async: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where this process has as many connections as it may, tenants of that database get 503; others are served."""
    connections["shard2"].close()
    monkeypatch.setitem(connections["shard2"].settings_dict, "MAX_CONNECTIONS", 1)
    monkeypatch.setattr(budget, "REQUEST_S", 0.2)
    other = connections["shard2"].copy()
    try:
        other.ensure_connection()
        response = get("umbrella", "/", is_async=is_async)
        assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
        assert get("hooli", "/", is_async=is_async).content == b"hooli"
    finally:
        other.close()
    assert get("umbrella", "/", is_async=is_async).content == b"umbrella"
    assert not health.is_sick("shard2")


class TestTransactions:
    @pytest.fixture(autouse=True)
    def _atomic_requests(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for db in DBS:
            monkeypatch.setitem(connections[db].settings_dict, "ATOMIC_REQUESTS", True)
        confine_transactions()

    @pytest.mark.parametrize(
        ("slug", "db"), [("hooli", "default"), ("umbrella", "shard2"), ("", "default")], ids=["one", "other", "public"]
    )
    def test_on_its_own_database(self, slug: str, db: str) -> None:
        """A view of a tenant is in a transaction on the tenant's database alone, one of the public host on the
        registry's.
        """
        assert get(slug, "/atomic/").json() == {each: each == db for each in DBS}

    def test_rolled_back(self) -> None:
        """What a view wrote that fails is gone."""
        assert get("umbrella", "/fails/").status_code == 500
        assert get("umbrella", "/").content == b"umbrella"
        assert Tag.set_db("shard2", "umbrella").objects.filter(name="left").count() == 0

    @pytest.mark.slow
    def test_another_is_away(self, gate: Gate) -> None:
        """A database that the tenant is not in is not asked."""
        gate.refuses = True
        assert get("hooli", "/").content == b"hooli"

    def test_others_are_left_to_django(self) -> None:
        """A database without the setting is as it was."""
        settings: Any = connections.settings
        found = {db: settings[db]["ATOMIC_REQUESTS"] for db in connections}
        assert found == {db: OfItsOwn(db) if db in DBS else False for db in connections}
