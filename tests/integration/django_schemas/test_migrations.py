"""Migrating from code: what is made, marked, recorded and refused, and what is left behind when it fails."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import IntegrityError, connections, transaction
from django.db.models.signals import post_migrate, pre_migrate

from django_schemas import bind, schema_context, schema_cursor
from django_schemas.alias import SchemaAlias
from django_schemas.exceptions import (
    ConfigError,
    InvalidSchemaName,
    SchemaDoesNotExist,
    SchemaExists,
    SchemasError,
)
from django_schemas.migrations import flush, migrate
from django_schemas.plans import make_plan, target_of
from django_schemas.records import ARRIVAL_DUE
from django_schemas.schemas import Mark, mark_of, schema_exists
from tests.apps.depot.models import Contract
from tests.apps.garage.models import Owner, Tag
from tests.apps.garage.witness import Place, seen
from tests.apps.platform.models import Plan
from tests.apps.signs.models import Sign
from tests.integration.django_schemas.catalog import catalog, records, tables

Watch = Callable[[], AbstractContextManager[list[str]]]

TENANT_TABLES = {
    "auth_group",
    "auth_group_permissions",
    "auth_permission",
    "auth_user",
    "auth_user_groups",
    "auth_user_user_permissions",
    "django_admin_log",
    "django_content_type",
    "django_migrations",
    "django_session",
    "django_site",
    "garage_badge",
    "garage_car",
    "garage_car_tags",
    "garage_ledger",
    "garage_lot",
    "garage_note",
    "garage_owner",
    "garage_repair",
    "garage_tag",
    "garage_truck",
    "signs_sign",
}


def make_foreign_schema(name: str, comment: str | None = None) -> None:
    """A schema that somebody else made, with a table in it."""
    with connections["default"].cursor() as cursor:
        cursor.execute(f'CREATE SCHEMA "{name}"')
        cursor.execute(f'CREATE TABLE "{name}".precious AS SELECT 1 AS row')
        if comment is not None:
            cursor.execute(f"COMMENT ON SCHEMA \"{name}\" IS '{comment}'")


def test_new_schema(new_schema: str) -> None:
    """migrate makes the schema, marks it, and makes exactly the tables of its environment in it."""
    assert not schema_exists("default", new_schema)
    assert migrate("default", schema=new_schema, environment="tenant") == []
    assert mark_of("default", new_schema) == Mark("tenant")
    assert tables("default", new_schema) == TENANT_TABLES
    assert {app for app, _ in records("default", new_schema)} == {
        "admin",
        "auth",
        "contenttypes",
        "garage",
        "sessions",
        "sites",
        "signs",
    }
    assert not schema_exists("shard2", new_schema)


def test_schemas_of_one_environment_are_alike(acme: Place, globex: Place, initech: Place) -> None:
    """Every schema of an environment has the same tables, columns, constraints, indexes and records."""
    assert catalog("default", "acme") == catalog("default", "globex") == catalog("shard2", "initech")
    assert records("default", "acme") == records("default", "globex") == records("shard2", "initech")


def test_single_schema_environment(schemas: Any) -> None:
    """The registry has its own tables and the adopted ones, and none of the tenants'; its records likewise."""
    found = tables("default", "registry")
    assert {"platform_plan", "auth_user", "signs_sign", "django_migrations"} <= found
    assert {table for table in found if table.startswith(("garage", "depot", "leaflets"))} == set()
    assert {app for app, _ in records("default", "registry")} & {"garage", "depot", "leaflets"} == set()
    assert mark_of("default", "registry") == Mark("registry")


def test_models_of_no_environment(schemas: Any) -> None:
    """They are where Django puts them, in every database, and no schema records their migrations."""
    for db in ("default", "shard2"):
        assert "leaflets_leaflet" in tables(db, "public")
        assert ("leaflets", "0001_initial") in records(db, "public")


