"""What the pages on observability and on settings say is so: snippets run, and each metric that is named is told."""

import logging.config
import re
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, connections

from tenancy import tenant_context
from tenancy.contrib import metrics
from tenancy.contrib.comments import comment
from tenancy.models import FleetRun, Tenant

pytestmark = pytest.mark.django_db(databases="__all__")

DOCS = Path(__file__).resolve().parents[3] / "docs"
PAGES = {name: (DOCS / f"{name}.md").read_text() for name in ("observability", "settings-per-tenant")}


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGES[page], re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES)
def test_python(page: str) -> None:
    """What is called Python is Python, and what it imports is there."""
    for block in blocks(page, "python"):
        compile(block.replace("...]", "]").replace(", ...}", "}").replace("    ...\n", ""), page, "exec")
        for line in re.findall(r"^(?:from|import) .*$", block, re.MULTILINE):
            exec(line)


def test_logging(capfd: Any, hooli: Tenant) -> None:
    """The configuration is taken, and a line names its tenant."""
    (block,) = [each for each in blocks("observability", "python") if "LOGGING" in each]
    names: dict[str, Any] = {}
    exec(block, names)
    root = logging.getLogger()
    former, level = root.handlers[:], root.level
    try:
        logging.config.dictConfig(names["LOGGING"])
        with tenant_context(hooli):
            logging.getLogger("desk").warning("hello")
    finally:
        root.handlers[:] = former
        root.setLevel(level)
    assert "WARNING desk tenant=hooli hello\n" in capfd.readouterr().err


def test_metrics(settings: Any, monkeypatch: pytest.MonkeyPatch, hooli: Tenant) -> None:
    """The table names all metrics with their labels, and the alerts no others."""
    settings.TENANCY = {**settings.TENANCY, "POOL": 1}
    monkeypatch.setitem(connections["default"].settings_dict, "MAX_CONNECTIONS", 1000)
    FleetRun.objects.create(total=1)
    Tenant.objects.filter(pk=hooli.pk).update(work={"kind": "move"})
    told = metrics.text()
    samples = re.findall(r"^(tenancy_\w+)(\{.*?\})? ", told, re.MULTILINE)
    labels = {name: ", ".join(re.findall(r"(\w+)=", pairs)) for name, pairs in samples}
    table = set(re.findall(r"`(tenancy_[^`]*)`", PAGES["observability"]))
    there = {f"{name}{{{names}}}" if names else name for name, names in labels.items()}
    assert table == there
    alerts = set(re.findall(r"tenancy_\w+", "".join(blocks("observability", "yaml"))))
    assert alerts <= set(labels)


def test_who_holds_what(hooli: Tenant, monkeypatch: Any) -> None:
    """The query of pg_stat_activity finds the tenant of a statement: here of itself."""
    (query,) = [each for each in blocks("observability", "sql") if "pg_stat_activity" in each]
    monkeypatch.setattr(connections["default"], "remark", comment)
    with tenant_context(hooli), connection.cursor() as cursor:
        cursor.execute(query.strip().rstrip(";"))
        found = [row[0] for row in cursor.fetchall()]
    assert "hooli" in found
