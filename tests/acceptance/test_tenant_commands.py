"""The life of a tenant from the command line, as an operator types it: real processes, two databases, exit codes."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from example_project.demo.databases import fresh
from example_project.demo.server import ROOT, manage
from tools import postgres

SETTINGS = "tests.acceptance.settings"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project() -> Iterator[None]:
    """A project with an empty registry."""
    with fresh(postgres.ensure(), "harbor_desk_commands") as urls, pytest.MonkeyPatch.context() as patch:
        for variable, url in urls.items():
            patch.setenv(variable, url)
        manage(SETTINGS, "migrate", "--verbosity=0")
        yield


def tenant(*arguments: str, code: int = 0) -> str:
    """What `manage.py tenant ...` prints on its standard output; with another exit code, what it prints as error."""
    done = subprocess.run(
        [sys.executable, "-m", "django", "tenant", *arguments],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": SETTINGS},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == code, f"tenant {' '.join(arguments)}: {done.stdout}{done.stderr}"
    return done.stderr if code else done.stdout


def listed() -> dict[str, dict[str, Any]]:
    """The tenants by slug, as `tenant list --json` prints them."""
    return {row["slug"]: row for row in json.loads(tenant("list", "--json"))}


def status(slug: str) -> tuple[str, str, str]:
    """Status, database and schema of a tenant."""
    row = listed()[slug]
    return row["status"], row["db"], row["schema_name"]


def names(slug: str) -> list[str]:
    """The users in a tenant, each named by its witness."""
    code = "from django.contrib.auth.models import User; print(*User.objects.values_list('username', flat=True))"
    return tenant("run", slug, "--", "shell", "--verbosity=0", "--command", code).split()


def add(slug: str, name: str) -> None:
    code = f"from django.contrib.auth.models import User; User.objects.create_user({name!r})"
    tenant("run", slug, "--", "shell", "--verbosity=0", "--command", code)


def test_life(project: None, tmp_path: Path) -> None:
    """Created, cloned, moved, exported, renamed, deleted, restored, purged: a tenant has its own rows only."""
    tenant("create", "Acme", "--slug", "acme", "--db", "default", "--domain", "help.acme.test")
    tenant("create", "Globex", "--schema", "g1", "--db", "shard2")
    assert (status("acme"), status("globex")) == (("active", "default", "acme"), ("active", "shard2", "g1"))
    assert "is taken" in tenant("create", "Acme", code=1)
    for slug in ("acme", "globex"):
        add(slug, f"{slug}-ada")

    tenant("suspend", "acme")
    assert status("acme")[0] == "suspended"
    tenant("run", "acme", "--", "check", code=1)
    tenant("resume", "acme")

    tenant("clone", "acme", "Acme Two")
    assert status("acme-two")[0] == "active"
    add("acme-two", "two-bob")
    assert (names("acme"), names("acme-two")) == (["acme-ada"], ["acme-ada", "two-bob"])

    tenant("move", "acme", "--to", "shard2")
    assert status("acme") == ("active", "shard2", "acme")
    assert names("acme") == ["acme-ada"]

    archive = tmp_path / "acme.zip"
    tenant("export", "acme", "--output", str(archive))
    tenant("import", str(archive), "--name", "Acme Three", "--db", "default")
    assert status("acme-three")[:2] == ("active", "default")
    assert names("acme-three") == ["acme-ada"]

    tenant("rename", "acme", "--slug", "acme-inc")
    assert status("acme-inc") == ("active", "shard2", "acme")

    assert "help.acme.test" in tenant("domain", "list", "acme-inc")
    tenant("domain", "add", "acme-inc", "Support.Acme.Test")
    tenant("domain", "remove", "acme-inc", "help.acme.test")
    said = tenant("domain", "list", "acme-inc")
    assert ("support.acme.test" in said, "help.acme.test" in said) == (True, False)
    tenant("domain", "add", "globex", "SUPPORT.acme.test.", code=1)

    tenant("delete", "acme-inc", code=2)
    tenant("delete", "acme-inc", "--yes-really=globex", code=2)
    assert status("acme-inc")[0] == "active"
    tenant("delete", "acme-inc", "--yes-really=acme-inc")
    assert status("acme-inc")[0] == "deleting"
    tenant("run", "acme-inc", "--", "check", code=1)
    tenant("create", "Other", "--slug", "acme-inc", code=1)
    tenant("restore", "acme-inc")
    assert names("acme-inc") == ["acme-ada"]

    tenant("purge", "acme-inc", "--yes-really=acme-inc", code=1)
    tenant("delete", "acme-inc", "--yes-really=acme-inc")
    tenant("purge", "acme-inc", "--yes-really=acme-inc")
    assert sorted(listed()) == ["acme-three", "acme-two", "globex"]
    tenant("create", "Acme", "--slug", "acme-inc", "--schema", "acme", "--db", "shard2")
    assert names("acme-inc") == []

    assert names("globex") == ["globex-ada"]
    tenant("migrate", "--all")
    assert json.loads(tenant("check", "--all", "--json")) == []
    tenant("status")
    tenant("show", "globex")
    assert "nobody" in tenant("show", "nobody", code=2)


def weigh(patch: pytest.MonkeyPatch, **weights: float) -> None:
    """Have the next processes begin with these weights."""
    patch.setenv("WEIGHTS", json.dumps(weights))


def homes(slugs: list[str]) -> set[str]:
    """The databases that tenants are in; all of them are active."""
    rows = [row for slug, row in listed().items() if slug in slugs]
    assert {row["status"] for row in rows} == {"active"}
    return {row["db"] for row in rows}


def in_all(code: str) -> list[str]:
    """What code prints in every tenant, each line behind the tenant's slug."""
    imports = "from django.contrib.auth.models import User; from tenancy import current_tenant; "
    return sorted(tenant("run", "--all", "--", "shell", "--verbosity=0", "--command", imports + code).splitlines())