def test_second_run_does_nothing(acme: Place, sent: Watch) -> None:
    """A schema that is at its newest migrations is not changed, and nothing is recorded again."""
    before = catalog("default", "acme"), records("default", "acme")
    with sent() as statements:
        migrate("default", schema="acme", environment="tenant")
    assert [sql for sql in statements if sql.startswith(("CREATE", "ALTER", "DROP", "INSERT", "COMMENT"))] == []
    assert (catalog("default", "acme"), records("default", "acme")) == before


def test_data_migrations_run_in_the_schema(acme: Place, globex: Place, new_schema: str) -> None:
    """RunPython and RunSQL write to the schema that is being migrated, whatever is active around it."""
    with globex.active():
        migrate("default", schema=new_schema, environment="tenant")
    assert seen(Tag.set_db("default", new_schema).objects.all()) == [("migrated", "")]
    assert globex(Tag).objects.filter(name="migrated").count() == 1


def test_hints_say_where_an_operation_runs(acme: Place) -> None:
    """Operations of an app that is in two environments run in both, or where their hint says."""
    texts = {
        schema: sorted(bind(Sign, "default", schema).objects.values_list("text", flat=True))
        for schema in ("acme", "registry")
    }
    assert texts == {"acme": ["everywhere", "tenant", "tenant, by SQL"], "registry": ["everywhere", "registry"]}


def test_migrations_of_public_are_not_mistaken_for_the_schemas(new_schema: str) -> None:
    """`public`, visible while a schema is migrated, says that all is applied: the schema is made all the same."""
    with connections["default"].cursor() as cursor:
        cursor.execute("DELETE FROM public.django_migrations")
        cursor.execute(
            "INSERT INTO public.django_migrations (app, name, applied) "
            "SELECT app, name, applied FROM acme.django_migrations"
        )
        cursor.execute("TRUNCATE registry.django_migrations")
    migrate("default", schema=new_schema, environment="tenant")
    assert tables("default", new_schema) == TENANT_TABLES
    assert records("default", new_schema) == records("default", "acme") == records("default", "public")
    transaction.set_rollback(True, using="default")


def test_all_environments_of_a_database(new_schema: str) -> None:
    """Without an environment, all that the database hosts are migrated; the schema is that of the multi-schema one."""
    migrate("default", new_schema)
    assert tables("default", new_schema) == TENANT_TABLES
    migrate("shard2", new_schema)
    assert tables("shard2", new_schema) == TENANT_TABLES
    migrate("default", environment="registry")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"db": "default"}, ConfigError),
        ({"db": "default", "environment": "tenant"}, ConfigError),
        ({"db": "shard2", "environment": "registry"}, ConfigError),
        ({"db": "default", "schema": "workshop", "environment": "tennant"}, ConfigError),
        ({"db": "default", "schema": "workshop", "environment": "depot"}, ConfigError),
        ({"db": "nowhere", "schema": "workshop"}, ConfigError),
        ({"db": "default-read1", "schema": "workshop"}, ConfigError),
        ({"db": "default", "schema": "public", "environment": "tenant"}, InvalidSchemaName),
        ({"db": "default", "schema": "pg_workshop", "environment": "tenant"}, InvalidSchemaName),
        ({"db": "default", "schema": "Workshop", "environment": "tenant"}, InvalidSchemaName),
        ({"db": "default", "schema": "workshop\n", "environment": "tenant"}, InvalidSchemaName),
        ({"db": "default", "schema": "registry", "environment": "tenant"}, SchemasError),
    ],
)
def test_what_can_not_be_migrated(arguments: dict[str, Any], error: type[Exception], schemas: Any) -> None:
    """Arguments that name no schema of an environment are an error, and nothing is made."""
    before = catalog("default", "registry")
    with pytest.raises(error):
        migrate(**arguments)
    for db in ("default", "shard2"):
        with connections[db].cursor() as cursor:
            cursor.execute("SELECT nspname::text FROM pg_namespace WHERE lower(nspname) LIKE '%%workshop%%'")
            assert cursor.fetchall() == []
    assert catalog("default", "registry") == before


