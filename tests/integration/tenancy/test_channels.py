"""Websockets of tenants, over real servers, a real Redis and real clients: each has its own tenant's rows, users and
groups, and ends with its tenant.
"""

import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import psutil
import pytest
import redis
import websockets
from asgiref.sync import sync_to_async
from channels.layers import get_channel_layer
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import User
from django.db import connection, connections
from django.test import Client
from websockets.asyncio.client import ClientConnection, connect

from django_schemas.exceptions import ConfigError
from tenancy import current_tenant, lifecycle, registry, tenant_context
from tenancy.contrib import channels as ours
from tenancy.contrib.channels import TenantMiddleware, group
from tenancy.exceptions import NoCurrentTenant
from tenancy.models import Domain, Tenant
from tests.apps.garage.models import Tag
from tests.gate import Gate, gate_before
from tests.queues.server import serving_redis
from tests.serving import Server, serving

SERVERS = ["uvicorn with sockets", "daphne with sockets"]
SLUGS = {"hooli": "default", "vehement": "default", "umbrella": "shard2"}
SESSIONS = "tenancy.sessions.signed_cookies"
NOTHING_LEFT = {"tenant": None, "placement": None, "rests": []}


@pytest.fixture(autouse=True)
def _tenants(tenants: Any, committed: None) -> None:
    """Tenants that are committed."""


