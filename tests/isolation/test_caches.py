"""What a process remembers for all that it serves: content types, sites, permissions, caches, sessions, files; by
threads and tasks that go from tenant to tenant. The tenants' content types have other ids, everything else has the
same keys and names, so that whatever is somebody else's gives itself away.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from random import Random
from threading import get_ident

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth.models import Permission, User
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.backends.base import CreateError
from django.contrib.sites.models import Site
from django.core.cache import cache
from django.core.files.base import ContentFile
from django.db import connections
from django.template import Context, engines
from django.test import Client, override_settings

from django_schemas import schema_cursor
from tenancy import tenant_context
from tenancy.contrib.storage import TenantStorage
from tenancy.models import Tenant
from tests.apps.garage.models import Owner
from tests.integration.django_schemas.standby import REPLICA, catch_up
from tests.isolation.conftest import Towns

LOCAL = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "isolation", "TIMEOUT": 3600}
APART = {"KEY_FUNCTION": "tenancy.contrib.cache.make_key", "REVERSE_KEY_FUNCTION": "tenancy.contrib.cache.reverse_key"}
USED = {
    "CACHES": {"default": {**LOCAL, **APART}},
    "ROOT_URLCONF": "tests.apps.site.urls_cached",
    "SITE_ID": 1,
    "SESSION_ENGINE": "django.contrib.sessions.backends.cache",
}
PERMISSIONS = ("garage.add_car", "garage.change_car", "garage.delete_car", "garage.view_car")
SESSION = "k" * 32
ON_ONE_HOST = {"host": "api.test", "x-word": "sesame"}


@pytest.fixture
def tenants(towns: Towns, tmp_path: Path) -> Iterator[list[Tenant]]:
    """Four, in two databases, whose caches are in one place."""
    made = towns(4)
    for number, tenant in enumerate(made):
        with schema_cursor(tenant.db, tenant.schema_name) as cursor:
            cursor.execute("UPDATE django_content_type SET id = id + %s", [1000 * number])
            cursor.execute("UPDATE auth_permission SET id = id + %s", [500 * number])
            cursor.execute("UPDATE auth_permission SET content_type_id = content_type_id + %s", [1000 * number])
        with tenant_context(tenant):
            Site.objects.update(domain=f"{tenant.slug}.test", name=tenant.slug)
            user = User.objects.create(pk=7, username="ada")
            label, codename = PERMISSIONS[number].split(".")
            user.user_permissions.add(Permission.objects.get(content_type__app_label=label, codename=codename))
    ContentType.objects.clear_cache()
    Site.objects.clear_cache()
    if REPLICA in settings.DATABASES:
        catch_up()
    with override_settings(**USED, MEDIA_ROOT=tmp_path):
        cache.clear()
        yield made
        cache.clear()


class Visitor:
    """One that goes from tenant to tenant and asks for what is remembered.

    Args:
        number: of the thread.
        tenants: where it goes.

    Attributes:
        wrong: how often it got what is another tenant's, or nothing, by what it asked for.
        done: how often it asked.
    """

    def __init__(self, number: int, tenants: list[Tenant]) -> None:
        self.random = Random(number)
        self.tenants = tenants
        self.storage = TenantStorage()
        self.client = Client()
        self.wrong = Counter[str]()
        self.done = Counter[str]()

    def run(self, steps: int) -> None:
        ways = [name for name in WAYS for _ in range(1 if name in SLOW else 4)]
        try:
            for _ in range(steps):
                number = self.random.randrange(len(self.tenants))
                name = self.random.choice(ways)
                self.wrong[name] += not WAYS[name](self, self.tenants[number], number)
                self.done[name] += 1
        finally:
            connections.close_all()

    def content_type(self, tenant: Tenant, number: int) -> bool:
        with tenant_context(tenant):
            found = ContentType.objects.get_for_model(Owner)
            again = ContentType.objects.get_for_id(found.pk)
            near = 1000 * number < found.pk < 1000 * (number + 1)
            return near and again.model == "owner" and found._state.db.placement == tenant.placement

    def site(self, tenant: Tenant, number: int) -> bool:
        with tenant_context(tenant):
            return Site.objects.get_current().domain == f"{tenant.slug}.test"

    def permission(self, tenant: Tenant, number: int) -> bool:
        with tenant_context(tenant):
            user = User.objects.get(pk=7)
            return [user.has_perm(each) for each in PERMISSIONS] == [each == number for each in range(len(PERMISSIONS))]

    def value(self, tenant: Tenant, number: int) -> bool:
        with tenant_context(tenant):
            cache.set("greeting", tenant.slug, version=self.random.choice((None, 2)))
            cache.set_many({"one": tenant.slug, "two": tenant.slug})
            found = {*cache.get_many(["one", "two"]).values(), cache.get("greeting", tenant.slug)}
            return found == {tenant.slug} and cache.get_or_set("first", tenant.slug) == tenant.slug

    def fragment(self, tenant: Tenant, number: int) -> bool:
        template = engines["django"].from_string("{% load cache %}{% cache 60 box %}{{ slug }}{% endcache %}")
        with tenant_context(tenant):
            return bool(template.template.render(Context({"slug": tenant.slug})) == tenant.slug)

    def session(self, tenant: Tenant, number: int) -> bool:
        """A session of one key, as a cookie of another tenant may name: Django's own engine, by the key function."""
        store = import_module(settings.SESSION_ENGINE).SessionStore
        with tenant_context(tenant):
            session = store()
            if not session.exists(SESSION):
                session["owner"] = tenant.slug
                session._session_key = SESSION
                with suppress(CreateError):  # Another thread was faster.
                    session.save(must_create=True)
            return bool(store(SESSION).load() == {"owner": tenant.slug})

    def file(self, tenant: Tenant, number: int) -> bool:
        with tenant_context(tenant):
            # One for each thread: another would read it while it is being written.
            name = f"{get_ident()}.txt"
            if not self.storage.exists(f"invoices/{name}"):
                self.storage.save(f"invoices/{name}", ContentFile(tenant.slug.encode()))
            with self.storage.open(f"invoices/{name}") as file:
                mine = file.read() == tenant.slug.encode()
            _, files = self.storage.listdir("invoices")
            return mine and str(tenant.pk) in self.storage.path(f"invoices/{name}") and name in files

    def page(self, tenant: Tenant, number: int) -> bool:
        """Pages that are kept whole, and of which parts are, at one URL of one host for all."""
        path = self.random.choice(("/page/", "/parts/", "/aparts/"))
        response = self.client.get(path, headers={**ON_ONE_HOST, "x-tenant": tenant.slug})
        return response.content.decode() == tenant.slug


