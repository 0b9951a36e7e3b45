"""Projects that were made otherwise are adopted as docs/adopting.md says, with the real packages, and lose nothing."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest

from tests.adoption.files import PGSCHEMAS, PLAIN, TENANTS, commands
from tests.adoption.project import Project, asked, made_database, rows

PACKAGES = ("django-tenants==4.0.1", "django-pgschemas==1.1.1", "psycopg2-binary")
COUNT = "from hotels.models import Hotel; print([(hotel.pk, hotel.name, hotel.country.name, hotel.owner.username, " + (
    "list(hotel.tags.values_list('name', flat=True))) for hotel in Hotel.objects.order_by('pk')])"
)
FILL = (
    "from catalog.models import Country; from django.contrib.auth.models import User; from hotels.models import *\n"
    "Country.objects.create(name='Atlantis').delete()\n"
    "chile, ada = Country.objects.create(name='Chile'), User.objects.create(username='ada')\n"
    "for n in (1, 2): Hotel.objects.create(name=n, country=chile, owner=ada).tags.add(Tag.objects.create(name=n))"
)
FILLED = "[(1, '1', 'Chile', 'ada', ['1']), (2, '2', 'Chile', 'ada', ['2'])]"
ADD = (
    "from hotels.models import Hotel, Tag; old = Hotel.objects.order_by('pk').first(); "
    "print(Tag.objects.create(name='new').pk, "
    "Hotel.objects.create(name='new', country=old.country, owner=old.owner).pk)"
)


@pytest.fixture(scope="session")
def peers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python with the other packages, which are none of ours."""
    folder = tmp_path_factory.mktemp("peers")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / "bin" / "python"
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES]
    done = subprocess.run(install, capture_output=True, text=True)
    if done.returncode != 0:
        complain = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        complain(f"{', '.join(PACKAGES)} can't be installed, which takes a package index: {done.stderr[-1000:]}")
    return python


@pytest.fixture
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    with made_database(f"adoption_{os.getpid()}") as made:
        yield made


def last(said: str) -> str:
    """The last line: before it, the shell may tell what it imported."""
    return said.strip().splitlines()[-1]


def test_project_of_one_customer(tmp_path: Path, url: str) -> None:
    """A plain project's tables become the first tenant's, rows and keys and all; then there is nothing to migrate, new
    rows get the next keys, and a second tenant has none of them.
    """
    project = Project(tmp_path, url, PLAIN)
    project.manage("before", "makemigrations", "-v0", "catalog", "hotels")
    project.manage("before", "migrate", "-v0")
    project.manage("before", "shell", "-c", FILL)
    before = rows(url, "public")
    check, migrate, dry_run, adopt, migrate_tenants, show = commands("From a project with one customer")
    project.manage("after", *check)
    project.manage("after", *migrate)
    assert "13 tables would be moved" in project.manage("after", *dry_run)
    assert rows(url, "public") == before
    said = project.manage("after", *adopt).splitlines()
    assert (said[0], said[-1]) == ("acme: 13 tables moved from public to default.acme", "Stay in public: no tables")
    assert project.manage("after", *migrate_tenants) == "acme: nothing to migrate\n"
    assert project.manage("after", *show).splitlines()[1].split() == [
        "acme",
        "active",
        "default",
        "acme",
        "Acme",
        "Inc.",
    ]
    assert (rows(url, "acme"), rows(url, "public")) == (before, {})
    project.manage("after", "migrate", "--check")
    assert last(project.manage("after", "tenant", "run", "acme", "--", "shell", "-c", COUNT)) == FILLED
    assert last(project.manage("after", "tenant", "run", "acme", "--", "shell", "-c", ADD)) == "3 3"
    project.manage("after", "tenant", "check", "--all")
    project.manage("after", "tenant", "create", "Globex")
    assert last(project.manage("after", "tenant", "run", "globex", "--", "shell", "-c", COUNT)) == "[]"


def test_app_that_stays_shared(tmp_path: Path, url: str) -> None:
    """An app that is given an environment where it is stays there, with its records, and is referred to from there."""
    after = (
        PLAIN["after.py"]
        .replace('"catalog", "hotels"]', '"hotels"]')
        .replace('["registry", ', '["registry", "shared", ')
    )
    after += 'DATABASE_ENVIRONMENTS["shared"] = {"SCHEMA_NAME": "public", "APPS": ["catalog"]}\n'
    project = Project(tmp_path, url, {**PLAIN, "after.py": after})
    project.manage("before", "makemigrations", "-v0", "catalog", "hotels")
    project.manage("before", "migrate", "-v0")
    project.manage("before", "shell", "-c", FILL)
    before = rows(url, "public")
    project.manage("after", "check")
    project.manage("after", "migrate", "-v0")
    said = project.manage("after", "tenant", "adopt", "--from", "public", "Acme")
    assert said.splitlines()[-1] == "Stay in public: catalog_country"
    assert {**rows(url, "acme"), **rows(url, "public")} == before
    assert sorted(rows(url, "public")) == ["catalog_country"]
    assert asked(url, "SELECT DISTINCT app FROM public.django_migrations") == [("catalog",)]
    assert project.manage("after", "tenant", "migrate", "--all") == "acme: nothing to migrate\n"
    project.manage("after", "migrate", "--check")
    assert last(project.manage("after", "tenant", "run", "acme", "--", "shell", "-c", COUNT)) == FILLED


SCHEMAS = ("acme", "big_corp", "cyan")