@contextmanager
def running(name: str, redis_url: str, databases: dict[str, Any] | None = None, **tenancy: Any) -> Iterator[Server]:
    """A server of the site with websockets."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOCKETS", json.dumps({"redis": redis_url, "sessions": SESSIONS}))
        with serving(name, databases, **tenancy) as server:
            assert server.get("hooli.saas.test", "/where/")[0] == 200
            yield server


@pytest.fixture(scope="module")
def redis_url(redis_installed: None) -> Iterator[str]:
    """A Redis of their own: subscriptions are seen in all databases of a server."""
    with serving_redis() as url:
        yield url


@pytest.fixture(scope="module")
def servers(provisioned: Any, redis_url: str) -> Iterator[Callable[[str], Server]]:
    """Servers that listen, each started when it is first asked for."""
    with ExitStack() as stack:

        @cache
        def start(name: str) -> Server:
            return stack.enter_context(running(name, redis_url, LISTEN=True, CACHE_TTL_S=600))

        yield start


@pytest.fixture(params=SERVERS)
def server(request: Any, servers: Callable[[str], Server]) -> Server:
    return servers(request.param)


@pytest.fixture
def uvicorn(servers: Callable[[str], Server]) -> Server:
    return servers(SERVERS[0])


def opened(server: Server, host: str, path: str = "/desk/", cookie: str = "", **options: Any) -> connect:
    headers = {"Cookie": f"sessionid={cookie}"} if cookie else {}
    return connect(
        f"ws://{host}{path}", host="127.0.0.1", port=server.port, additional_headers=headers, open_timeout=30, **options
    )


async def ask(socket: ClientConnection, **content: Any) -> Any:
    await socket.send(json.dumps(content))
    return await hear(socket)


async def hear(socket: ClientConnection) -> Any:
    return json.loads(await asyncio.wait_for(socket.recv(), 30))


async def closed(socket: ClientConnection, limit_s: float) -> int:
    """The code with which a connection is closed within so many seconds."""
    await asyncio.wait_for(socket.wait_closed(), limit_s)
    assert socket.close_code is not None
    return socket.close_code


async def refusal(server: Server, host: str, path: str = "/desk/", **options: Any) -> int:
    """The status that the handshake is answered with."""
    try:
        async with opened(server, host, path, **options):
            return 101
    except websockets.InvalidStatus as error:
        return int(error.response.status_code)


async def until(holds: Callable[[], Awaitable[bool]], limit_s: float = 10) -> None:
    deadline = time.monotonic() + limit_s
    while not await holds():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


@asynccontextmanager
async def nothing_left(server: Server, ended: dict[str, int]) -> AsyncIterator[None]:
    """Behind the block wait until so many consumers ended, each within its tenant; nothing is active behind them."""

    async def left() -> Counter[str]:
        found = (await asyncio.to_thread(server.get, "saas.test", "/left/"))[1]
        counted = Counter(found.pop("ended"))
        assert found == NOTHING_LEFT
        return counted

    async def holds() -> bool:
        return await left() - before == ended

    before = await left()
    yield
    await until(holds)


async def _is(value: int, found: Awaitable[int]) -> bool:
    return await found == value


def expected(slug: str) -> dict[str, Any]:
    return {"tenant": slug, "placement": f"{SLUGS[slug]}.{slug}", "witnesses": [slug]}


def test_each_is_its_own_tenants(server: Server) -> None:
    """In the async ORM, in threads, for messages of clients and of groups a consumer reads its tenant's rows; what is
    told to one tenant's group no other hears. Nothing is left when they are gone.
    """

    async def play() -> None:
        async with nothing_left(server, dict.fromkeys(SLUGS, 2)), AsyncExitStack() as stack:
            sockets = {
                (slug, path): await stack.enter_async_context(opened(server, f"{slug}.saas.test", path))
                for slug in SLUGS
                for path in ("/desk/", "/sync/")
            }
            for (slug, path), socket in sockets.items():
                found = await ask(socket)
                if path == "/desk/":
                    assert found.pop("in a thread") == expected(slug)
                    more = {"scope": slug, "user": None, "reverse": "/where/", "path": {}}
                    assert found == {**expected(slug), **more}
                else:
                    assert found == expected(slug)
            for slug in SLUGS:
                await sockets[slug, "/desk/"].send(json.dumps({"tell": slug}))
            for (slug, _), socket in sockets.items():
                assert await hear(socket) == {"told": slug, **expected(slug)}

    asyncio.run(play())


@pytest.mark.slow
def test_two_hundred_at_once(uvicorn: Server) -> None:
    """Two hundred connections of three tenants talk at once, and every one hears all that is told in its tenant, and
    nothing else.
    """
    slugs = list(SLUGS)

    async def play() -> None:
        hosts = [slugs[number % 3] for number in range(200)]
        async with nothing_left(uvicorn, Counter(hosts)), AsyncExitStack() as stack:
            sockets = await asyncio.gather(
                *(stack.enter_async_context(opened(uvicorn, f"{slug}.saas.test")) for slug in hosts)
            )
            answers = await asyncio.gather(*(ask(socket) for socket in sockets))
            assert [(each["tenant"], each["witnesses"]) for each in answers] == [(slug, [slug]) for slug in hosts]
            speakers = sockets[:30]
            await asyncio.gather(
                *(
                    socket.send(json.dumps({"tell": f"{slug} {number}"}))
                    for number, (slug, socket) in enumerate(zip(hosts, speakers, strict=False))
                )
            )
            for slug, socket in zip(hosts, sockets, strict=True):
                heard = [await hear(socket) for _ in range(10)]
                assert {each["told"] for each in heard} == {f"{slug} {n}" for n in range(30) if hosts[n] == slug}
                assert all(each["witnesses"] == [slug] for each in heard)

    asyncio.run(play())


@contextmanager
def logged_in(settings: Any) -> Iterator[dict[str, str]]:
    """A user of the same key and password hash in two tenants, each logged in; the cookies."""
    settings.SESSION_ENGINE = SESSIONS
    cookies = {}
    try:
        for slug in ("hooli", "umbrella"):
            with tenant_context(Tenant.objects.get(slug=slug)):
                user = User.objects.create(pk=4711, username=f"somebody of {slug}", password="the same")
                client = Client()
                client.force_login(user)
                cookies[slug] = client.cookies["sessionid"].value
        yield cookies
    finally:
        for slug in cookies:
            with tenant_context(Tenant.objects.get(slug=slug)):
                User.objects.filter(pk=4711).delete()


def test_sessions(server: Server, settings: Any) -> None:
    """A session opens its own tenant, with the tenant's own user; shown to another it is nobody's."""

    async def user(host: str, cookie: str) -> Any:
        async with opened(server, f"{host}.saas.test", cookie=cookie) as socket:
            return (await ask(socket))["user"]

    async def play(cookies: dict[str, str]) -> None:
        for host in cookies:
            for owner, cookie in cookies.items():
                assert await user(host, cookie) == (f"somebody of {host}" if host == owner else None)
        assert await user("vehement", cookies["hooli"]) is None

    with logged_in(settings) as cookies:
        asyncio.run(play(cookies))


def test_refused_handshakes(server: Server) -> None:
    """Who would be refused a request gets no connection, nor does a page of another host, whoever's it is."""

    async def play() -> None:
        for host in ("nobody.saas.test", "elsewhere.example", "a.hooli.saas.test"):
            assert await refusal(server, host) == 403
            assert await refusal(server, host, origin="http://hooli.saas.test") == 403
        for origin in (None, "http://hooli.saas.test"):
            assert await refusal(server, "hooli.saas.test", origin=origin) == 101
        for origin in ("http://vehement.saas.test", "http://saas.test", "https://hooli.saas.test", "null"):
            assert await refusal(server, "hooli.saas.test", origin=origin) == 403

    asyncio.run(play())