WAYS: dict[str, Callable[[Visitor, Tenant, int], bool]] = {
    "content types": Visitor.content_type,
    "sites": Visitor.site,
    "permissions": Visitor.permission,
    "values": Visitor.value,
    "fragments": Visitor.fragment,
    "sessions": Visitor.session,
    "files": Visitor.file,
    "pages": Visitor.page,
}
SLOW = ("permissions", "pages")


def check(tenants: list[Tenant], threads: int, steps: int) -> Counter[str]:
    """What was wrong, in so many threads of so many steps."""
    visitors = [Visitor(number, tenants) for number in range(threads)]
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda visitor: visitor.run(steps), visitors))
    done = sum((visitor.done for visitor in visitors), Counter[str]())
    print(dict(done))
    assert {*done} == {*WAYS}
    assert done.total() == threads * steps
    return sum((visitor.wrong for visitor in visitors), Counter[str]())


def test_threads(tenants: list[Tenant]) -> None:
    """Eight threads of a hundred steps: nothing is another's."""
    assert not check(tenants, 8, 100)


@pytest.mark.long
def test_threads_at_length(tenants: list[Tenant]) -> None:
    """Eight threads of four thousand."""
    assert not check(tenants, 8, 4_000)


def test_why_keys_need_it(tenants: list[Tenant]) -> None:
    """The same with Django's own keys, and its own storage: what is cached or stored is whoever's was first."""
    with override_settings(CACHES={"default": LOCAL}):
        wrong = check(tenants, 2, 100)
    assert {*wrong} == {"values", "fragments", "sessions", "pages"}


async def test_tasks(towns: Towns) -> None:
    """Tasks that take turns at each step read what their own tenant has, by the asynchronous calls too."""
    made = await sync_to_async(towns)(4)
    wrong = 0

    async def work(number: int) -> None:
        nonlocal wrong
        for step in range(20):
            tenant = made[(number + step) % 4]
            async with tenant_context(tenant):
                await cache.aset("greeting", tenant.slug)
                await asyncio.sleep(0)
                wrong += await cache.aget("greeting") != tenant.slug
                wrong += await cache.aget_or_set("first", tenant.slug) != tenant.slug

    with override_settings(**USED):
        await asyncio.gather(*(work(each) for each in range(20)))
        await cache.aclear()
    await sync_to_async(connections.close_all)()
    assert wrong == 0
