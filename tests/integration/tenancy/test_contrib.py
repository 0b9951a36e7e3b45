"""Caches and files of one tenant: the keys that are made, and the names that lead nowhere else."""

import contextlib
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache, caches
from django.core.exceptions import SuspiciousFileOperation
from django.core.files.base import ContentFile
from django.core.files.storage import Storage, default_storage
from django.db.migrations.writer import MigrationWriter
from django.http import Http404
from django.test import RequestFactory

from tenancy import tenant_context
from tenancy.contrib.cache import clear, make_key, reverse_key
from tenancy.contrib.media import serve
from tenancy.contrib.storage import TenantStorage
from tenancy.exceptions import NoCurrentTenant
from tenancy.models import Tenant

pytestmark = pytest.mark.django_db(databases="__all__")


def test_keys(hooli: Tenant, vehement: Tenant) -> None:
    """A key holds its tenant's id, or none, and what it was made of is had back; two can't be made one."""
    made = [make_key("a:1:b", "site", 1)]
    for tenant in (hooli, vehement):
        with tenant_context(tenant):
            made.append(make_key("a:1:b", "site", 1))
    assert made == [f"site:{owner}:1:a:1:b" for owner in ("", hooli.pk, vehement.pk)]
    assert {reverse_key(key) for key in made} == {"a:1:b"}


@pytest.fixture(params=["the file system", "memory"])
def storage(request: Any, settings: Any, tmp_path: Path) -> Storage:
    settings.MEDIA_ROOT = tmp_path
    settings.MEDIA_URL = "/media/"
    backend = {"the file system": "FileSystemStorage", "memory": "InMemoryStorage"}[request.param]
    options = {"backend": f"django.core.files.storage.{backend}"}
    settings.STORAGES = {"default": {"BACKEND": "tenancy.contrib.storage.TenantStorage", "OPTIONS": options}}
    return default_storage


def save(storage: Storage, text: str, name: str = "a/b.txt") -> str:
    return storage.save(name, ContentFile(text.encode()))


def test_files(storage: Storage, hooli: Tenant, vehement: Tenant) -> None:
    """One name is another file for each tenant, and on the public host, by whatever it is asked for."""
    assert save(storage, "public") == "a/b.txt"
    for tenant in (hooli, vehement):
        with tenant_context(tenant):
            assert not storage.exists("a/b.txt")
            with pytest.raises(FileNotFoundError):
                storage.open("a/b.txt")
            assert save(storage, tenant.slug) == "a/b.txt"
            assert save(storage, "again").startswith("a/b_")
    for tenant in (hooli, vehement):
        with tenant_context(tenant):
            with storage.open("a/b.txt") as file:
                assert file.read() == tenant.slug.encode()
            assert storage.size("a/b.txt") == len(tenant.slug)
            assert (storage.listdir("")[0], len(storage.listdir("a")[1])) == (["a"], 2)
            assert storage.url("a/b.txt") == f"/media/tenants/{tenant.pk}/a/b.txt"
            assert storage.get_modified_time("a/b.txt") >= storage.get_created_time("a/b.txt")
            assert storage.get_accessed_time("a/b.txt")
    with tenant_context(hooli):
        storage.delete("a/b.txt")
        with pytest.raises(ValueError, match="name must be given"):
            storage.delete("")
    assert storage.exists("a/b.txt")
    with tenant_context(vehement):
        assert storage.exists("a/b.txt")


