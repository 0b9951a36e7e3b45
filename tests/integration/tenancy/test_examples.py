"""The examples of the command line, in its help and in the documentation, do what they say."""

import os
import re
import shlex
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command, load_command_class
from django.db import connections

from tenancy.management.tenant import SUBCOMMANDS
from tenancy.models import Tenant

pytestmark = pytest.mark.django_db(databases="__all__")

ROOT = Path(__file__).resolve().parents[3]
DOCUMENTED = re.findall(r"^manage\.py tenant (.*)$", (ROOT / "docs" / "commands.md").read_text(), re.MULTILINE)
PAGES = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
OWN = [example for subcommand in SUBCOMMANDS for example in subcommand.examples]
BEFORE = {
    "resume": "suspended",
    "restore": "deleting",
    "purge": "deleting",
    "provision": "failed",
    "cancel": "provisioning",
}
"""What tenants have to be for a subcommand to have something to do."""


COMMITS = ("adopt", "clone", "drain", "export", "import", "move", "rebalance", "roles")
"""Subcommands that work on connections of their own, which see nothing of a test's transaction, or need logins: run
elsewhere.
"""
EXAMPLES = sorted({*DOCUMENTED, *OWN})


@pytest.mark.parametrize("example", [each for each in EXAMPLES if each.startswith(COMMITS)])
def test_arguments(example: str) -> None:
    """What is run elsewhere is at least spelt right here."""
    parser = load_command_class("tenancy", "tenant").create_parser("manage.py", "tenant")
    assert parser.parse_args(shlex.split(example)).subcommand == example.split()[0]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_of_a_page(page: Path) -> None:
    """Whatever a page tells to type after `manage.py tenant` is spelt right."""
    parser = load_command_class("tenancy", "tenant").create_parser("manage.py", "tenant")
    for line in page.read_text().splitlines():
        for typed in re.findall(r"manage\.py tenant ([a-z][^`|#\\]*)", line):
            words = shlex.split(re.split(" (?:->|<|>) ", typed)[0])
            assert words[0] in {each.name for each in SUBCOMMANDS}, typed
            # One word alone names it; dots and brackets stand for whatever follows.
            if len(words) > 1 and "..." not in words and "[" not in typed:
                parser.parse_args(words)


@pytest.mark.parametrize("example", [each for each in EXAMPLES if not each.startswith(COMMITS)])
def test_example(tenants: Any, example: str, tmp_path: Any, monkeypatch: Any, capsys: Any) -> None:
    """Typed as it stands, it succeeds."""
    (tmp_path / "customers.json").write_text("[]")
    monkeypatch.chdir(tmp_path)
    ours = example.replace(" --parallel 4", "").replace("helpdesk 0007", "garage 0002")
    words = shlex.split(ours.partition(" < ")[0].partition(" > ")[0])
    confirmed = [] if words[0] not in ("delete",) else ["--yes-really=acme"]
    # The name that is given must not be taken.
    for old, new in (("hooli", "acme"), ("vehement", "globex")) if words[0] != "create" else ():
        Tenant.objects.filter(slug=old).update(slug=new, settings={"plan": "trial"})
    Tenant.objects.update(status=BEFORE.get(words[0], "active"))
    _disown_fixtures()
    if "--resume" in words:
        call_command("tenant", "migrate", "--all", stdout=StringIO())
    with open(os.devnull) as nothing:
        monkeypatch.setattr("sys.stdin", nothing)
        call_command("tenant", *words, *confirmed, stdout=StringIO(), stderr=StringIO())


def _disown_fixtures() -> None:
    """Schemas that other tests use are no tenant's: `check` would tell."""
    for db, schema in (("default", "acme"), ("default", "globex"), ("shard2", "initech")):
        with connections[db].cursor() as cursor:
            cursor.execute(f"COMMENT ON SCHEMA {schema} IS NULL")


@pytest.mark.parametrize("subcommand", [each for each in SUBCOMMANDS if each.examples], ids=lambda each: each.name)
def test_help(subcommand: Any, capsys: Any) -> None:
    """The help of each subcommand shows its examples; the page has one as well."""
    with pytest.raises(SystemExit) as caught:
        call_command("tenant", subcommand.name, "--help")
    assert caught.value.code == 0
    said = capsys.readouterr().out
    assert all(f"manage.py tenant {example}" in said for example in subcommand.examples)
    assert subcommand.help.split(".")[0].split()[0] in said
    assert any(example.split()[0] == subcommand.name for example in DOCUMENTED)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("migrat", "Did you mean `tenant migrate`"),
        ("purgee", "Did you mean `tenant purge`"),
        ("xyz", "lists them"),
        ("acme", "lists them"),
    ],
)
def test_typos(word: str, message: str) -> None:
    """The nearest subcommand is suggested."""
    with pytest.raises(CommandError, match=message):
        call_command("tenant", word)
