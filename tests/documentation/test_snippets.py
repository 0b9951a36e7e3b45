"""Every block of Python in README.md and in docs/ runs, and does what the page says."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import django
import pytest

from tests.adoption.project import REPOSITORY, made_database
from tests.documentation.blocks import Block, blocks
from tests.documentation.configuring import NOT_INSTALLED
from tests.documentation.reader import AFTERWARDS, BEFORE, RUN_ELSEWHERE
from tests.settings import POSTGIS_MISSING

PYTHON = [block for block in blocks("python") if block.page not in RUN_ELSEWHERE]
NOT_RUN: dict[str, str] = {}
"""Blocks that are not run, by their ids, and why."""


@pytest.fixture(scope="session")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What is wrong with each block, by its id."""
    folder = tmp_path_factory.mktemp("documentation")
    shutil.copytree(Path(__file__).parent / "project", folder, dirs_exist_ok=True)
    name = f"snippets_{os.getpid()}"
    with (
        made_database(name) as url,
        made_database(f"{name}_shard2") as shard2,
        made_database(f"{name}_kept"),
        made_database(f"{name}_shard2_kept"),
    ):
        variables = {"DATABASE_URL": url, "DATABASE_URL_SHARD2": shard2, **environ(folder)}
        done = subprocess.run(
            [sys.executable, "-m", "tests.documentation"], cwd=folder, env=variables, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])  # Pages may print too.


def environ(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
    secrets = {"METRICS_TOKEN": "m" * 43, "SMTP_PASSWORD": "secret"}
    return {**kept, **secrets, "PYTHONPATH": os.pathsep.join([str(folder), str(REPOSITORY)])}


@pytest.mark.parametrize("block", PYTHON, ids=lambda block: block.id)
def test_snippet(block: Block, told: dict[str, str]) -> None:
    """It runs, or raises what its comment says; settings are known, and pass the checks."""
    if block.id in NOT_RUN:
        pytest.skip(NOT_RUN[block.id])
    if block.newer and block.newer > django.VERSION[:2]:
        pytest.skip(f"It is for Django {'.'.join(map(str, block.newer))}.")
    if "contrib.gis" in block.text and POSTGIS_MISSING:
        pytest.skip(f"PostGIS: {POSTGIS_MISSING}")
    assert not told[block.id], f"{block.page}, line {block.line}:\n{told[block.id]}"


@pytest.mark.parametrize("block", [block for block in PYTHON if not block.is_settings], ids=lambda block: block.id)
def test_functions_are_called(block: Block) -> None:
    """A function that a block only defines would prove nothing."""
    used = block.reads | replace(block, text=AFTERWARDS.get(block.id, "")).reads
    assert set(block.functions) <= used, f"{block.id}: call it in reader.AFTERWARDS"


def test_lists() -> None:
    """What is said of blocks is said of blocks that there are; what is not installed is on some page."""
    assert {*NOT_RUN, *BEFORE, *AFTERWARDS} <= {block.id for block in PYTHON}
    assert all(any(path in block.text for block in PYTHON) for path in NOT_INSTALLED)
