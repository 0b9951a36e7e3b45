"""The audit of statements itself: that it sees what is sent, and fails the test that sent it.

`raw_sql` fails where no fault is found, and the test fails where one is found outside of it: so each is an assertion.
"""

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from textwrap import dedent

import pytest
from django.db import DatabaseError, connections, transaction

from django_schemas import schema_cursor
from tests.apps.garage.witness import Place
from tests.audit.capture import raw_sql

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.django_db(databases="__all__")


def send(sql: str, db: str = "default") -> None:
    """Send a statement, and take back what it did; that it can't be carried out is all right."""
    with suppress(DatabaseError), transaction.atomic(using=db), connections[db].cursor() as cursor:
        cursor.execute(sql)
        transaction.set_rollback(True, using=db)


@pytest.mark.parametrize("db", ["default", "shard2"])
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) FROM garage_car",
        "DELETE FROM public.garage_note",
        "SELECT 1 FROM acme.garage_car JOIN globex.garage_car g ON true",
        "DROP INDEX garage_car_owner_id_89708cee",
        "SELECT nextval('garage_car_id_seq')",
        "SET CONSTRAINTS garage_car_owner_id_89708cee_fk_garage_owner_id IMMEDIATE",
        "SET search_path TO acme",
        "DO $$ BEGIN END $$ LANGUAGE plpgsql; DELETE FROM garage_note",
    ],
)
def test_faults_are_found(acme: Place, db: str, sql: str) -> None:
    """What is wrong is found on every database, names that only the catalog knows included."""
    with raw_sql("the audit is tested"):
        send(sql, db)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) FROM garage_car",
        "SELECT nextval('garage_car_id_seq')",
        "SET CONSTRAINTS garage_car_owner_id_89708cee_fk_garage_owner_id IMMEDIATE",
    ],
)
def test_search_path_makes_it_right(acme: Place, sql: str) -> None:
    """The same is right where search_path is a schema of the environment."""
    with schema_cursor("default", "acme") as cursor:
        cursor.execute(sql)
    with transaction.atomic(), connections["default"].cursor() as cursor:
        cursor.execute(f"SELECT set_config('search_path', 'acme', true); {sql}")


def test_what_the_server_refuses_too(acme: Place) -> None:
    """What is no SQL, or is sent in a transaction that has failed, does no harm."""
    send("SELECT FROM WHERE")
    with suppress(DatabaseError), transaction.atomic(), connections["default"].cursor() as cursor:
        with suppress(DatabaseError):
            cursor.execute("SELECT 1/0")
        cursor.execute("SELECT 1 FROM garage_car")


def test_many(acme: Place) -> None:
    """`executemany` is seen."""
    with raw_sql("the audit is tested"), connections["default"].cursor() as cursor:
        cursor.executemany("UPDATE garage_car SET name = %s WHERE id = %s", [["x", -1], ["y", -2]])


def test_connections_of_threads(acme: Place, committed: None) -> None:
    """Connections that other threads open are seen."""

    def work() -> None:
        with raw_sql("the audit is tested"):
            send("SELECT 1 FROM garage_car")
        connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(work).result()


def test_raw_sql_that_is_not_needed(acme: Place) -> None:
    """What is said to be on purpose must be there, so that no such word outlives its reason."""
    with pytest.raises(AssertionError, match=r"raw_sql\('nothing'\): take it away"), raw_sql("nothing"):
        acme.ada.refresh_from_db()


TESTS = """
    import subprocess
    import sys

    import pytest
    from django.db import DatabaseError, connections

    SQL = "SELECT 1 FROM garage_car"

    def send(sql=SQL):
        with pytest.raises(DatabaseError), connections["default"].cursor() as cursor:
            cursor.execute(sql)

    @pytest.fixture(autouse=True)
    def unblocked(django_db_blocker):
        with django_db_blocker.unblock():
            yield

    @pytest.fixture
    def wrong_before():
        send()

    @pytest.fixture
    def wrong_after():
        yield
        send()

    def test_right():
        send("SELECT 1 FROM acme.garage_no_car")

    def test_wrong():
        send()

    def test_wrong_before(wrong_before):
        pass

    def test_wrong_after(wrong_after):
        pass

    def test_process():
        source = (
            "import django; django.setup()\\n"
            "from django.db import connections\\n"
            f"connections['default'].cursor().execute('{SQL}')"
        )
        assert subprocess.run([sys.executable, "-c", source], capture_output=True).returncode == 1
"""


def test_tests_that_send_faults_fail(tmp_path: Path) -> None:
    """A test fails with what it, its fixtures or its processes sent wrong, and the summary counts it."""
    (tmp_path / "test_sending.py").write_text(dedent(TESTS).replace("\\\\", "\\"))
    options = "-m pytest -q -p tests.audit.plugin -p no:cacheprovider -c pyproject.toml --rootdir . -rA"
    # With CI set, pytest says everything twice.
    env = {name: value for name, value in os.environ.items() if name != "CI"}
    done = subprocess.run(
        [sys.executable, *options.split(), tmp_path], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    outcomes = dict(reversed(found) for found in re.findall(r"^(PASSED|FAILED|ERROR) \S+::(\w+)", done.stdout, re.M))
    assert outcomes == {
        "test_right": "PASSED",
        "test_wrong": "FAILED",
        "test_wrong_before": "ERROR",
        "test_wrong_after": "ERROR",
        "test_process": "FAILED",
    }, done.stdout
    assert done.stdout.count("table 'garage_car', on 'default': this statement names a table of an environment") == 4
    assert "4 statements, 2 distinct, 3 tables, 0 opaque, 0 on purpose, 3 violations" in done.stdout
    assert "1 other processes: 1 statements, 1 distinct, 1 tables, 0 opaque, 0 on purpose, 1 violations" in done.stdout
