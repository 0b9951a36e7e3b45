"""Every step of a tenant's life can find the disk of its database full, sooner or later: it ends with an error that
says so, and once there is space again the tenant ends whole or gone, and nothing else was touched.

The disk is a real one, of a few megabytes: how much of it is left decides where it is full.
"""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from tenancy import lifecycle
from tenancy.models import Tenant
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

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("crowded", "small"),
    pytest.mark.filterwarnings("ignore:Overriding setting DATABASES"),
]

DB, ROOMY = "shard2", "default"
"""The database whose disk becomes full, and the other, which has the registry too."""
PAGE_KB = 8
FULL = ("No space left on device", "could not write init file")
"""What PostgreSQL says then; the second to whoever connects, if the catalog was changed before."""


@pytest.fixture(scope="module")
def disk(schemas: Any, django_db_blocker: Any) -> Iterator[Path]:
    """A small disk with a database on it."""
    with django_db_blocker.unblock():
        with connections[DB].cursor() as cursor:
            cursor.execute("SHOW data_directory")
            data = Path(cursor.fetchone()[0])
            if not data.exists():
                pytest.skip("the server's disk is another machine's")
            with small_disk("48m", data) as disk:
                cursor.execute(f"CREATE TABLESPACE small LOCATION '{disk}'")
                try:
                    cursor.execute("CREATE DATABASE small TABLESPACE small")
                    yield disk
                finally:
                    connections[DB].close()
                    with connections[DB].cursor() as cursor:
                        cursor.execute("DROP DATABASE IF EXISTS small WITH (FORCE)")
                        cursor.execute("DROP TABLESPACE small")
                    connections[DB].close()


@pytest.fixture
def crowded(tenants: Any, committed: None, disk: Path) -> Iterator[None]:
    """The database on the small disk, in the place of the one that there is."""
    connections[DB].close()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(connections[DB].settings_dict, "NAME", "small")
        yield
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


def wrong_ends(disk: Path, step: Step, db: str, by_kb: int, needs_space: bool) -> list[str]:
    """What does not end well of a step that has no space, and so much more each time until it has enough, going on in
    one of the ways by turns.
    """
    wrong, errors = [], []

    def break_it(act: Callable[[], None]) -> Outcome:
        with without_space(disk, by_kb * len(errors)):
            outcome = run(act)
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