def made_by(peers: Path, folder: Path, url: str, files: Any, *migrate: str) -> Project:
    """A project of another package, with three tenants in it."""
    project = Project(folder, url, files)
    for words in (["makemigrations", "-v0"], [*migrate, "-v0"], ["shell", "-c", "exec(open('fill.py').read())"]):
        project.manage("before", *words, python=peers)
    return project


def adopted(project: Project, url: str, section: str, *, killed: bool = False) -> None:
    """Take the steps of a section of the page, and show that nothing is lost."""
    before = {schema: rows(url, schema) for schema in ("public", *SCHEMAS)}
    check, migrate, dry_run, adopt, migrate_tenants, show = commands(section)
    project.manage("after", *check)
    project.manage("after", *migrate)
    assert project.manage("after", *dry_run).count(" would become ") == 3
    if killed:
        kill_in_the_second(project, url, adopt)
    said = project.manage("after", *adopt)
    assert ("acme: is acme's already" in said) == killed
    again = project.manage("after", *adopt)
    assert [f"{schema}: is {schema.replace('_', '-')}'s already" in again for schema in SCHEMAS] == [True] * 3
    *told, summary = project.manage("after", *migrate_tenants).splitlines()
    assert told == [f"{schema.replace('_', '-')}: nothing to migrate" for schema in SCHEMAS]
    assert "3 had nothing to do" in summary
    assert [line.split()[0] for line in project.manage("after", *show).splitlines()[1:]] == ["acme", "big-corp", "cyan"]
    project.manage("after", "migrate", "--check")
    for schema in SCHEMAS:
        assert rows(url, schema) == before[schema]
        slug = schema.replace("_", "-")
        assert last(project.manage("after", "tenant", "run", slug, "--", "shell", "-c", COUNT)) == str(
            [(n, f"{schema} {n - 1}", "Chile", f"admin-of-{schema}", [f"tag of {schema}"]) for n in (1, 2, 3)]
        )
    assert last(project.manage("after", "tenant", "run", "acme", "--", "shell", "-c", ADD)) == "4 4"
    project.manage("after", "tenant", "check", "--all")
    shared = rows(url, "public")
    assert {table: [row for row in shared[table] if row in kept] for table, kept in before["public"].items()} == (
        before["public"]
    )
    # What is made from now on is made by this package.
    project.manage("after", "tenant", "create", "Globex")
    assert sorted(rows(url, "globex")) == sorted(before["acme"])


@pytest.mark.slow
def test_django_tenants(peers: Path, tmp_path: Path, url: str) -> None:
    """The schemas of its tutorial become tenants, with their names and hosts; killed between two of them, the command
    has taken over the first and not begun the second, and the next run does what is left.
    """
    project = made_by(peers, tmp_path, url, TENANTS, "migrate_schemas", "--shared")
    adopted(project, url, "From django-tenants", killed=True)
    assert hosts(url) == [
        ("acme", "Acme Inc", "acme.my-domain.com", True, False),
        ("big-corp", "Big Corp", "big-corp.my-domain.com", True, False),
        ("cyan", "Cyan", "cyan.my-domain.com", True, False),
    ]


@pytest.mark.slow
def test_django_pgschemas(peers: Path, tmp_path: Path, url: str) -> None:
    """The schemas of its dynamic tenants become tenants; that of a static one is an environment's, with no adoption."""
    project = made_by(peers, tmp_path, url, PGSCHEMAS, "migrate")
    static = rows(url, "www")
    adopted(project, url, "From django-pgschemas")
    assert {table: kept for table, kept in rows(url, "www").items() if table != "auth_permission"} == {
        table: kept for table, kept in static.items() if table != "auth_permission"
    }
    assert hosts(url)[:2] == [
        ("acme", "Acme Inc", "acme.example.org", False, True),
        ("acme", "Acme Inc", "acme.my-domain.com", True, False),
    ]


def hosts(url: str) -> list[tuple[Any, ...]]:
    return asked(
        url,
        "SELECT t.slug, t.name, d.host, d.is_primary, d.redirects FROM tenancy_tenant t "
        "JOIN tenancy_domain d ON d.tenant_id = t.id ORDER BY t.slug, d.host",
    )


def kill_in_the_second(project: Project, url: str, words: list[str]) -> None:
    """Run a command that is killed as it writes the row of the second tenant, which is not committed then."""
    asked(
        url,
        "CREATE FUNCTION public.wait() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN IF NEW.slug = 'big-corp' THEN PERFORM pg_sleep(60); END IF; RETURN NEW; END $$; "
        "CREATE TRIGGER wait BEFORE INSERT ON public.tenancy_tenant FOR EACH ROW EXECUTE FUNCTION public.wait()",
    )
    process = subprocess.Popen(
        project.command(*words), cwd=project.folder, env=project.environ("after"), stdout=subprocess.PIPE
    )
    sleeping = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
    deadline = monotonic() + 60
    while not (pids := asked(url, sleeping)):
        assert monotonic() < deadline
        assert process.poll() is None
        sleep(0.05)
    process.kill()
    process.communicate()
    # Its session would notice as it wakes.
    asked(url, "SELECT pg_terminate_backend(%s, 5000)", pids[0])
    asked(url, "DROP FUNCTION public.wait() CASCADE")
    assert [slug for slug, *_ in hosts(url)] == ["acme"]
    marked = "SELECT nspname::text FROM pg_namespace WHERE obj_description(oid, 'pg_namespace') LIKE %s ORDER BY 1"
    assert asked(url, marked, ["django_schemas: environment tenant%"]) == [("acme",)]