def test_header(uvicorn: Server) -> None:
    """A header names a tenant if the verifier allows it, and does not lead away from a tenant's own host."""

    async def named(host: str, word: str) -> Any:
        headers = {"X-Tenant": "umbrella", "X-Word": word}
        uri = f"ws://{host}/desk/"
        async with connect(uri, host="127.0.0.1", port=uvicorn.port, additional_headers=headers) as socket:
            return (await ask(socket))["witnesses"]

    async def play() -> None:
        assert await named("api.example", "sesame") == ["umbrella"]
        assert await named("hooli.saas.test", "sesame") == ["hooli"]
        with pytest.raises(websockets.InvalidStatus):
            await named("api.example", "guess")

    asyncio.run(play())


def test_path(redis_url: str) -> None:
    """A path may name the tenant: consumers are routed by what is behind it, and URLs begin with it."""
    resolvers = ["tenancy.resolvers.PathResolver", "tenancy.resolvers.SubdomainResolver"]

    async def play(server: Server) -> None:
        async with opened(server, "saas.test", "/t/umbrella/desk/") as socket:
            found = await ask(socket)
            assert (found["witnesses"], found["reverse"]) == (["umbrella"], "/t/umbrella/where/")
        async with opened(server, "hooli.saas.test") as socket:
            assert (await ask(socket))["reverse"] == "/where/"
        assert await refusal(server, "saas.test", "/t/nobody/desk/") == 403

    with running(SERVERS[0], redis_url, RESOLVERS=resolvers) as server:
        asyncio.run(play(server))


@pytest.mark.parametrize(
    ("status", "code"),
    [("suspended", 4403), ("deleting", 4404), ("moving", 4503)],
)
def test_ends_with_its_tenant(server: Server, status: str, code: int) -> None:
    """As soon as a tenant is not served its connections are closed, idle or not, and their consumers end within
    it; its neighbours' go on, and new ones are refused.
    """
    hooli = Tenant.objects.get(slug="hooli")

    async def play() -> None:
        async with AsyncExitStack() as stack:
            enter = stack.enter_async_context
            paths = ("/desk/", "/sync/", "/desk/")
            sockets = [await enter(opened(server, "hooli.saas.test", path)) for path in paths]
            others = [await enter(opened(server, f"{slug}.saas.test")) for slug in ("vehement", "umbrella")]
            await asyncio.sleep(1)  # For the process to listen.
            for socket in (*sockets, *others):
                await ask(socket)
            async with nothing_left(server, {"hooli": 3}):
                await asyncio.to_thread(hooli.set_status, status)
                assert [await closed(socket, 3) for socket in sockets] == [code] * 3
                assert await refusal(server, "hooli.saas.test") == 403
                assert [(await ask(socket))["tenant"] for socket in others] == ["vehement", "umbrella"]
            await asyncio.to_thread(hooli.set_status, "active")
            await until(lambda: _is(101, refusal(server, "hooli.saas.test")))

    try:
        asyncio.run(play())
    finally:
        if Tenant.objects.get(slug="hooli").status != "active":
            hooli.set_status("active")


@pytest.mark.slow
def test_ends_within_the_ttl(redis_url: str) -> None:
    """A process that does not listen closes the connections within the TTL; so does one whose tenant lives elsewhere
    now, though it is served there.
    """
    hooli = Tenant.objects.get(slug="hooli")
    elsewhere = Tenant.objects.filter(pk=hooli.pk)

    async def play(server: Server) -> None:
        async with opened(server, "hooli.saas.test") as socket, opened(server, "vehement.saas.test") as other:
            await asyncio.gather(ask(socket), ask(other))
            await asyncio.sleep(1)  # What is asked as a connection is opened is answered.
            await asyncio.to_thread(elsewhere.update, schema_name="hooli_elsewhere")
            assert await closed(socket, 2) == 4503
            await asyncio.to_thread(elsewhere.update, schema_name="hooli")
            assert (await ask(other))["tenant"] == "vehement"

    with running(SERVERS[0], redis_url, LISTEN=False, CACHE_TTL_S=1) as server:
        try:
            asyncio.run(play(server))
        finally:
            elsewhere.update(schema_name="hooli")
            registry.forget()