def test_many_databases(project: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A team empties a database, evens out what it has, and goes on where it was killed."""
    for number, db in enumerate(("default", "default", "default", "shard2")):
        tenant("create", f"grows-{number}", "--db", db)
    slugs = sorted(listed())
    in_all("User.objects.create_user('of-' + current_tenant().slug)")
    told = {row["alias"]: row for row in json.loads(tenant("databases", "--json"))}
    assert [(told[db]["ready"], told[db]["weight"]) for db in ("default", "shard2")] == [(True, 1), (True, 1)]

    assert "give it the weight 0" in tenant("drain", "--db", "default", code=2)
    weigh(monkeypatch, default=0, shard2=1)
    assert "could go to shard2" in tenant("drain", "--db", "default", "--dry-run")
    assert len(homes(slugs)) == 2
    killed = subprocess.Popen(
        [sys.executable, "-m", "django", "tenant", "drain", "--db", "default"],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": SETTINGS},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert killed.stdout is not None
    assert "moved to shard2" in killed.stdout.readline()
    killed.kill()
    killed.communicate()
    assert "No tenant is in default any more." in tenant("drain", "--db", "default", "--parallel", "2")
    assert homes(slugs) == {"shard2"}
    assert json.loads(tenant("drain", "--db", "default", "--json")) == []

    weigh(monkeypatch, default=1, shard2=1)
    planned = json.loads(tenant("rebalance", "--plan", "--by", "tenants", "--json"))
    number = len(planned["moves"])
    assert number == len(slugs) // 2
    tenant("rebalance", "--apply", "--by", "tenants", "--limit", "1")
    said = tenant("rebalance", "--apply", "--by", "tenants", "--parallel", "2")
    assert f"{number - 1} tenants: {number - 1} moved" in said
    assert homes(slugs) == {"default", "shard2"}
    assert "Nothing is to be moved." in tenant("rebalance", "--apply", "--by", "tenants")
    tenant("rebalance", "--plan", "--by", "no.such", code=2)
    assert in_all("print(User.objects.filter(username__startswith='of-').get())") == [
        f"{slug}: of-{slug}" for slug in slugs
    ]
    tenant("purge", "--status", "active", "--leftovers", "--yes-really=ALL")
    assert json.loads(tenant("check", "--all", "--json")) == []

    monkeypatch.setenv("DATABASE_URL_SHARD2", "postgres://nobody@127.0.0.1:1/nowhere")
    told = {row["alias"]: row for row in json.loads(tenant("databases", "--json"))}
    assert [told[db]["reachable"] for db in ("default", "shard2")] == [True, False]
    assert "does not answer" in tenant("rebalance", "--apply", code=1)
    weigh(monkeypatch, default=1, shard2=0)
    assert "does not answer" in tenant("drain", "--db", "shard2", code=2)
