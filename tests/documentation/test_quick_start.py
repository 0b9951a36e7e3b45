"""The quick start of the README, followed to the letter in a project that was just made."""

import os
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.adoption.project import REPOSITORY, Project, made_database
from tests.documentation.blocks import blocks

pytestmark = pytest.mark.slow

README = blocks(pages=(REPOSITORY / "README.md",))
SETTINGS, MODELS, BOUND, MIXED = (block for block in README if block.language == "python")
COMMANDS = next(block for block in README if block.text.startswith("manage.py"))

SERVER = """
import environ
DATABASES["default"] |= {**environ.Env().db("DATABASE_URL"), "ENGINE": DATABASES["default"]["ENGINE"]}
SECRET_KEY, ROOT_URLCONF = "of nothing", "saas.urls_public"
"""
COMMENT = """


class Comment(models.Model):
    ticket = models.ForeignKey(Ticket, on_delete=models.CASCADE)

    class Meta:
        db_environment = "tenant"
"""
"""Which the README speaks of, and leaves to its reader."""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    files = {
        "saas/__init__.py": "",
        "saas/settings.py": SETTINGS.text + SERVER,
        "saas/urls_public.py": "urlpatterns = []",
        "tickets/__init__.py": "",
        "tickets/migrations/__init__.py": "",
        "tickets/models.py": MODELS.text + COMMENT,
    }
    with made_database(f"quick_start_{os.getpid()}") as url:
        yield Project(tmp_path, url, files)


def run(project: Project, more: str) -> str:
    """Run the block of bound models, and something behind it, in the shell of a project."""
    names = "from tenancy.models import Tenant; from tickets.models import *; tenant = Tenant.objects.get(slug='acme')"
    return project.manage("saas.settings", "shell", "-c", f"{names}\n{BOUND.text}\n{more}")


def test_quick_start(project: Project) -> None:
    """The commands make Acme; the code works there, a ticket of Acme's is nobody else's, and can't be mixed up."""
    for line in COMMANDS.text.splitlines():
        project.manage("saas.settings", *shlex.split(line, comments=True)[1:])
    project.manage("saas.settings", "tenant", "create", "Globex")
    counted = "print('counted', [Ticket.set_db('default', slug).objects.count() for slug in ('acme', 'globex')])"
    assert "counted [1, 0]" in run(project, counted)
    with pytest.raises(AssertionError, match="SchemaMismatch"):
        run(project, MIXED.text)