@pytest.mark.slow
def test_while_the_registry_is_away(redis_url: str) -> None:
    """While the registry can't be asked connections go on for STALE_S, and end then, until it is well again."""

    async def play(server: Server, gate: Gate) -> None:
        async with opened(server, "umbrella.saas.test") as socket:
            await ask(socket)
            gate.refuses = True
            await asyncio.sleep(1.5)
            assert (await ask(socket))["witnesses"] == ["umbrella"]
            assert await closed(socket, 6) == 4503
        gate.refuses = False
        await until(lambda: _is(101, refusal(server, "umbrella.saas.test")))
        async with opened(server, "umbrella.saas.test") as socket:
            await asyncio.sleep(1.5)
            assert (await ask(socket))["witnesses"] == ["umbrella"]

    with gate_before(int(connection.settings_dict["PORT"])) as gate:
        behind = {"HOST": "127.0.0.1", "PORT": gate.port, "OPTIONS": {"connect_timeout": 2}}
        with running(SERVERS[0], redis_url, {"default": behind}, CACHE_TTL_S=0.5, STALE_S=3) as server:
            asyncio.run(play(server, gate))


@pytest.mark.slow
def test_database_that_hangs(redis_url: str) -> None:
    """What waits for a database that does not answer is cut off, as in a request, so that others find the thread that
    all share free.
    """

    async def play(server: Server, gate: Gate) -> None:
        async with opened(server, "hooli.saas.test") as socket, opened(server, "umbrella.saas.test") as other:
            await asyncio.gather(ask(socket), ask(other))
            gate.hangs = True
            await socket.send("{}")
            assert await closed(socket, 5) == 1006
            assert (await ask(other))["witnesses"] == ["umbrella"]
            gate.hangs = False

    with gate_before(int(connection.settings_dict["PORT"])) as gate:
        behind = {"HOST": "127.0.0.1", "PORT": gate.port}
        with running(SERVERS[0], redis_url, {"default": behind, "default-read1": None}) as server:
            asyncio.run(play(server, gate))


@pytest.mark.slow
def test_shared_thread_that_is_held(uvicorn: Server) -> None:
    """While a slow statement holds the thread that consumers share, tenants are watched over all the same."""
    hooli = Tenant.objects.get(slug="hooli")

    async def play() -> None:
        async with (
            nothing_left(uvicorn, {"hooli": 1, "vehement": 1}),
            opened(uvicorn, "hooli.saas.test") as socket,
            opened(uvicorn, "vehement.saas.test") as other,
        ):
            await asyncio.gather(ask(socket), ask(other))
            await asyncio.sleep(1)
            await other.send(json.dumps({"sleep": 6}))
            await asyncio.to_thread(lifecycle.suspend, hooli)
            assert await closed(socket, 4) == 4403
            assert (await hear(other))["tenant"] == "vehement"

    try:
        asyncio.run(play())
    finally:
        lifecycle.resume(hooli)


@pytest.mark.slow
def test_slow_statement(redis_url: str) -> None:
    """STATEMENT_TIMEOUT_S holds for the statements of a consumer."""

    async def play(server: Server) -> None:
        async with opened(server, "hooli.saas.test") as socket:
            assert (await ask(socket, sleep=0.1))["tenant"] == "hooli"
            await socket.send(json.dumps({"sleep": 8}))
            assert await closed(socket, 5) == 1006

    with running(SERVERS[0], redis_url, STATEMENT_TIMEOUT_S=0.5) as server:
        asyncio.run(play(server))


def test_clients_that_vanish(uvicorn: Server, redis_url: str) -> None:
    """Clients that vanish without a word leave nothing: no consumer, no member of a group, no connection to a database,
    nothing active.
    """

    async def play() -> None:
        async with nothing_left(uvicorn, {"hooli": 20}):
            sockets = [await opened(uvicorn, "hooli.saas.test") for _ in range(20)]
            for socket in sockets:
                await ask(socket)
                socket.transport.abort()

    with redis.Redis.from_url(redis_url) as client:
        asyncio.run(play())
        assert (client.keys(), client.pubsub_channels()) == ([], [])


