"""A tenant goes into a file and comes back: as it was, wherever; and a file that is not whole is refused."""

import json
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from django.core.management import call_command
from django.db import connections, transaction

from django_schemas.digests import digests_of
from django_schemas.inventory import inventory_of
from django_schemas.schemas import schema_exists
from tenancy import lifecycle, tenant_context
from tenancy.exceptions import ArchiveInvalid, ProvisioningFailed, TenantExists, TenantNotActive
from tenancy.lifecycle.resuming import resume_work
from tenancy.models import Tenant
from tests.apps.garage.models import Tag
from tests.integration.django_schemas.conftest import write_migrations  # noqa: F401  # a fixture
from tests.integration.tenancy import test_kill_matrix as matrix
from tests.integration.tenancy.test_kill_matrix import small, tenant  # noqa: F401  # a fixture

pytestmark = pytest.mark.usefixtures("committed")


@pytest.fixture
def source(tenants: Any, committed: None) -> Iterator[Tenant]:
    """A tenant with rows; what is named after it is purged behind the test."""
    made = Tenant.objects.create(name="Origin", db="default", settings={"plan": "gold"})
    lifecycle.add_domain(made, "origin.example")
    with tenant_context(made):
        Tag.objects.update(witness="orig\\in\n\t")
    yield made
    for each in Tenant.objects.filter(name__in=("Origin", "Copy")):
        lifecycle.delete(each)
        lifecycle.purge(each)


@pytest.fixture
def archive(source: Tenant, tmp_path: Path) -> Path:
    """The source's archive."""
    lifecycle.export(source, tmp_path / "origin.zip")
    return tmp_path / "origin.zip"


def digests(of: Tenant) -> Any:
    with transaction.atomic(using=of.db):
        connection = connections[of.db]
        return digests_of(connection, of.schema_name, inventory_of(connection, of.schema_name).roots.values())


@pytest.mark.parametrize("db", ["default", "shard2"])
def test_round_trip(source: Tenant, archive: Path, db: str) -> None:
    """Each table comes back equal, in either database, with the settings; the next id is a fresh one; no host comes."""
    copy = lifecycle.import_(archive, "Copy", db=db)
    found = Tenant.objects.get(slug="copy")
    assert (found.status, found.work, found.settings, found.db) == ("active", None, {"plan": "gold"}, db)
    assert digests(copy) == digests(source)
    assert list(copy.domains.all()) == []
    with tenant_context(found):
        newest = max(Tag.objects.values_list("pk", flat=True))
        assert Tag.objects.create(name="new").pk > newest


def test_as_it_was(source: Tenant, archive: Path) -> None:
    """Without another name it is what it was, once that is purged, and not as long as it is there."""
    with pytest.raises(TenantExists):
        lifecycle.import_(archive)
    before = digests(source)
    lifecycle.delete(source)
    lifecycle.purge(source)
    back = lifecycle.import_(archive)
    assert (back.name, back.slug, digests(back)) == ("Origin", "origin", before)


def test_manifest(source: Tenant, archive: Path) -> None:
    """It tells of what, when, by what and how much; and nobody but its owner may read it."""
    with ZipFile(archive) as zipped:
        manifest = json.loads(zipped.read("manifest.json"))
        members = sorted(zipped.namelist())
    assert set(manifest) == {
        "kind", "format", "package", "django", "postgresql", "exported_at", "environment", "tenant", "migrations",
        "tables", "sequences",
    }  # fmt: skip
    assert manifest["tenant"]["domains"] == [{"host": "origin.example", "primary": False, "redirects": False}]
    assert members == sorted(["manifest.json", *(table["member"] for table in manifest["tables"])])
    assert {table["name"]: table["rows"] for table in manifest["tables"]} == {
        name: digest.rows for name, digest in digests(source).items()
    }
    assert (archive.stat().st_mode & 0o777, [path.name for path in archive.parent.iterdir()]) == (0o600, ["origin.zip"])


def test_suspended_and_deleted(source: Tenant, tmp_path: Path) -> None:
    """One that is suspended is exported, one that is deleted is not, and leaves no file."""
    lifecycle.suspend(source)
    lifecycle.export(source, tmp_path / "suspended.zip")
    lifecycle.delete(source)
    with pytest.raises(TenantNotActive):
        lifecycle.export(source, tmp_path / "deleted.zip")
    assert [path.name for path in tmp_path.iterdir()] == ["suspended.zip"]


def test_failed_export_leaves_no_file(source: Tenant, tmp_path: Path) -> None:
    """What was there under that name stays."""
    (tmp_path / "origin.zip").write_text("older")

    def fail(*args: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lifecycle.export(source, tmp_path / "origin.zip", progress=fail)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("origin.zip", "older")]


def rewritten(archive: Path, change: Callable[[str, bytes], bytes | None]) -> None:
    """Write an archive anew, each member as `change` gives it; None: without it."""
    with ZipFile(archive) as zipped:
        members = {name: zipped.read(name) for name in zipped.namelist()}
    with ZipFile(archive, "w") as zipped:
        for name, content in members.items():
            changed = change(name, content)
            if changed is not None:
                zipped.writestr(name, changed)


def manifest_with(archive: Path, **changes: Any) -> None:
    rewritten(
        archive,
        lambda name, content: (
            json.dumps({**json.loads(content), **changes}).encode() if name == "manifest.json" else content
        ),
    )


def member_of(archive: Path, table: str) -> str:
    with ZipFile(archive) as zipped:
        manifest = json.loads(zipped.read("manifest.json"))
    return next(each["member"] for each in manifest["tables"] if each["name"] == table)