@pytest.mark.parametrize(
    "comment", [None, "", "ours", "django_schemas: environment depot", "django_schemas: environment tenant and more"]
)
def test_foreign_schema_is_not_taken_over(comment: str | None, new_schema: str) -> None:
    """A schema that is there, and bears no mark or another environment's, is refused and stays as it is."""
    make_foreign_schema(new_schema, comment)
    with pytest.raises(SchemaExists) as caught:
        migrate("default", schema=new_schema, environment="tenant")
    assert repr(new_schema) in str(caught.value)
    assert "choose another name" in str(caught.value)
    assert tables("default", new_schema) == {"precious"}


def test_declared_schema_may_be_there(schemas: Any) -> None:
    """A declared schema may be there already, unmarked: that is how an existing project begins."""
    with connections["default"].cursor() as cursor:
        cursor.execute("COMMENT ON SCHEMA registry IS NULL")
    migrate("default", environment="registry")
    assert mark_of("default", "registry") is None
    with pytest.raises(SchemaExists):
        flush("default", "registry")


def test_flush(new_schema: str, acme: Place) -> None:
    """flush drops the schema with all that is in it, and nothing else."""
    migrate("default", schema=new_schema, environment="tenant")
    before = catalog("default", "acme"), catalog("default", "public")
    flush("default", new_schema)
    assert not schema_exists("default", new_schema)
    assert (catalog("default", "acme"), catalog("default", "public")) == before
    with pytest.raises(SchemaDoesNotExist) as caught:
        flush("default", new_schema)
    assert str(caught.value) == "There is no schema 'workshop' in database 'default'."


@pytest.mark.parametrize(
    "name", ["public", "pg_catalog", "pg_toast", "information_schema", "Acme", "", 'a" CASCADE; --']
)
def test_flush_of_a_reserved_or_invalid_name(name: str, schemas: Any, nothing_sent: Any) -> None:
    """What PostgreSQL or every database owns is never dropped, nor is asked for."""
    with nothing_sent(), pytest.raises(InvalidSchemaName):
        flush("default", name)


@pytest.mark.parametrize("comment", [None, "ours", "mine; django_schemas: environment tenant"])
def test_flush_of_a_foreign_schema(comment: str | None, new_schema: str) -> None:
    """A schema that was not made here is not dropped."""
    make_foreign_schema(new_schema, comment)
    with pytest.raises(SchemaExists) as caught:
        flush("default", new_schema)
    assert str(caught.value) == (
        "Schema 'workshop' in database 'default' was not made by django_schemas, so it is not dropped: "
        "drop it by hand if you mean to."
    )
    assert tables("default", new_schema) == {"precious"}


def test_flush_in_the_wrong_database(acme: Place) -> None:
    """A schema of that name in another database is not meant."""
    with pytest.raises(SchemaDoesNotExist):
        flush("shard2", "acme")
    assert schema_exists("default", "acme")


def test_rolled_back_with_the_callers_transaction(committed: None, new_schema: str) -> None:
    """Inside of the caller's atomic() the schema is made in their transaction: it goes when that is rolled back."""
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        migrate("default", schema=new_schema, environment="tenant")
        Owner.set_db("default", new_schema).objects.create(name="Ada", witness="x")
        assert tables("default", new_schema) == TENANT_TABLES
        raise ZeroDivisionError
    assert not schema_exists("default", new_schema)


def test_kept_with_the_callers_transaction(committed: None, new_schema: str) -> None:
    """And it stays when that is committed, with what was written in it."""
    with transaction.atomic():
        migrate("default", schema=new_schema, environment="tenant")
        Owner.set_db("default", new_schema).objects.create(name="Ada", witness="x")
    assert seen(Owner.set_db("default", new_schema).objects.all()) == [("Ada", "x")]
    flush("default", new_schema)


