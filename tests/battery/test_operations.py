"""What the battery is worth: no operation of Django's is left out of it, and no difference goes unseen."""

from collections.abc import Iterator
from importlib import import_module
from inspect import getmembers, isclass
from pathlib import Path

import pytest
from django.contrib.postgres import operations as postgresql
from django.contrib.postgres.constraints import ExclusionConstraint
from django.db import migrations, models
from django.db.migrations import operations as usual
from django.db.migrations.operations.base import Operation

from .laboratory import Place, at_work, made, send
from .looks import differences, looks_of

FOLDER = Path(__file__).resolve().parents[1] / "apps"
LEFT_OUT = {
    # Each makes another extension as CreateExtension does, for those who have it.
    "BloomExtension",
    "BtreeGinExtension",
    "CITextExtension",
    "CryptoExtension",
    "HStoreExtension",
    "TrigramExtension",
    "UnaccentExtension",
    # What others are made of.
    "CollationOperation",
    "NotInTransactionMixin",
    "Operation",
}


def operations_in(folder: Path, package: str) -> Iterator[Operation]:
    for path in sorted(folder.glob("0*.py")):
        for operation in import_module(f"{package}.{path.stem}").Migration.operations:
            yield operation
            if isinstance(operation, migrations.SeparateDatabaseAndState):
                yield from (*operation.database_operations, *operation.state_operations)


@pytest.fixture(scope="module")
def ours() -> list[Operation]:
    return [
        operation
        for app in ("atelier", "annex")
        for operation in operations_in(FOLDER / app / "migrations", f"tests.apps.{app}.migrations")
    ]


def test_every_operation_is_in_it(ours: list[Operation]) -> None:
    """All of Django's operations, PostgreSQL's own included, and one of a project's own."""
    known = {
        name
        for module in (usual, postgresql)
        for name, each in getmembers(module, isclass)
        if issubclass(each, Operation) or name.endswith("Extension")
    }
    used = {type(operation).__name__ for operation in ours}
    assert known - used - LEFT_OUT == set()
    assert "Polish" in used
    assert len(ours) > 250


def test_every_kind_of_constraint_and_index_is_in_it(ours: list[Operation]) -> None:
    added = [operation for operation in ours if isinstance(operation, migrations.AddConstraint)]
    assert {type(each.constraint) for each in added} == {
        models.CheckConstraint,
        models.UniqueConstraint,
        ExclusionConstraint,
    }
    kinds = {type(each.index).__name__ for each in ours if isinstance(each, migrations.AddIndex)}
    assert kinds == {"Index", "BTreeIndex", "BrinIndex", "GinIndex", "GistIndex", "HashIndex", "SpGistIndex"}


TAMPERINGS = [
    "ALTER INDEX maker_name_born RENAME TO other",
    "DROP INDEX maker_name_born",
    "ALTER TABLE atelier_maker ADD COLUMN extra integer",
    "ALTER TABLE atelier_maker ALTER born SET NOT NULL",
    "ALTER TABLE atelier_maker ALTER apprentices SET DEFAULT 1",
    "ALTER TABLE atelier_maker ALTER apprentices TYPE integer",
    "ALTER TABLE atelier_maker DROP CONSTRAINT maker_named",
    "ALTER TABLE atelier_maker RENAME CONSTRAINT maker_named TO other",
    "ALTER TABLE atelier_maker ALTER id SET GENERATED ALWAYS",
    "ALTER TABLE atelier_maker SET (fillfactor = 50)",
    "ALTER TABLE atelier_maker ALTER name SET STORAGE MAIN",
    "ALTER TABLE atelier_maker ADD COLUMN late date; ALTER TABLE atelier_maker DROP COLUMN born;"
    "ALTER TABLE atelier_maker RENAME late TO born;"
    "COMMENT ON COLUMN atelier_maker.born IS 'By the parish''s register';"
    "CREATE INDEX maker_name_born ON atelier_maker (name, born DESC)",
    "COMMENT ON TABLE atelier_maker IS 'other'",
    "COMMENT ON INDEX maker_name_born IS 'other'",
    "SELECT nextval('atelier_maker_id_seq')",
    "ALTER SEQUENCE atelier_maker_id_seq INCREMENT 2",
    "UPDATE atelier_maker SET apprentices = 9 WHERE id = 1",
    "DELETE FROM atelier_ticket WHERE id = 1",
    "INSERT INTO django_migrations (app, name, applied) VALUES ('atelier', 'other', now())",
    "INSERT INTO django_content_type (app_label, model) VALUES ('atelier', 'other')",
    "CREATE VIEW other AS SELECT 1 AS one",
    "CREATE TYPE other AS ENUM ('one')",
    "CREATE DOMAIN other AS integer CHECK (VALUE > 1)",
    "CREATE SEQUENCE other",
    "CREATE COLLATION other (locale = 'C')",
    "CREATE FUNCTION other() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
]


@pytest.fixture(scope="module")
def tampered() -> Iterator[Place]:
    """A database of Django's own, with the first rows in it."""
    with made("battery_tampered") as url:
        with at_work("tests.battery.plain", url) as worker:
            worker.ask("django", point=["atelier", "0002_first_rows"])
        yield Place(url)


@pytest.mark.slow
def test_what_is_tampered_with_is_seen(tampered: Place) -> None:
    """Each single thing that is different is a difference of the looks."""
    (before,) = looks_of(tampered.url, ["public"])
    unseen = []
    for tampering in TAMPERINGS:
        with made("battery_copy", template="battery_tampered") as copy:
            send(Place(copy), tampering)
            if not differences(before, *looks_of(copy, ["public"])):
                unseen.append(tampering)
    assert unseen == []