NAMES = [
    "../a.txt", "a/../../b.txt", "/etc/passwd", "..", "a/..", "..\\a.txt", "\\a.txt", "a\\..\\..\\b", "//a", "a\x00b",
    "../{neighbour}/a/b.txt", "../../public/a/b.txt", "./../{neighbour}/a/b.txt",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_names_that_lead_out(storage: Storage, hooli: Tenant, vehement: Tenant, name: str) -> None:
    """A name that leads out of the folder is refused, whatever is done with it."""
    with tenant_context(vehement):
        save(storage, "vehement")
    name = name.format(neighbour=vehement.pk)
    with tenant_context(hooli):
        for way in (storage.open, storage.exists, storage.delete, storage.size, storage.url, storage.listdir):
            with pytest.raises(SuspiciousFileOperation):
                way(name)
        with pytest.raises(SuspiciousFileOperation):
            save(storage, "hooli", name)
    with tenant_context(vehement), storage.open("a/b.txt") as file:
        assert file.read() == b"vehement"


def test_path(settings: Any, tmp_path: Path, hooli: Tenant) -> None:
    """In the file system a file has a path, in the tenant's folder."""
    settings.MEDIA_ROOT = tmp_path
    with tenant_context(hooli):
        assert TenantStorage().path("a.txt") == str(tmp_path / "tenants" / str(hooli.pk) / "a.txt")


def test_field() -> None:
    """A storage that a field is given can be written into a migration."""
    written, imports = MigrationWriter.serialize(TenantStorage(options={"location": "/srv"}))
    assert written == "tenancy.contrib.storage.TenantStorage(options={'location': '/srv'})"
    assert imports == {"import tenancy.contrib.storage"}


def test_urls_of_ones_own(settings: Any, tmp_path: Path, hooli: Tenant) -> None:
    """With a base URL, the URL of a file holds its name alone."""
    settings.MEDIA_ROOT = tmp_path
    storage = TenantStorage(base_url="/files/")
    with tenant_context(hooli):
        assert storage.url("a b/ü.txt") == "/files/a%20b/%C3%BC.txt"
        with pytest.raises(SuspiciousFileOperation):
            storage.url("../b.txt")
    assert MigrationWriter.serialize(storage)[0].endswith("TenantStorage(base_url='/files/')")


def asked(name: str, **headers: str) -> Any:
    return serve(RequestFactory().get("/", headers=headers), name)


def test_media(storage: Storage, hooli: Tenant, vehement: Tenant) -> None:
    """A tenant's file is served to that tenant; another's, a folder, and what leads out are not there."""
    for tenant in (hooli, vehement):
        with tenant_context(tenant):
            save(storage, tenant.slug, "a/b.txt")
            save(storage, "<script>", f"{tenant.slug}.html")
    with tenant_context(hooli):
        answer = asked("a/b.txt")
        assert (answer.status_code, b"".join(answer)) == (200, b"hooli")
        assert answer.headers["Content-Disposition"] == 'inline; filename="b.txt"'
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert asked("a/b.txt", if_modified_since=answer.headers["Last-Modified"]).status_code == 304
        answer.close()
        for name in ("vehement.html", "a", "a/b.txt/c", f"../{vehement.pk}/a/b.txt", "/a/b.txt", "a/c.txt", "\x00"):
            with pytest.raises(Http404):
                asked(name)
    assert serve(RequestFactory().post("/"), "a/b.txt").status_code == 405
    with pytest.raises(Http404):
        asked("a/b.txt")


@pytest.mark.parametrize(
    ("name", "shown"),
    [("a.png", True), ("a.pdf", True), ("a.txt", True), ("a.svg", False), ("a.html", False), ("a", False)],
)
def test_media_that_might_be_run(storage: Storage, hooli: Tenant, name: str, shown: bool) -> None:
    """What a browser might run is sent to be saved."""
    with tenant_context(hooli):
        save(storage, "x", name)
        with contextlib.closing(asked(name)) as answer:
            assert answer.headers["Content-Disposition"].startswith("inline" if shown else "attachment")


CACHES = {
    "memory": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "tenants"},
    "redis": {"BACKEND": "django.core.cache.backends.redis.RedisCache"},
    "django-redis": {"BACKEND": "django_redis.cache.RedisCache"},
}
KEYS = {
    "KEY_FUNCTION": "tenancy.contrib.cache.make_key",
    "REVERSE_KEY_FUNCTION": "tenancy.contrib.cache.reverse_key",
    "KEY_PREFIX": "a[*]?",
}


@pytest.mark.parametrize("kind", CACHES)
def test_clearing(kind: str, settings: Any, redis_url: str, hooli: Tenant, vehement: Tenant) -> None:
    """A tenant's values are cleared, and nobody else's."""
    location = {} if kind == "memory" else {"LOCATION": redis_url}
    settings.CACHES = {"default": {**CACHES[kind], **location, **KEYS}}
    everybody = [None, hooli, vehement]
    for tenant in everybody:
        with tenant_context(tenant) if tenant else contextlib.nullcontext():
            cache.set_many({"a": 1, "b": 2, "*": 3})
    with tenant_context(hooli):
        assert clear(caches["default"]) == 3
    found = []
    for tenant in everybody:
        with tenant_context(tenant) if tenant else contextlib.nullcontext():
            found.append(len(cache.get_many(["a", "b", "*"])))
    assert found == [3, 0, 3]
    with pytest.raises(NoCurrentTenant):
        clear(caches["default"])
    caches["default"].clear()


def test_clearing_what_lists_no_keys(settings: Any, hooli: Tenant) -> None:
    """Where a tenant's values can't be found, that is said, and nothing is cleared."""
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache", **KEYS}}
    with tenant_context(hooli), pytest.raises(TypeError, match="DummyCache can't list its keys"):
        clear(caches["default"])