FAILING = """
    def fail(apps, schema_editor):
        apps.get_model("garage", "Tag").objects.create(name="half", witness="")
        raise ZeroDivisionError

    class Migration(migrations.Migration):
        operations = [
            migrations.AddField("Tag", "colour", models.CharField(max_length=20, default="")),
            migrations.RunPython(fail, migrations.RunPython.noop),
        ]
"""


def test_failing_migration_leaves_no_new_schema(committed: None, new_schema: str, write_migrations: Any) -> None:
    """A schema that was to be made is not there when a migration fails; once that is mended it can be made."""
    write_migrations(_0003_fail=FAILING)
    with pytest.raises(ZeroDivisionError):
        migrate("default", schema=new_schema, environment="tenant")
    assert not schema_exists("default", new_schema)
    write_migrations()
    migrate("default", schema=new_schema, environment="tenant")
    assert tables("default", new_schema) == TENANT_TABLES


def test_failing_migration_of_a_schema_that_is_there(committed: None, new_schema: str, write_migrations: Any) -> None:
    """The migrations before the one that failed stay; that one leaves nothing, and is not recorded."""
    migrate("default", schema=new_schema, environment="tenant")
    write_migrations(
        _0003_lot="""
        class Migration(migrations.Migration):
            operations = [migrations.AddField("Lot", "fence", models.BooleanField(default=False))]
        """,
        _0004_fail=FAILING,
    )
    with pytest.raises(ZeroDivisionError):
        migrate("default", schema=new_schema, environment="tenant")
    columns = {(table, column) for kind, table, column, _ in catalog("default", new_schema) if kind == "column"}
    assert ("garage_lot", "fence") in columns
    assert ("garage_tag", "colour") not in columns
    # post_migrate is still to be sent.
    assert records("default", new_schema) == records("default", "acme") | {("garage", "0003_lot"), ARRIVAL_DUE}
    assert seen(Tag.set_db("default", new_schema).objects.only("name", "witness")) == [("migrated", "")]


NON_ATOMIC = """
    from django.contrib.postgres.operations import AddIndexConcurrently

    class Migration(migrations.Migration):
        atomic = False
        operations = [
            AddIndexConcurrently("Tag", models.Index(fields=["name"], name="tag_name_index")),
            {more}
        ]
"""


def search_path(db: str) -> str:
    with connections[db].cursor() as cursor:
        cursor.execute("SHOW search_path")
        value: str = cursor.fetchone()[0]
        return value


def test_non_atomic_migration(committed: None, new_schema: str, write_migrations: Any) -> None:
    """A migration that can have no transaction is run in the schema; the session's search_path is as before."""
    write_migrations(_0003_index=NON_ATOMIC.format(more=""))
    before = catalog("default", "public")
    migrate("default", schema=new_schema, environment="tenant")
    indexes = {name for kind, _, name, _ in catalog("default", new_schema) if kind == "index"}
    assert "tag_name_index" in indexes
    assert ("garage", "0003_index") in records("default", new_schema)
    assert (search_path("default"), catalog("default", "public")) == ('"$user", public', before)


def test_non_atomic_migration_that_fails(committed: None, new_schema: str, write_migrations: Any) -> None:
    """A schema that was made for it is dropped again, and the session's search_path is as before."""
    write_migrations(_0003_index=NON_ATOMIC.format(more="migrations.RunSQL('SELECT 1 / 0'),"))
    with pytest.raises(Exception, match="division by zero"):
        migrate("default", schema=new_schema, environment="tenant")
    assert not schema_exists("default", new_schema)
    assert search_path("default") == '"$user", public'


def test_non_atomic_migration_inside_of_a_transaction(new_schema: str, write_migrations: Any) -> None:
    """It can't be run there; the error says what to do, and nothing is left."""
    write_migrations(_0003_index=NON_ATOMIC.format(more=""))
    with pytest.raises(SchemasError, match=r"0003_index is not atomic.*: call this outside of atomic\(\)\."):
        migrate("default", schema=new_schema, environment="tenant")
    assert not schema_exists("default", new_schema)


