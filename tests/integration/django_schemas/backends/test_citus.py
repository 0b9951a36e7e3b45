"""What is sent to a coordinator of Citus, as PostgreSQL without it sees it; and that it is sent to nobody else."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from copy import copy
from typing import Any

import pytest
from django.core.management.color import no_style
from django.db import connections, models, transaction
from django.db.migrations import RunSQL
from django.db.migrations.state import ProjectState
from django.test.utils import isolate_apps

from django_schemas.alias import SchemaAlias
from django_schemas.backends.citus.base import CitusConnection, over
from django_schemas.citus import check_servers
from django_schemas.exceptions import ConfigError
from django_schemas.migrations import flush, migrate
from django_schemas.schemas import make_schema, schema_exists
from django_schemas.search_path import local_search_path
from django_schemas.target import Target, target_is
from tests.apps.garage.models import Tag

pytestmark = pytest.mark.usefixtures("committed")
ALIAS = SchemaAlias("default", "acme", "tenant")
LONG = "t" * 40


@pytest.fixture
def coordinator() -> Iterator[Any]:
    """A connection to `default` that takes it for a coordinator."""
    plain: Any = connections["default"]
    made = type(plain)({**plain.settings_dict, "CITUS": True}, alias="default")
    yield made
    made.close()


def test_copy_of_a_connection(coordinator: Any) -> None:
    """A connection may be copied, as Django's own tests do, and stays what it is."""
    assert [type(copy(each)) for each in (coordinator, connections["default"])] == [
        type(coordinator),
        type(connections["default"]),
    ]


def model_of(table: str, **fields: Any) -> Any:
    return type(
        "Thing",
        (models.Model,),
        {"__module__": __name__, "Meta": type("Meta", (), {"app_label": "garage", "db_table": table}), **fields},
    )


def collected(coordinator: Any, do: Callable[[Any], Any]) -> list[str]:
    """The statements that a schema editor would send while a tenant's schema is migrated."""
    with target_is(Target("default", ALIAS, ("acme", "public"))), coordinator.schema_editor(collect_sql=True) as editor:
        do(editor)
    # What waits on a worker is checked before.
    return [
        sql
        for sql in editor.collected_sql
        if not sql.startswith(("SET CONSTRAINTS", "SELECT public.django_schemas_settle"))
    ]


def test_a_connection_that_says_citus_is_another() -> None:
    """And one that does not say so has nothing of it, nor pays for it."""
    plain: Any = connections["shard2"]
    assert not isinstance(plain, CitusConnection)
    made: Any = type(plain)({**plain.settings_dict, "CITUS": True}, alias="shard2")
    assert isinstance(made, CitusConnection)
    assert isinstance(made, type(plain))
    assert over(type(made)) is type(made)


@pytest.mark.parametrize("table", ["thing", LONG, "T" * 63])
@pytest.mark.parametrize(
    ("field", "kind"),
    [
        (models.PositiveIntegerField(default=1), "c"),
        (models.PositiveSmallIntegerField(null=True), "c"),
        (models.CharField(max_length=5, unique=True, null=True), "u"),
    ],
)
@isolate_apps("tests.apps.garage")
def test_constraints_are_named_as_postgresql_would(coordinator: Any, table: str, field: Any, kind: str) -> None:
    """What is added with a column bears the name that it gets where it is not named; a second one too."""
    model = model_of(table, number=models.IntegerField())
    for name in ("amount", "a" * 60):
        added = field.clone()
        added.set_attributes_from_name(name)
        added.model = model
        with transaction.atomic(using="default"), local_search_path(connections["default"], ("acme",)):
            with connections["default"].schema_editor() as editor:
                editor.create_model(model)
                editor.execute(
                    f'CREATE TABLE other (x int CONSTRAINT "{editor.quote_name("x")[1:-1]}_taken" CHECK (x > 0))'
                )
            with target_is(Target("default", ALIAS, ("acme",))):
                # On the connection that has the table.
                theirs = type(coordinator).SchemaEditorClass(connections["default"], collect_sql=True)
                with theirs:
                    theirs.add_field(model, added)
            with connections["default"].schema_editor() as editor:
                editor.add_field(model, added)
            with connections["default"].cursor() as cursor:
                cursor.execute(
                    "SELECT conname::text FROM pg_constraint WHERE conrelid = to_regclass(%s) AND contype = %s",
                    [f'"{table}"', kind],
                )
                ((given,),) = cursor.fetchall()
            transaction.set_rollback(True, using="default")
        (statement, *_) = theirs.collected_sql
        assert f'CONSTRAINT "{given}" ' in statement


