"""Other people's apps work unmodified in tenants, and keep them apart: what docs/apps.md says of each."""

import json
import os
import re
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.apps_of_others.project import ROOT, Project, made_project

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
INSIDE = HERE / "inside"
PAGE = (ROOT / "docs" / "apps.md").read_text()
APPS = sorted(path.stem for path in INSIDE.glob("[a-z]*.py") if path.stem != "conftest")
TABLE = re.findall(r"^\| `([\w-]+)` ([\d.]+) \|", PAGE, re.MULTILINE)


@pytest.fixture(scope="session")
def installed() -> None:
    """Skip the test where the apps are missing, but fail in CI."""
    try:
        for name, _ in TABLE:
            version(name)
    except PackageNotFoundError as error:
        complain = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        complain(f"{error}: make apps")


@pytest.fixture(scope="session")
def project(installed: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """The project, with its three tenants, which are made by the blueprint of the first."""
    with made_project(f"apps_{os.getpid()}", tmp_path_factory.mktemp("files")) as made:
        made.manage("migrate", "-v0")
        made.shell("from tests.apps_of_others.fill import make; make()")
        yield made


@pytest.fixture(scope="session")
def told(project: Project, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What failed of the tests that run in the project, and what was run, by app."""
    report = tmp_path_factory.mktemp("report") / "report.xml"
    options = [f"--junitxml={report}", "--confcutdir=tests/apps_of_others", "--override-ini=addopts="]
    paths = [str(INSIDE / f"{app}.py") for app in APPS]
    said = project.run(
        *("-m", "pytest", "-p", "tests.audit.plugin", "--ds=tests.apps_of_others.settings"),
        *(*options, "-p", "no:cacheprovider", *paths),
        code=None,
    )
    assert report.exists(), said
    found: dict[str, list[str]] = {app: [] for app in APPS}
    for case in ElementTree.parse(report).iter("testcase"):
        problems = [each.text or "" for each in case if each.tag in ("failure", "error", "skipped")]
        found[case.attrib["classname"].rpartition(".")[2]].append("\n".join(problems))
    return found


@pytest.mark.parametrize("app", APPS)
def test_app(app: str, told: dict[str, list[str]]) -> None:
    """The app does what it is for, in three tenants with the same keys in two databases."""
    assert told[app], "nothing was run"
    assert "\n".join(filter(None, told[app])) == ""


def test_versions(installed: None) -> None:
    """The table on the page names the versions that are tested here."""
    assert {name: version(name) for name, _ in TABLE} == dict(TABLE)


SNIPPETS = [
    block
    for block in re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    if not block.startswith(("DATABASE_ENVIRONMENTS", "WAGTAILSEARCH_BACKENDS"))
]


@pytest.mark.parametrize("block", SNIPPETS)
def test_snippets(block: str) -> None:
    """What the page tells to write stands in the project, line by line."""
    written = {line.split("  #")[0].strip() for path in HERE.rglob("*.py") for line in path.read_text().splitlines()}
    assert {line.split("  #")[0].strip() for line in block.splitlines()} - written == set()


def test_checks(project: Project) -> None:
    """With what the page says to set there is nothing to warn of."""
    assert "no issues" in project.manage("check")


COMMITTED = """
from django.db.transaction import TransactionManagementError
from tenancy import tenant_context
from tenancy.models import Tenant
from tests.apps_of_others.inside.conftest import Browser
from tests.apps_of_others.inside.wagtail import add, home
from wagtail.models import Page

initech = Tenant.objects.get(slug="initech")
made = add(Browser(initech, root=True), slug="kept")
with tenant_context(initech):
    try:
        home().add_child(instance=Page(title="lost"))
    except TransactionManagementError:
        print("refused")
print(Browser(initech).get("/kept/").status_code, Browser(initech, root=True).post(
    f"/cms/pages/{made.pk}/delete/").status_code, Browser(initech).get("/kept/").status_code)
"""


def test_transactions(project: Project) -> None:
    """In another database than "default", requests are atomic where that is set; treebeard refuses what is not."""
    assert project.shell(COMMITTED).strip().splitlines()[-2:] == ["refused", "200 302 404"]


def counted(project: Project, slug: str) -> dict[str, int]:
    """How many rows a tenant has of what somebody may lose, or not be given."""
    code = (
        "import json; from django.apps import apps; found = [m for m in apps.get_models() if m._meta.managed "
        "and not m._meta.proxy and m._meta.app_label != 'tenancy' and m._meta.label != 'admin.LogEntry']; "
        "print(json.dumps({m._meta.label: m._base_manager.count() for m in found}))"
    )
    said = project.manage("tenant", "run", slug, "--", "shell", "-v0", "-c", code)
    found: dict[str, int] = json.loads(said.strip().splitlines()[-1])
    return found


TOKENS = """
from datetime import timedelta
from django.contrib.auth.models import User
from django.utils import timezone
from allauth.account.models import EmailAddress, EmailConfirmation
from oauth2_provider.models import AccessToken, Application
from rest_framework.authtoken.models import Token
from tenancy import tenant_context
from tenancy.models import Tenant
from wagtail.models import APIToken

with tenant_context(Tenant.objects.get(slug="acme")):
    ada = User.objects.get(username="ada")
    Token.objects.create(user=ada)
    EmailConfirmation.create(EmailAddress.objects.get()).save()
    later = timezone.now() + timedelta(days=1)
    AccessToken.objects.create(user=ada, token="token", expires=later)
    APIToken.objects.create(user=ada, name="mine", key_hash="x", prefix="x")
"""
NOT_CLONED = {"account.EmailConfirmation", "authtoken.Token", "oauth2_provider.AccessToken", "wagtailcore.APIToken"}


@pytest.mark.long
def test_copies(project: Project, tmp_path: Path) -> None:
    """A tenant with all of them is cloned and archived: all rows are there, but for tokens in the clone."""
    project.shell(TOKENS)
    own = counted(project, "acme")
    project.manage("tenant", "clone", "acme", "Acme Two", "--db", "shard2")
    cloned = counted(project, "acme-two")
    missing = {label for label, number in own.items() if cloned[label] != number}
    assert missing == NOT_CLONED
    assert {cloned[label] for label in NOT_CLONED} == {0}
    archive = tmp_path / "acme.zip"
    project.manage("tenant", "export", "acme", "--output", str(archive))
    project.manage("tenant", "import", str(archive), "--name", "Acme Three")
    assert counted(project, "acme-three") == own
    assert "0 findings" in project.manage("tenant", "check", "--all")


@pytest.mark.long
def test_adoption(installed: None, tmp_path: Path) -> None:
    """A project with tenants takes them up: `tenant migrate` gives them to each, and a new tenant has the same."""
    with made_project(f"apps_before_{os.getpid()}", tmp_path) as project:
        project.manage("migrate", "-v0", settings="settings_before")
        for slug, db in (("acme", "default"), ("initech", "shard2")):
            project.manage("tenant", "create", slug.title(), "--slug", slug, "--db", db, settings="settings_before")
        project.manage("migrate", "-v0")
        assert "2 migrated" in project.manage("tenant", "migrate", "--all")
        project.manage("tenant", "create", "Globex", "--slug", "globex", "--db", "default")
        assert "0 findings" in project.manage("tenant", "check", "--all")
        assert counted(project, "acme") == counted(project, "initech") == counted(project, "globex")