def test_migration_signals(new_schema: str) -> None:
    """Receivers of pre_migrate and post_migrate get the schema's alias, for the apps of the environment only."""
    heard: list[tuple[str, str, Any, Any]] = []

    def receive(signal: Any, sender: Any, using: Any, **kwargs: Any) -> None:
        kind = "pre" if signal is pre_migrate else "post"
        heard.append((kind, sender.label, getattr(using, "placement", None), type(using)))

    for signal in (pre_migrate, post_migrate):
        signal.connect(receive)
    try:
        migrate("default", schema=new_schema, environment="tenant")
    finally:
        for signal in (pre_migrate, post_migrate):
            signal.disconnect(receive)
    labels = ["admin", "auth", "contenttypes", "sessions", "sites", "signs", "garage"]
    place = Place("default", new_schema).placement
    assert heard == [(kind, label, place, SchemaAlias) for kind in ("pre", "post") for label in labels]


def test_post_migrate_makes_content_types_and_permissions(new_schema: str) -> None:
    """Of the models of the environment, in the schema, and nowhere else."""
    count = ContentType.objects.count()
    migrate("default", schema=new_schema, environment="tenant")
    place = Place("default", new_schema)
    with schema_cursor("default", new_schema) as cursor:
        cursor.execute(
            "SELECT count(DISTINCT c.id), count(*) "
            "FROM auth_permission p JOIN django_content_type c ON c.id = content_type_id"
        )
        assert cursor.fetchall() == [(17, 68)]
    assert place(ContentType).objects.count() == 17
    assert ContentType.objects.count() == count


def test_records_stand_in_the_schema_alone(new_schema: str) -> None:
    """The table of records is made in the schema, and in no other: not in `public` either, where there is none yet."""
    with transaction.atomic(using="default"), connections["default"].cursor() as cursor:
        cursor.execute("DROP TABLE public.django_migrations")
        migrate("default", schema=new_schema, environment="tenant")
        found = ["django_migrations" in tables("default", schema) for schema in (new_schema, "public")]
        transaction.set_rollback(True, using="default")
    assert found == [True, False]


def test_additional_schemas(new_schema: str, write_migrations: Any) -> None:
    """Migrations find what stands in ADDITIONAL_SCHEMAS, as the functions of extensions do, behind the schema's own."""
    with connections["default"].cursor() as cursor:
        cursor.execute("CREATE FUNCTION public.shout(text) RETURNS text LANGUAGE sql AS 'SELECT upper($1)'")
    write_migrations(
        _0003_shout="""
        class Migration(migrations.Migration):
            operations = [migrations.RunSQL("INSERT INTO garage_tag (name, witness) VALUES (shout('loud'), '')")]
        """
    )
    migrate("default", schema=new_schema, environment="tenant")
    assert seen(Tag.set_db("default", new_schema).objects.all()) == [("LOUD", ""), ("migrated", "")]


CHANGES = """
    from django.db.models import CASCADE, F, Q, functions

    class Migration(migrations.Migration):
        dependencies = [("sessions", "0001_initial")]
        operations = [
            migrations.AddField("Tag", "colour", models.CharField(max_length=20, default="", db_index=True)),
            migrations.AlterField("Tag", "name", models.CharField(max_length=40, unique=True)),
            migrations.AddIndex("Tag", models.Index(fields=["witness"], name="tag_by_witness")),
            migrations.RenameIndex("Tag", new_name="tag_by_witness2", old_name="tag_by_witness"),
            migrations.AddConstraint("Car", models.UniqueConstraint(fields=["name", "owner"], name="car_once")),
            migrations.AddConstraint("Car", models.CheckConstraint(condition=~Q(name=""), name="car_has_name")),
            migrations.RemoveConstraint("Car", "car_once"),
            migrations.AlterField("Tag", "colour", models.CharField(max_length=20, default="")),
            migrations.RenameField("Owner", "name", "full_name"),
            migrations.RenameModel("Tag", "Label"),
            migrations.AlterField("Lot", "id", models.BigAutoField(primary_key=True)),
            migrations.AlterModelTable("Lot", "garage_parking_lot"),
            migrations.AddField("Car", "friends", models.ManyToManyField("garage.Car")),
            migrations.AddField(
                "Car", "seller", models.ForeignKey("garage.Owner", CASCADE, null=True, related_name="+")
            ),
            migrations.AddField("Badge", "session", models.ForeignKey("sessions.Session", CASCADE, null=True)),
            migrations.DeleteModel("Truck"),
            migrations.CreateModel("Wash", [("id", models.AutoField(primary_key=True))], {"db_environment": "tenant"}),
            migrations.RunPython(lambda apps, editor: apps.get_model("garage", "Label").objects.update(colour="x"),
                                 migrations.RunPython.noop),
        ]
"""