@isolate_apps("tests.apps.garage")
def test_what_numbers_itself_is_made_anew(coordinator: Any) -> None:
    """In one statement, with what is to become of the column, beside which nothing is altered."""
    model = model_of("thing")
    old, new = model._meta.get_field("id"), models.BigAutoField(primary_key=True)
    new.set_attributes_from_name("id")
    new.model = model
    old_is_int = models.IntegerField(primary_key=True)
    old_is_int.set_attributes_from_name("id")
    old_is_int.model = model
    rebuilt, nothing = collected(coordinator, lambda editor: editor.alter_field(model, old_is_int, new))
    assert rebuilt.startswith("DO $rebuild$")
    assert '{"id": {"type": "bigint", "identity": true, "sequence": "thing_id_seq", "added": false}}' in rebuilt
    assert nothing == 'ALTER TABLE "thing" ALTER COLUMN "id" SET NOT NULL;'
    rebuilt, nothing = collected(coordinator, lambda editor: editor.alter_field(model, new, old_is_int))
    assert '{"id": {"type": "integer", "identity": false, "sequence": "", "added": false}}' in rebuilt
    assert nothing == 'ALTER TABLE "thing" ALTER COLUMN "id" TYPE integer;'
    rebuilt, key = collected(coordinator, lambda editor: editor.add_field(model, new))
    assert '"added": true' in rebuilt
    assert key.startswith('ALTER TABLE "thing" ADD CONSTRAINT ')
    assert old.get_internal_type() in ("AutoField", "BigAutoField")


def test_statements_are_sent_one_by_one(coordinator: Any) -> None:
    """Those of a script, and those that Django writes into one."""
    operation = RunSQL("CREATE TABLE a (x int); CREATE INDEX i ON a (x); -- done;")
    assert collected(
        coordinator, lambda editor: operation.database_forwards("garage", editor, ProjectState(), ProjectState())
    ) == ["CREATE TABLE a (x int);", "CREATE INDEX i ON a (x);"]


def test_sequences_are_reset_by_the_coordinator(coordinator: Any, acme: Any) -> None:
    """The highest key first, and then the sequence: PostgreSQL takes it as well."""
    with acme.active():
        (statement,) = coordinator.ops.sequence_reset_sql(no_style(), [Tag])
        assert statement.startswith("DO $reset$")
        with transaction.atomic(using="default"), connections["default"].cursor() as cursor:
            highest = Tag.objects.create(pk=500).pk
            cursor.execute(statement)
            assert Tag.objects.create().pk == highest + 1
            transaction.set_rollback(True, using="default")


def test_a_server_without_citus_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before it is sent anything: it would take a setting that it does not know, and distribute nothing."""
    monkeypatch.setitem(connections["shard2"].settings_dict, "CITUS", True)
    with pytest.raises(
        ConfigError, match=r"DATABASES\['shard2'\]\['CITUS'\] is True.*no extension citus.*CREATE EXTENSION"
    ):
        make_schema(SchemaAlias("shard2", "undistributed", "tenant"), None)
    assert not schema_exists("shard2", "undistributed")
    (message,) = check_servers(None, databases=["shard2"])
    assert (message.id, bool(message.hint)) == ("django_schemas.E029", True)


def test_a_server_without_citus_is_not_found_fault_with() -> None:
    """Where the settings don't say it has."""
    assert check_servers(None, databases=["shard2"]) == []
    assert check_servers(None) == []


def test_nobody_else_is_sent_anything_of_it(sent: Callable[[], AbstractContextManager[list[str]]]) -> None:
    """A schema of a database that does not say CITUS is made, and dropped, as ever."""
    with sent() as statements:
        migrate("shard2", "ordinary")
        flush("shard2", "ordinary")
    assert statements
    assert not [sql for sql in statements if "citus" in sql.lower() or "pg_dist" in sql or "settle" in sql]
