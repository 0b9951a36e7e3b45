"""The project: its databases, and its commands, which are run as a person types them."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.adoption.project import made_database

__all__ = ["Project", "made_project"]

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "tests.apps_of_others"


@dataclass(frozen=True)
class Project:
    """Two databases, and a folder for files."""

    default: str
    shard2: str
    files: Path

    def run(self, *words: str, settings: str = "settings", code: int | None = 0) -> str:
        """Run a Python program to its end, and return what it says; `code` is what it must exit with, if given."""
        named = {"APPS_DEFAULT": self.default, "APPS_SHARD2": self.shard2, "APPS_FILES": str(self.files)}
        done = subprocess.run(
            [sys.executable, *words],
            cwd=ROOT,
            env={**os.environ, **named, "DJANGO_SETTINGS_MODULE": f"{PACKAGE}.{settings}"},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        assert code is None or done.returncode == code, f"{' '.join(words)}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def manage(self, *words: str, settings: str = "settings") -> str:
        """Run a command of Django's."""
        return self.run("-m", "django", *words, settings=settings)

    def shell(self, statements: str) -> str:
        """Run statements of Python in the project."""
        return self.manage("shell", "-v0", "-c", statements)


@contextmanager
def made_project(name: str, files: Path) -> Iterator[Project]:
    """A project with empty databases, which are dropped behind the block."""
    with ExitStack() as stack:
        default, shard2 = (stack.enter_context(made_database(f"{name}_{each}")) for each in ("default", "shard2"))
        yield Project(default, shard2, files)