def test_all_kinds_of_changes(acme: Place, write_migrations: Any) -> None:
    """Every kind of operation changes the schema alone, though `public` has all those tables; and can be taken back."""
    before, neighbours = catalog("default", "acme"), (catalog("default", "public"), catalog("default", "globex"))
    write_migrations(_0003_changes=CHANGES)
    migrate("default", schema="acme", environment="tenant")
    after = {table for _, table, *_ in catalog("default", "acme")}
    assert {"garage_label", "garage_parking_lot", "garage_car_friends", "garage_wash"} <= after
    assert (catalog("default", "public"), catalog("default", "globex")) == neighbours
    with schema_cursor("default", "acme") as cursor:
        cursor.execute("SELECT name, colour FROM garage_label ORDER BY name")
        assert cursor.fetchall() == [("migrated", "x"), ("old", "x"), ("red", "x")]
    call_command("migrate_schema", "default", "garage", "0002", schema=["acme"], environment="tenant", verbosity=0)
    assert (catalog("default", "public"), catalog("default", "globex")) == neighbours
    assert catalog("default", "acme") == before


@pytest.fixture
def depot(settings: Any, schemas: Any, new_schema: str) -> Any:
    """A schema of the environment `depot`, which lives in the registry's database."""
    databases = {alias: dict(options) for alias, options in settings.DATABASES.items()}
    databases["default"]["ENVIRONMENTS"] = ["registry", "tenant", "depot"]
    settings.DATABASES = databases
    migrate("default", schema=new_schema, environment="depot")
    return Contract.set_db("default", new_schema)


@pytest.mark.filterwarnings("ignore:Overriding setting DATABASES")
class TestReferenceToTheRegistry:
    def test_it_is_a_real_constraint(self, depot: Any) -> None:
        """A foreign key to a single-schema environment of the same database is checked by PostgreSQL."""
        assert tables("default", "workshop") == {"depot_contract", "django_migrations"}
        assert mark_of("default", "workshop") == Mark("depot")
        definitions = [
            definition for kind, _, _, definition in catalog("default", "workshop") if definition.startswith("FOREIGN")
        ]
        assert definitions == [
            "FOREIGN KEY (plan_id) REFERENCES registry.platform_plan(id) DEFERRABLE INITIALLY DEFERRED"
        ]
        depot.objects.create(plan=Plan.objects.get(), number="1")
        with pytest.raises(IntegrityError), transaction.atomic():
            depot.objects.create(plan_id=999, number="2")
            connections["default"].check_constraints()

    def test_records_are_those_of_the_environment(self, depot: Any) -> None:
        """The migrations of the app that is referred to are not recorded: its tables are elsewhere."""
        assert records("default", "workshop") == {("depot", "0001_initial")}

    def test_joins_work(self, depot: Any) -> None:
        """Both ways, with select_related, filters and prefetch."""
        depot.objects.create(plan=Plan.objects.get(), number="1")
        assert [contract.plan.witness for contract in depot.objects.select_related("plan")] == ["default.registry"]
        assert depot.objects.filter(plan__name="gold").count() == 1
        with schema_context("default", "workshop", environment="depot"):
            assert Plan.objects.filter(contract__number="1").count() == 1
            assert [contract.number for contract in Plan.objects.get().contract_set.all()] == ["1"]

    def test_delete_cascades_into_the_active_schema(self, depot: Any) -> None:
        """Deleting a row of the registry deletes what the active schemas have of it, one of each environment."""
        depot.objects.create(plan=Plan.objects.get(), number="1")
        with (
            schema_context("default", "acme", environment="tenant"),
            schema_context("default", "workshop", environment="depot"),
        ):
            deleted = Plan.objects.get().delete()
        assert deleted == (2, {"depot.Contract": 1, "platform.Plan": 1})

    def test_two_multi_schema_environments(self, depot: Any) -> None:
        """Where a database hosts two of them, the environment must be said; each has its own active placement."""
        with pytest.raises(ConfigError, match="could be of tenant or depot: say which environment"):
            schema_context("default", "acme")
        with schema_context("default", "workshop", "depot"), schema_context("default", "acme", "tenant"):
            assert Contract.objects.count() == 0
            assert seen(Owner.objects.named("Ada")) == [("Ada", "default.acme")]

    def test_schema_of_another_multi_schema_environment(self, depot: Any) -> None:
        """A schema that was made for one is refused to the other, and not changed."""
        before = catalog("default", "acme"), records("default", "acme")
        with pytest.raises(SchemaExists, match="belongs to another"):
            migrate("default", schema="acme", environment="depot")
        assert (catalog("default", "acme"), records("default", "acme")) == before