def flip(archive: Path) -> None:
    with ZipFile(archive) as zipped:
        start = zipped.getinfo(member_of(archive, "auth_permission")).header_offset
    content = bytearray(archive.read_bytes())
    content[start + 100] ^= 0xFF  # Behind the member's header, in its rows.
    archive.write_bytes(content)


def tamper(archive: Path) -> None:
    wanted = member_of(archive, "garage_tag")
    rewritten(archive, lambda name, content: content.replace(b"orig", b"evil") if name == wanted else content)


def lengthen(archive: Path) -> None:
    wanted = member_of(archive, "garage_tag")
    rewritten(archive, lambda name, content: content + content if name == wanted else content)


def lose(archive: Path) -> None:
    wanted = member_of(archive, "garage_tag")
    rewritten(archive, lambda name, content: None if name == wanted else content)


@pytest.mark.parametrize(
    "damage",
    [
        lambda archive: archive.write_bytes(archive.read_bytes()[:-1000]),
        lambda archive: archive.write_bytes(b""),
        lambda archive: archive.write_text("no zip"),
        lambda archive: archive.unlink(),
        flip,
        tamper,
        lengthen,
        lose,
        lambda archive: rewritten(archive, lambda name, content: None if name == "manifest.json" else content),
        lambda archive: rewritten(archive, lambda name, content: b"[]" if name == "manifest.json" else content),
        lambda archive: manifest_with(archive, kind="other"),
        lambda archive: manifest_with(archive, format=99),
        lambda archive: manifest_with(archive, environment="depot"),
        lambda archive: manifest_with(archive, tenant={"name": "x"}),
        lambda archive: manifest_with(archive, tables=[{"name": "garage_tag"}]),
        lambda archive: manifest_with(archive, sequences=None),
    ],
)
def test_what_is_not_whole_is_refused(archive: Path, damage: Callable[[Path], None]) -> None:
    """Damaged, cut off, changed or somebody else's: an error that names the file, no row and no schema."""
    damage(archive)
    with pytest.raises(ArchiveInvalid, match=r"origin\.zip"):
        lifecycle.import_(archive, "Copy", db="shard2")
    assert not Tenant.objects.filter(name="Copy").exists()
    assert not schema_exists("shard2", "copy")


def test_names_in_an_archive_are_not_trusted(archive: Path, tmp_path: Path) -> None:
    """A table's name is a name, not SQL; one that migrations do not make is refused; a member's name is no path."""
    with ZipFile(archive) as zipped:
        tables = json.loads(zipped.read("manifest.json"))["tables"]
        content = zipped.read(tables[0]["member"])
    tables[0] |= {"name": 'x"; DROP SCHEMA origin CASCADE; --', "member": "../../evil"}
    manifest_with(archive, tables=tables)
    with ZipFile(archive, "a") as zipped:
        zipped.writestr("../../evil", content)
    with pytest.raises(ProvisioningFailed, match="DROP SCHEMA"):
        lifecycle.import_(archive, "Copy", db="default")
    assert schema_exists("default", "origin")
    assert not schema_exists("default", "copy")
    assert not list(tmp_path.parent.rglob("evil"))


def test_newer_code(source: Tenant, archive: Path, write_migrations: Any) -> None:  # noqa: F811
    """Where there are migrations that the archive does not know, they run on what it brought."""
    write_migrations(
        _0003_later="""
        class Migration(migrations.Migration):
            dependencies = []
            operations = [migrations.AddField("tag", "later", models.IntegerField(default=7))]
        """
    )
    copy = lifecycle.import_(archive, "Copy", db="shard2")
    with connections["shard2"].cursor() as cursor:
        cursor.execute("SELECT witness, later FROM copy.garage_tag")
        assert cursor.fetchall() == [("orig\\in\n\t", 7)]
    assert copy.status == "active"


def test_file_that_is_gone(source: Tenant, archive: Path) -> None:
    """An import that is to go on without its file says so, and can be deleted."""
    Tenant(name="Copy", db="shard2", work={"kind": "import", "path": str(archive)}).save()
    archive.unlink()
    copy = Tenant.objects.get(slug="copy")
    with pytest.raises(ProvisioningFailed, match=r"origin\.zip can't be read"):
        resume_work(copy)
    assert Tenant.objects.get(slug="copy").status == "failed"


def test_commands(source: Tenant, tmp_path: Path) -> None:
    """Both say what they did, and what they wrote and made is there."""
    out = StringIO()
    call_command("tenant", "export", "origin", "--output", str(tmp_path / "o.zip"), stdout=out)
    call_command("tenant", "import", str(tmp_path / "o.zip"), "--name", "Copy", "--db", "shard2", stdout=out)
    lines = out.getvalue().splitlines()
    assert lines[0].startswith(f"Tenant origin is in {tmp_path}/o.zip: ")
    assert lines[1].startswith("Tenant copy is active: shard2.copy, ")


@pytest.mark.filterwarnings("ignore:Overriding setting DATABASES")
@pytest.mark.parametrize("anywhere", [False, pytest.param(True, marks=pytest.mark.long)])
@pytest.mark.parametrize("db", ["default", "shard2"])
def test_killed(small: None, tmp_path: Path, db: str, anywhere: bool) -> None:  # noqa: F811
    """At a sample of the points at which it can be cut off, or at all, an import ends whole or gone."""
    path = str(tmp_path / "bystander.zip")
    tenant("export", "bystander-default", "--output", path)

    def act(db: str) -> None:
        tenant("import", path, "--name", "Doomed", "--db", db)

    assert matrix.wrong_ends(matrix.making(act), db, anywhere) == []