@pytest.mark.slow
def test_connections_to_databases(redis_url: str) -> None:
    """However many are connected, the process has one connection to each database, which is kept here, besides those in
    the background: what listens, what watches a replica, what asks whether a database is well.
    """

    async def play() -> list[int]:
        counts = []
        async with AsyncExitStack() as stack:
            for many in (1, 50):
                for _ in range(many):
                    for slug in SLUGS:
                        await ask(await stack.enter_async_context(opened(server, f"{slug}.saas.test")))
                await asyncio.sleep(1)
                inet = [each for each in psutil.Process(server.pid).net_connections("tcp") if each.raddr]
                counts.append(sum(each.raddr.port == port and each.status == "ESTABLISHED" for each in inet))
        return counts

    port = int(connection.settings_dict["PORT"])
    databases: dict[str, Any] = {alias: {"CONN_MAX_AGE": 600} for alias in connections}
    with running(SERVERS[0], redis_url, databases, LISTEN=True) as server:
        few, many = asyncio.run(play())
    assert max(few, many) <= 6


async def accept(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "websocket.accept"})


class TestTheMiddlewareAlone:
    """What no server shows: the codes of refused handshakes, and what is a mistake of the project's."""

    @staticmethod
    def refuse(inner: Any = accept, **changes: Any) -> Any:
        """Whether a handshake is accepted, and the code if it is not."""

        async def play() -> Any:
            communicator = WebsocketCommunicator(TenantMiddleware(inner), "/desk/")
            communicator.scope.update({"headers": [(b"host", b"hooli.saas.test")], **changes})
            try:
                return await communicator.connect(timeout=5)
            finally:
                await sync_to_async(connections.close_all)()

        return asyncio.run(play())

    @pytest.mark.parametrize(("status", "code"), [("suspended", 4403), ("moving", 4503), ("deleting", 4404)])
    def test_codes(self, status: str, code: int) -> None:
        """The code is the status of a refused request, behind 4000."""
        hooli = Tenant.objects.get(slug="hooli")
        assert self.refuse() == (True, None)
        hooli.set_status(status)
        try:
            assert self.refuse() == (False, code)
        finally:
            hooli.set_status("active")

    @pytest.mark.parametrize(
        ("headers", "code"),
        [
            ([(b"host", b"nobody.saas.test")], 4404),
            ([(b"host", b"under_score.example")], 4404),
            ([(b"host", b"[::1]")], 4404),
            ([(b"host", b"hooli.saas.test"), (b"host", b"vehement.saas.test")], 4404),
            ([(b"host", b"vehement.saas.test"), (b"x-forwarded-host", b"hooli.saas.test"), (b"origin", b"x")], 4403),
            ([(b"host", b"hooli.saas.test"), (b"origin", b"http://vehement.saas.test")], 4403),
            ([(b"host", b"hooli.saas.test"), (b"origin", b"http://hooli.saas.test.evil.example")], 4403),
        ],
    )
    def test_what_names_nobody(self, headers: Any, code: int) -> None:
        """A host of nobody's, none at all, two at once: there is nothing. The page of another host is forbidden."""
        assert self.refuse(headers=headers) == (False, code)

    def test_public_host(self) -> None:
        """On the public host nobody is current, and its pages alone may open connections there."""
        found: list[Any] = []

        async def note(scope: Any, receive: Any, send: Any) -> None:
            found.append((scope["tenant"], current_tenant()))
            await send({"type": "websocket.accept"})

        here = (b"host", b"saas.test")
        assert self.refuse(note, headers=[here, (b"origin", b"http://saas.test")]) == (True, None)
        assert self.refuse(note, headers=[here, (b"origin", b"http://hooli.saas.test")]) == (False, 4403)
        assert found == [(None, None)]

    def test_documentation(self, settings: Any) -> None:
        """What the documentation shows does what it says."""
        settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
        page = (Path(__file__).resolve().parents[3] / "docs" / "live.md").read_text()
        site, consumer = re.findall(r"```python\n(.*?)```", page, re.DOTALL)[:2]
        names: dict[str, Any] = {}
        exec(
            consumer.replace("from tickets.models import Ticket", f"from {Tag.__module__} import Tag as Ticket"), names
        )
        exec(site.replace("from tickets.consumers import Desk", ""), names)
        hooli = Tenant.objects.get(slug="hooli")

        async def play() -> None:
            socket = WebsocketCommunicator(names["application"], "/desk/")
            socket.scope["headers"] = [(b"host", b"hooli.saas.test"), (b"origin", b"http://hooli.saas.test")]
            assert await socket.connect(timeout=5) == (True, None)
            await socket.send_json_to({})
            answer = await socket.receive_json_from(timeout=5)
            with tenant_context(hooli):
                await get_channel_layer().group_send(group("desk"), {"type": "desk.changed"})
            assert await socket.receive_json_from(timeout=5) == {"tickets": answer["tickets"]}
            assert answer["tenant"] == "hooli"
            await socket.disconnect()
            await sync_to_async(connections.close_all)()

        asyncio.run(play())

    def test_redirected_host(self) -> None:
        """On a host that requests are redirected from there is nothing, since a client does not follow."""
        domain = Domain.objects.create(host="old.example", tenant=Tenant.objects.get(slug="hooli"), redirects=True)
        lifecycle.add_domain(domain.tenant, "new.example")
        lifecycle.make_primary(domain.tenant, "new.example")
        try:
            assert self.refuse(headers=[(b"host", b"old.example")]) == (False, 4404)
            assert self.refuse(headers=[(b"host", b"new.example")]) == (True, None)
        finally:
            Domain.objects.all().delete()

    @staticmethod
    def end(inner: Any) -> list[tuple[str, int | None]]:
        """Types and codes of what the server is told of a connection whose tenant is suspended while it is open."""
        hooli = Tenant.objects.get(slug="hooli")
        sent: list[Any] = []

        async def note(event: Any) -> None:
            sent.append(event)

        async def play() -> None:
            scope = {"type": "websocket", "path": "/", "headers": [(b"host", b"hooli.saas.test")]}
            serving = asyncio.create_task(TenantMiddleware(inner)(scope, nobody, note))
            await until(lambda: _is(1, asyncio.sleep(0, len(sent))))
            await asyncio.to_thread(lifecycle.suspend, hooli)
            await asyncio.wait_for(serving, 5)
            await sync_to_async(connections.close_all)()

        try:
            asyncio.run(play())
        finally:
            lifecycle.resume(hooli)
        return [(event["type"], event.get("code")) for event in sent]

    ENDED: ClassVar = [("websocket.accept", None), ("websocket.close", 4403)]

    def test_nothing_is_said_behind_the_close(self) -> None:
        """What is told to a client that was told to close does not reach the server, which would call it a mistake."""

        async def chatty(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "websocket.accept"})
            await asyncio.sleep(2)
            await send({"type": "websocket.send", "text": "Are you there?"})
            await send({"type": "websocket.close", "code": 1000})

        assert self.end(chatty) == self.ENDED

    def test_consumer_that_does_not_end(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A consumer that goes on behind the close is cancelled after a while."""
        monkeypatch.setattr(ours, "GRACE_S", 0.2)
        cancelled: list[Any] = []

        async def deaf(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "websocket.accept"})
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.append(current_tenant())

        assert self.end(deaf) == self.ENDED
        assert [tenant.slug for tenant in cancelled] == ["hooli"]

    def test_trusted_page(self, settings: Any) -> None:
        """CSRF_TRUSTED_ORIGINS names pages of other hosts that may open connections."""
        settings.CSRF_TRUSTED_ORIGINS = ["https://www.saas.test"]
        headers = [(b"host", b"hooli.saas.test"), (b"origin", b"https://www.saas.test")]
        assert self.refuse(headers=headers) == (True, None)

    def test_secure_page(self) -> None:
        """The page of a connection over TLS is one over TLS."""
        headers = [(b"host", b"hooli.saas.test"), (b"origin", b"https://hooli.saas.test")]
        assert self.refuse(headers=headers, scheme="wss") == (True, None)
        assert self.refuse(headers=headers, scheme="ws") == (False, 4403)

    @pytest.mark.parametrize(
        ("scope", "words"),
        [
            ({"type": "websocket", "session": {}}, "around AuthMiddlewareStack"),
            ({"type": "channel"}, "type 'channel'"),
            ({"type": "http"}, "type 'http'"),
        ],
    )
    def test_mistakes(self, scope: dict[str, Any], words: str) -> None:
        """A session that was looked up before the tenant is known, and what is no websocket, are errors that say so."""
        with pytest.raises(ConfigError, match=words):
            asyncio.run(TenantMiddleware(nobody)(scope, nobody, nobody))


async def nobody(*args: Any) -> Any:
    """What must not be called."""
    raise AssertionError


def test_group() -> None:
    """A group's name holds its tenant's id; without a tenant there is none."""
    names = set()
    for slug in SLUGS:
        tenant = Tenant.objects.get(slug=slug)
        with tenant_context(tenant):
            assert group("desk") == f"tenant.{tenant.pk}.desk"
            names.add(group("desk"))
    assert len(names) == 3
    with pytest.raises(NoCurrentTenant, match="'desk'"):
        group("desk")
