"""The isolation of schemas through a pooler, under load: no wrong row, and no error, where a search_path mixes them."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tests.pooler.bouncer import POOL_SIZE
from tests.pooler.load import READS, WRITES, Result
from tools import postgres

THREADS = 16

Load = Callable[..., Result]


@pytest.fixture
def load(bouncer: int, pytestconfig: pytest.Config) -> Load:
    """Runs the load in a process of its own, with a driver."""

    def run(driver: str, *arguments: Any) -> Result:
        command = [sys.executable, "-m", "tests.pooler.load", "--url", postgres.ensure().databases["default"]]
        done = subprocess.run(
            [*command, f"--port={bouncer}", f"--threads={THREADS}", *map(str, arguments)],
            cwd=pytestconfig.rootpath,
            env={**os.environ, "DRIVER": driver},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        print(driver, *arguments, done.stdout)
        return Result(**json.loads(done.stdout))

    return run


def spotless(result: Result, requests: int) -> Result:
    """What comes of a load in which all that was done is right."""
    done = THREADS * requests
    return Result(done * READS, done * WRITES, backends=POOL_SIZE, elapsed_s=result.elapsed_s)


@pytest.mark.parametrize("requests", [10, pytest.param(100, marks=pytest.mark.long)])
@pytest.mark.parametrize("mode", [[], ["--atomic"]], ids=["autocommit", "atomic"])
@pytest.mark.parametrize("driver", ["psycopg2", "psycopg3"])
def test_every_row_is_its_schemas_own(load: Load, driver: str, mode: list[str], requests: int) -> None:
    """A hundred reads and twenty writes of each thread, or ten times as many, while the search_path of the sessions is
    moved to and fro.
    """
    result = load(driver, *mode, f"--requests={requests}")
    assert result == spotless(result, requests)


@pytest.mark.parametrize(
    "options", [{"pool": {"min_size": 2, "max_size": 4}}, {"server_side_binding": True}], ids=["pool", "binding"]
)
def test_options_of_psycopg_3(load: Load, options: dict[str, Any]) -> None:
    """The driver's own pool before the pooler, and binding on the server, change nothing."""
    result = load("psycopg3", "--options", json.dumps(options), "--requests=10")
    assert result == spotless(result, 10)


@pytest.mark.parametrize("mode", [[], ["--atomic"]], ids=["autocommit", "atomic"])
@pytest.mark.parametrize("driver", ["psycopg2", "psycopg3"])
def test_control_mixes_schemas(load: Load, driver: str, mode: list[str]) -> None:
    """The same load finds wrong rows, read and written, where the schema is on the session's search_path."""
    result = load(driver, *mode, "--side=control", "--requests=10")
    assert result.wrong_reads > result.reads / 4
    assert result.wrong_rows > result.writes / 4
