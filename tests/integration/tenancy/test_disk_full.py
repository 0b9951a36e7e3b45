"""Every step of a tenant's life can find the disk of its database full, sooner or later: it ends with an error that
says so, and once there is space again the tenant ends whole or gone, and nothing else was touched.

The disk is a real one, of a few megabytes: how much of it is left decides where it is full.
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from django.db import DatabaseError, connections

from django_schemas import Placement
from django_schemas.schemas import drop_schema
from tenancy import lifecycle
from tenancy.models import Tenant
from tenancy.ownership import schemas_owned
from tests.faults import Outcome, run
from tests.faults.servers import small_disk, without_space
from tests.integration.tenancy.test_kill_matrix import (
    AS_IT_WAS,
    STEPS,
    Step,
    again,
    away,
    create,
    making,
    resume,
    small,  # noqa: F401  # a fixture
    tenant,
    what_is_wrong,
)
from tools.postgres import another_primary

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("disk", "small"),
    pytest.mark.filterwarnings("ignore:Overriding setting DATABASES"),
]

DB, ROOMY = "shard2", "default"
"""The database whose disk becomes full, and the other, which has the registry too."""
PAGE_KB = 8
FULL = ("No space left on device", "could not write init file")
"""What PostgreSQL says then; the second to whoever connects, if the catalog was changed before."""


@pytest.fixture(scope="module")
def small_server() -> Iterator[tuple[int, Path]]:
    """The port of a server of its own, and a small disk with a database on it: a standby could not follow."""
    with another_primary() as (server, programs), small_disk("48m", server.data) as disk:
        port = server.start(programs)
        with closing(psycopg2.connect(host="127.0.0.1", port=port, user="postgres", dbname="postgres")) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(f"CREATE TABLESPACE small LOCATION '{disk}'")
                cursor.execute("CREATE DATABASE small TABLESPACE small")
        yield port, disk


@pytest.fixture
def disk(tenants: Any, committed: None, small_server: tuple[int, Path]) -> Iterator[Path]:
    """The small disk, with the database on it in the place of the one that there is."""
    port, disk = small_server
    connections[DB].close()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(connections[DB].settings_dict, "PORT", port)
        patch.setitem(connections[DB].settings_dict, "NAME", "small")
        yield disk
        connections[DB].close()


def clone(db: str) -> None:
    tenant("clone", f"bystander-{ROOMY}", "Doomed", "--db", db)


def move_to(db: str) -> None:
    tenant("move", "doomed", "--to", db)


def create_elsewhere(db: str) -> None:
    create(ROOMY if db == DB else DB)


def moving(act: Callable[[str], None]) -> Step:
    """A move, behind which the former schema is dropped, in whatever way."""

    def settled(go_on: Callable[[str], None]) -> Callable[[str], None]:
        def settle(db: str) -> None:
            go_on(db)
            lifecycle.drop_leftovers(Tenant.objects.get(name="Doomed"))

        return settle

    return Step(
        (create_elsewhere,),
        act,
        {
            "resume": (settled(resume), {AS_IT_WAS}),
            "retry": (settled(lambda db: again(partial(act, db))), {AS_IT_WAS}),
            "delete": (lambda db: (settled(resume)(db), away())[1], {"gone"}),
        },
    )


ACTS: dict[str, tuple[Step, str]] = {
    **{name: (step, DB) for name, step in STEPS.items()},
    "clone": (making(clone), DB),
    "move to": (moving(move_to), DB),
    "move away": (moving(move_to), ROOMY),
}


def can_be_dropped(place: Placement) -> bool:
    """Whether there is space for dropping a schema, which is done then."""
    try:
        drop_schema(place.db, place.schema)
    except DatabaseError as error:
        connections[place.db].close()
        return not any(words in str(error) for words in FULL)
    return True


def wrong_ends(disk: Path, step: Step, db: str, by_kb: int, needs_space: bool) -> list[str]:
    """What does not end well of a step that has no space, and so much more each time until it has enough, going on in
    one of the ways by turns.
    """
    wrong, errors = [], []

    def break_it(act: Callable[[], None]) -> Outcome:
        with without_space(disk, by_kb * len(errors)):
            outcome = run(act)
            found = Tenant.objects.filter(name="Doomed").first()
            left = schemas_owned(found) if found is not None and found.status == "failed" else []
            if any(map(can_be_dropped, left)):
                wrong.append(f"{found.status_reason}, but there are {left}")
        errors.append(outcome.error)
        return outcome

    for way in cycle(step.ways):
        found = what_is_wrong(step, db, way, break_it)
        if found is not None:
            wrong.append(f"with {by_kb * (len(errors) - 1)} KB: {found}")
        if not errors[-1]:
            break
    wrong += [error for error in errors if error and not any(words in error for words in FULL)]
    print(f"on {db}: {len(errors) - 1} times without space, {len(wrong)} wrong")
    if needs_space:
        assert len(errors) > 1
    return wrong


@pytest.mark.parametrize("by_kb", [48, pytest.param(PAGE_KB, marks=pytest.mark.long)], ids=["some", "each page"])
@pytest.mark.parametrize("name", ACTS)
def test_full_disk(disk: Path, name: str, by_kb: int) -> None:
    """Full at once, and later and later."""
    step, db = ACTS[name]
    assert wrong_ends(disk, step, db, by_kb, name in ("create", "clone", "move to")) == []


@pytest.mark.parametrize("by_kb", [48, pytest.param(PAGE_KB, marks=pytest.mark.long)], ids=["some", "each page"])
def test_full_disk_of_an_import(disk: Path, tmp_path: Path, by_kb: int) -> None:
    """An import needs a file: the same."""
    path = str(tmp_path / "bystander.zip")
    tenant("export", f"bystander-{ROOMY}", "--output", path)
    step = making(lambda db: tenant("import", path, "--name", "Doomed", "--db", db))
    assert wrong_ends(disk, step, DB, by_kb, True) == []