SQUASHED = """
    class Migration(migrations.Migration):
        replaces = [("garage", "0003_colour"), ("garage", "0004_fence")]
        operations = [
            migrations.AddField("Tag", "colour", models.CharField(max_length=20, default="")),
            migrations.AddField("Lot", "fence", models.BooleanField(default=False)),
        ]
"""
REPLACED = {
    "_0003_colour": """
    class Migration(migrations.Migration):
        operations = [migrations.AddField("Tag", "colour", models.CharField(max_length=20, default=""))]
    """,
    "_0004_fence": """
    class Migration(migrations.Migration):
        operations = [migrations.AddField("Lot", "fence", models.BooleanField(default=False))]
    """,
}


def add_squashed(package: Path) -> None:
    """Write a migration that replaces the two of `REPLACED` into a package of migrations."""
    (package / "0003_squashed.py").write_text(
        f"from django.db import migrations, models\n\n{dedent(SQUASHED)}\n"
        "Migration.dependencies = [('garage', '0002_ledger')]\n"
    )


@pytest.mark.parametrize("applied", ["0002", "0003", "0004"])
def test_squashed_migration(
    applied: str, new_schema: str, write_migrations: Any, tmp_path: Path, acme: Place, globex: Place
) -> None:
    """Whatever a schema has of the migrations that were squashed, it gets the rest once and records them all."""
    target = target_of(SchemaAlias("default", new_schema, "tenant"))
    write_migrations(**REPLACED)
    migrate("default", schema=new_schema, environment="tenant")
    call_command("migrate_schema", "default", "garage", applied, schema=[new_schema], verbosity=0)
    migrate("default", schema="globex", environment="tenant")

    add_squashed(tmp_path / write_migrations(**REPLACED))
    migrate("default", schema=new_schema, environment="tenant")
    recorded = {("garage", "0003_colour"), ("garage", "0004_fence"), ("garage", "0003_squashed")}
    assert records("default", new_schema) == records("default", "acme") | recorded
    assert catalog("default", new_schema) == catalog("default", "globex")
    assert not make_plan(target)

    # The migrations that it replaces are taken out of the project, as Django's documentation says, and it goes back.
    package = tmp_path / write_migrations()
    add_squashed(package)
    squashed = package / "0003_squashed.py"
    squashed.write_text(f"{squashed.read_text()}Migration.replaces = []\n")
    assert not make_plan(target)
    call_command("migrate_schema", "default", "garage", "0002", schema=[new_schema], verbosity=0)
    assert catalog("default", new_schema) == catalog("default", "acme")
    assert make_plan(target)
