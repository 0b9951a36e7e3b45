"""The fleet: what is done to each schema is what Django would do to it alone; what can be shared is done once."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connections, transaction
from django.db.migrations.operations import RunPython
from django.db.models import signals

from django_schemas import active_placement, bind
from django_schemas import records as records_module
from django_schemas.alias import SchemaAlias
from django_schemas.course import Course
from django_schemas.exceptions import ConfigError, SchemasError
from django_schemas.fleet import look
from django_schemas.history import History
from django_schemas.migrations import migrate
from django_schemas.migrator import migrate_target
from django_schemas.placement import Placement
from django_schemas.plans import target_of
from django_schemas.schemas import schema_exists
from tests.apps.garage.models import Tag
from tests.integration.django_schemas.catalog import catalog, records
from tests.integration.django_schemas.fleets import FLEET, brought, counted, received, states, tiny

DONE = dict.fromkeys(("acme", "globex", "initech"), "migrated")
CURRENT = dict.fromkeys(DONE, "current")

FENCE = """
    class Migration(migrations.Migration):
        operations = [migrations.AddField("Lot", "fence", models.CharField(max_length=9, default=""))]
"""
GATE = """
    class Migration(migrations.Migration):
        operations = [migrations.AddField("Lot", "gate", models.CharField(max_length=9, default=""))]
"""
TRAILER = """
    class Migration(migrations.Migration):
        operations = [
            migrations.CreateModel(
                "Trailer", [("id", models.AutoField(primary_key=True))], options={"db_environment": "tenant"}
            )
        ]
"""


@pytest.fixture
def crates_hosted(settings: Any) -> None:
    """Databases that host environment `crates` too."""
    databases = {alias: dict(options) for alias, options in settings.DATABASES.items()}
    for db in ("default", "shard2"):
        databases[db]["ENVIRONMENTS"] = [*databases[db]["ENVIRONMENTS"], "crates"]
    settings.DATABASES = databases


def columns(alias: SchemaAlias, table: str = "garage_lot") -> set[str]:
    return {column for kind, name, column, _ in catalog(alias.db, alias.schema) if (kind, name) == ("column", table)}


def content_types(alias: SchemaAlias, app: str = "garage") -> dict[str, int]:
    rows = bind(ContentType, alias.db, alias.schema).objects.filter(app_label=app)
    return dict(rows.values_list("model", "pk"))


def permissions(alias: SchemaAlias, model: str) -> set[str]:
    """Codenames of the permissions that belong to the content type of a model, in its own schema."""
    rows = bind(Permission, alias.db, alias.schema).objects.filter(content_type__model=model)
    return set(rows.values_list("codename", flat=True))


class TestNothingToDo:
    @pytest.mark.usefixtures("crates_hosted")
    @pytest.mark.filterwarnings("ignore:Overriding setting DATABASES")
    @pytest.mark.parametrize(("at_once", "batches"), [(500, 1), (15, 1), (14, 2)])
    def test_statements(self, at_once: int, batches: int, sent: Any, monkeypatch: Any) -> None:
        """Three statements for each database and 500 schemas, however many there are; one more begins anew."""
        monkeypatch.setattr(records_module, "_SCHEMAS_AT_ONCE", at_once)
        aliases = [*tiny("default", 15), *tiny("shard2", 15)]
        with sent() as statements:
            outcomes = list(brought_all(aliases))
        assert {outcome.state for outcome in outcomes} == {"current"}
        assert len(outcomes) == 30
        assert len(statements) <= 3 * 2 * batches

    def test_statements_of_many_models(self, sent: Any) -> None:
        """The same where apps are adopted, and receivers stand ready."""
        with sent() as statements:
            assert states(brought()) == CURRENT
        assert len(statements) <= 3 * 2

    def test_states_are_not_made(self, monkeypatch: Any) -> None:
        """No receiver is called, and no project state is rendered."""
        called: list[Any] = []
        with received(signals.post_migrate, lambda **kwargs: called.append(kwargs)):
            assert states(brought()) == CURRENT
        assert called == []


def brought_all(aliases: list[SchemaAlias]) -> Any:
    """As `brought`, for schemas that have their names more than once."""
    from django_schemas.fleet import migrate_fleet

    return migrate_fleet(aliases)


class TestCohorts:
    def test_each_gets_what_it_lacks(self, write_migrations: Any, monkeypatch: Any) -> None:
        """Schemas that stand at different points all arrive, each by its own migrations; one plan for each point."""
        write_migrations(_0003_fence=FENCE, _0004_gate=GATE, _0005_trailer=TRAILER)
        migrate_target(target_of(FLEET[1]), [("garage", "0003_fence")])
        with counted(monkeypatch, History) as histories, counted(monkeypatch, Course) as courses:
            found = brought()
        last = [("garage", "0004_gate"), ("garage", "0005_trailer")]
        first = ("garage", "0003_fence")
        assert {schema: list(outcome.applied) for schema, outcome in found.items()} == {
            "acme": [first, *last],
            "globex": last,
            "initech": [first, *last],
        }
        # One more looks for apps without migrations, in each database.
        assert (len(courses), len(histories)) == (2, 2 + 2)
        for alias in FLEET:
            assert {"fence", "gate"} <= columns(alias)
            assert {first, *last} <= records(alias.db, alias.schema)
        assert states(brought()) == CURRENT

    def test_as_migrated_alone(self, write_migrations: Any, new_schema: str) -> None:
        """The catalog and the records are those that one makes who is migrated from the beginning."""
        write_migrations(_0003_fence=FENCE, _0004_gate=GATE, _0005_trailer=TRAILER)
        brought()
        migrate("default", schema=new_schema, environment="tenant")
        for alias in FLEET:
            assert catalog(alias.db, alias.schema) == catalog("default", new_schema)
            assert records(alias.db, alias.schema) == records("default", new_schema)

    def test_refers_to_what_all_share(self, write_migrations: Any) -> None:
        """A table of another environment is named in full by the first of a cohort, as by the others."""
        write_migrations(
            _0003_plan="""
            class Migration(migrations.Migration):
                dependencies = [("platform", "0001_initial")]
                operations = [
                    migrations.AddField("Lot", "plan", models.ForeignKey("platform.plan", models.CASCADE, null=True)),
                    migrations.AddField("Lot", "plans", models.ManyToManyField("platform.plan", related_name="+")),
                ]
            """
        )
        outcomes = brought(FLEET[:2])
        assert [outcome.error for outcome in outcomes.values()] == ["", ""]
        assert "plan_id" in columns(FLEET[0])
        assert catalog("default", "acme") == catalog("default", "globex")

    def test_plan_is_only_told(self, write_migrations: Any) -> None:
        """What would be done is told for each schema, and nothing is done."""
        write_migrations(_0003_fence=FENCE)
        before = [(catalog(alias.db, alias.schema), records(alias.db, alias.schema)) for alias in FLEET]
        told = {outcome.alias.schema: (outcome.state, list(outcome.applied)) for outcome in look(FLEET)}
        assert told == {schema: ("left", [("garage", "0003_fence")]) for schema in DONE}
        assert [(catalog(alias.db, alias.schema), records(alias.db, alias.schema)) for alias in FLEET] == before


class TestDataMigrations:
    ROWS = """
        from django_schemas import active_placement
        from tests.apps.garage.models import Car

        def add(apps, schema_editor):
            place = active_placement("tenant")
            historic = apps.get_model("garage", "Tag").objects.values_list("witness", flat=True)
            real = Car.objects.values_list("witness", flat=True)
            said = f"{place}/{','.join(sorted(set(historic)))}/{','.join(sorted(set(real)))}"
            apps.get_model("garage", "Tag").objects.create(name="said", witness=said)

        class Migration(migrations.Migration):
            operations = [migrations.RunPython(add, migrations.RunPython.noop)]
    """

    def test_sees_its_own_rows(self, write_migrations: Any) -> None:
        """By historic models and by real ones it sees its own schema's rows, which is the active placement."""
        write_migrations(_0003_rows=self.ROWS)
        assert states(brought()) == DONE
        for alias in FLEET:
            place = str(alias.placement)
            (row,) = bind(Tag, alias.db, alias.schema).objects.filter(name="said")
            assert row.witness == f"{place}/{place}/{place}"
        assert active_placement("tenant") is None

    TYPES = """
        from django_schemas import active_placement

        def note(apps, schema_editor):
            ContentType = apps.get_model("contenttypes", "ContentType")
            kind = ContentType.objects.get_for_model(apps.get_model("garage", "Tag"))
            apps.get_model("garage", "Tag").objects.create(name="kind", witness=str(kind.pk))
            if active_placement("tenant").schema in {failing}:
                raise ValueError("not here")

        class Migration(migrations.Migration):
            operations = [
                migrations.RunPython(note, migrations.RunPython.noop),
                migrations.AddField("Lot", "fence", models.CharField(max_length=9, default="")),
                migrations.RunPython(note, migrations.RunPython.noop),
            ]
    """

    @pytest.mark.parametrize("failing", [[], ["acme"]], ids=["none fails", "the first fails"])
    def test_content_types_are_not_mixed_up(self, failing: list[str], write_migrations: Any) -> None:
        """What historic models remember of one schema's content types is forgotten before the next."""
        assert content_types(FLEET[0])["tag"] != content_types(FLEET[1])["tag"]
        write_migrations(_0003_types=self.TYPES.format(failing=failing))
        assert states(brought()) == {**DONE, **dict.fromkeys(failing, "failed")}
        for alias in FLEET:
            rows = bind(Tag, alias.db, alias.schema).objects.filter(name="kind")
            expected = [] if alias.schema in failing else [str(content_types(alias)["tag"])] * 2
            assert list(rows.values_list("witness", flat=True)) == expected


class TestReceivers:
    def test_rows_of_a_new_model(self, write_migrations: Any) -> None:
        """Content types and permissions of a new model are made in each schema, and refer to each other there."""
        write_migrations(_0003_trailer=TRAILER)
        before = [content_types(alias) for alias in FLEET]
        assert states(brought()) == DONE
        for alias, former in zip(FLEET, before, strict=True):
            assert content_types(alias).keys() == former.keys() | {"trailer"}
            assert permissions(alias, "trailer") == {f"{verb}_trailer" for verb in ("add", "change", "delete", "view")}
        assert content_types(FLEET[0])["trailer"] != content_types(FLEET[1])["trailer"]

    RENAME = """
        class Migration(migrations.Migration):
            operations = [migrations.RenameModel("Lot", "Yard")]
    """

    def test_content_types_are_renamed(self, write_migrations: Any, monkeypatch: Any) -> None:
        """A model that is renamed keeps its content type, in each schema; that is put into the plan once."""
        write_migrations(_0003_rename=self.RENAME)
        before = [content_types(alias) for alias in FLEET]
        with counted(monkeypatch, RunPython) as made:
            assert states(brought()) == DONE
        assert [type(each).__name__ for each in made].count("RenameContentType") == 1
        for alias, former in zip(FLEET, before, strict=True):
            found = content_types(alias)
            # The last migration's state has no Lot, the code has; post_migrate goes by the state.
            assert (found["yard"], "lot" in found) == (former["lot"], False)

    def test_called_once_per_schema_and_app(self, write_migrations: Any) -> None:
        """Receivers of the project's own hear of each app in each schema, by the schema alias."""
        write_migrations(_0003_fence=FENCE, _0004_gate=GATE)
        heard: list[tuple[str, str, str, list[str]]] = []

        def hear(signal: Any, app_config: Any, using: Any, plan: Any, **kwargs: Any) -> None:
            assert isinstance(using, SchemaAlias)
            kind = "pre" if signal is signals.pre_migrate else "post"
            fields = {field.name for field in kwargs["apps"].get_model("garage", "Lot")._meta.get_fields()}
            assert ("fence" in fields) is (kind == "post")
            heard.append((kind, using.schema, app_config.label, [migration.name for migration, _ in plan]))

        with received(signals.pre_migrate, hear), received(signals.post_migrate, hear):
            assert states(brought()) == DONE
        labels = {"admin", "auth", "contenttypes", "garage", "sessions", "signs", "sites"}
        plan = ["0003_fence", "0004_gate"]
        assert sorted(heard) == sorted(
            (kind, schema, label, plan) for kind in ("pre", "post") for schema in DONE for label in labels
        )

    def test_plan_changed_for_one_schema(self, write_migrations: Any) -> None:
        """A receiver that changes the plan changes it for its schema, and not for those before it or behind it."""
        write_migrations(_0003_fence=FENCE)
        final: dict[str, bool] = {}

        def change(using: Any, plan: Any, **kwargs: Any) -> None:
            from django.db import migrations, models

            if using.schema == "globex":
                plan[-1][0].operations.append(
                    migrations.AddField("Lot", "moat", models.CharField(max_length=9, default=""))
                )

        def look_at(using: Any, **kwargs: Any) -> None:
            fields = kwargs["apps"].get_model("garage", "Lot")._meta.get_fields()
            final[using.schema] = "moat" in {field.name for field in fields}

        garage = apps.get_app_config("garage")
        order = [FLEET[1], FLEET[0], FLEET[2]]
        with received(signals.pre_migrate, change, garage), received(signals.post_migrate, look_at, garage):
            assert states(brought(order)) == DONE
        assert {alias.schema: "moat" in columns(alias) for alias in FLEET} == {
            "acme": False,
            "globex": True,
            "initech": False,
        }
        assert final == {"acme": False, "globex": True, "initech": False}
        assert all("fence" in columns(alias) for alias in FLEET)

    @pytest.fixture
    def own(self, monkeypatch: Any) -> Iterator[list[tuple[str, str]]]:
        """Where Django's receivers of post_migrate were called: schema and app."""
        called: list[tuple[str, str]] = []
        from django.contrib.auth import management

        def create_permissions(app_config: Any, using: Any, **kwargs: Any) -> None:
            called.append((using.schema, app_config.label))
            original(app_config, using=using, **kwargs)

        original = management.create_permissions
        create_permissions.__module__ = original.__module__
        create_permissions.__qualname__ = original.__qualname__
        uid = "django.contrib.auth.management.create_permissions"
        signals.post_migrate.disconnect(dispatch_uid=uid)
        signals.post_migrate.connect(create_permissions, dispatch_uid=uid, weak=False)
        yield called
        signals.post_migrate.disconnect(dispatch_uid=uid)
        signals.post_migrate.connect(original, dispatch_uid=uid)

    @pytest.mark.parametrize(
        ("operation", "called"),
        [
            ('AddField("Lot", "fence", models.IntegerField(default=0))', False),
            ("AlterModelOptions(\"Lot\", {'permissions': [('tow', 'Can tow')], 'db_environment': 'tenant'})", True),
            ('DeleteModel("Note")', True),
        ],
    )
    def test_djangos_own(self, operation: str, called: bool, own: Any, write_migrations: Any) -> None:
        """Django's own are called for those apps whose models or permissions changed, and for no other."""
        write_migrations(
            _0003_it=f"""
            class Migration(migrations.Migration):
                operations = [migrations.{operation}]
            """
        )
        assert states(brought()) == DONE
        assert sorted(own) == ([(schema, "garage") for schema in DONE] if called else [])
        if "tow" in operation:
            assert all("tow" in permissions(alias, "lot") for alias in FLEET)

    def test_one_that_fails_takes_the_migration_back(self, write_migrations: Any) -> None:
        """What post_migrate does is one with the last migration: if it fails, the next run does both again."""
        write_migrations(_0003_fence=FENCE, _0004_trailer=TRAILER)
        broken = {"globex"}
        heard: list[str] = []

        def hear(using: Any, **kwargs: Any) -> None:
            heard.append(using.schema)
            if using.schema in broken:
                raise ValueError("broken")

        with received(signals.post_migrate, hear, apps.get_app_config("garage")):
            found = brought()
            assert states(found) == {**DONE, "globex": "failed"}
            assert "ValueError: broken" in found["globex"].error
            assert ("garage", "0003_fence") in records("default", "globex")
            assert ("garage", "0004_trailer") not in records("default", "globex")
            assert columns(FLEET[1], "garage_trailer") == set()
            broken.clear()
            assert states(brought()) == {**CURRENT, "globex": "migrated"}
        assert sorted(heard) == ["acme", "globex", "globex", "initech"]
        assert permissions(FLEET[1], "trailer") == permissions(FLEET[0], "trailer")

    def test_what_was_cut_off_between_two_migrations(self, write_migrations: Any) -> None:
        """Rows for the models of a migration that was the last to be done in a run are made by the next."""
        failing = """
            from django_schemas import active_placement

            def fail(apps, schema_editor):
                if not apps.get_model("garage", "Tag").objects.filter(name="may").exists():
                    raise ValueError("not yet")

            class Migration(migrations.Migration):
                operations = [migrations.RunPython(fail)]
        """
        write_migrations(_0003_trailer=TRAILER, _0004_failing=failing)
        assert states(brought()) == dict.fromkeys(DONE, "failed")
        assert all(("garage", "0003_trailer") in records(alias.db, alias.schema) for alias in FLEET)
        for alias in FLEET:
            bind(Tag, alias.db, alias.schema).objects.create(name="may", witness="")
        assert states(brought()) == DONE
        for alias in FLEET:
            assert permissions(alias, "trailer") == {f"{verb}_trailer" for verb in ("add", "change", "delete", "view")}
        assert states(brought()) == CURRENT


class TestFailures:
    def test_others_are_done(self, write_migrations: Any) -> None:
        """A schema whose rows a migration can't cope with is told with the reason; the others are done."""
        with connections["default"].cursor() as cursor:
            cursor.execute("INSERT INTO globex.garage_tag (name, witness) VALUES ('twice', ''), ('twice', '')")
        write_migrations(
            _0003_unique="""
            class Migration(migrations.Migration):
                operations = [
                    migrations.AddField("Lot", "fence", models.IntegerField(default=0)),
                    migrations.AlterField("Tag", "name", models.CharField(max_length=20, unique=True)),
                ]
            """
        )
        found = brought()
        assert states(found) == {**DONE, "globex": "failed"}
        assert found["globex"].error.startswith("IntegrityError: could not create unique index")
        assert "fence" not in columns(FLEET[1])
        assert {alias.schema: "fence" in columns(alias) for alias in FLEET} == {
            "acme": True,
            "globex": False,
            "initech": True,
        }

    def test_not_there_and_not_ours(self, write_migrations: Any) -> None:
        """Nothing is made where no schema is, and nothing is done to one that is another's."""
        write_migrations(_0003_fence=FENCE)
        with connections["default"].cursor() as cursor:
            cursor.execute("CREATE SCHEMA stranger")
        elsewhere = [SchemaAlias("default", schema, "tenant") for schema in ("nowhere", "stranger", "registry")]
        owners = {Placement("default", "acme"): "somebody"}
        found = brought([*elsewhere, *FLEET], owners=owners)
        assert states(found) == {**dict.fromkeys(("nowhere", "stranger", "registry", "acme"), "failed")} | {
            "globex": "migrated",
            "initech": "migrated",
        }
        assert found["nowhere"].error.startswith("SchemaDoesNotExist: ")
        assert not schema_exists("default", "nowhere")
        assert "fence" not in columns(FLEET[0])

    def test_records_that_contradict(self, write_migrations: Any) -> None:
        """A schema with a gap in its records is told; the others go on."""
        write_migrations(_0003_fence=FENCE, _0004_gate=GATE)
        with connections["default"].cursor() as cursor:
            cursor.execute(
                "INSERT INTO globex.django_migrations (app, name, applied) VALUES ('garage', '0004_gate', now())"
            )
        found = brought()
        assert states(found) == {**DONE, "globex": "failed"}
        assert "InconsistentMigrationHistory" in found["globex"].error

    def test_lock_timeout_that_is_not_one(self, write_migrations: Any) -> None:
        """A value that PostgreSQL does not take is an error before anything is done."""
        write_migrations(_0003_fence=FENCE)
        with pytest.raises(ConfigError, match="lock_timeout 'soon' is not valid"), transaction.atomic():
            brought(lock_timeout="soon")

    def test_processes_in_a_transaction(self, write_migrations: Any) -> None:
        """Several processes could not see what the caller's transaction did: they are refused."""
        write_migrations(_0003_fence=FENCE)
        with pytest.raises(SchemasError, match=r"can't work inside a transaction: call this outside of atomic\(\)"):
            brought(processes=2)
        assert not any("fence" in columns(alias) for alias in FLEET)

    @pytest.mark.parametrize("number", [1, 2])
    def test_max_failures(self, number: int, write_migrations: Any) -> None:
        """Behind so many that failed none is begun."""
        write_migrations(_0003_broken=BROKEN)
        found = brought(max_failures=number)
        assert sorted(states(found).values()) == ["failed"] * number + ["left"] * (3 - number)
        left = next(outcome for outcome in found.values() if outcome.state == "left")
        assert left.error == f"Not begun: {number} were not migrated."

    def test_max_failures_counts_those_that_are_refused(self, write_migrations: Any) -> None:
        """One that must not be migrated at all is one that is not done."""
        write_migrations(_0003_fence=FENCE)
        found = brought([SchemaAlias("default", "nowhere", "tenant"), *FLEET], max_failures=1)
        assert states(found) == {"nowhere": "failed", **dict.fromkeys(DONE, "left")}

    def test_canaries(self, write_migrations: Any) -> None:
        """Canaries are first; if one of them is not migrated, no other is begun, nor another canary."""
        write_migrations(_0003_fence=FENCE)
        assert states(brought(canary=2)) == DONE
        write_migrations(_0003_fence=FENCE, _0004_broken=BROKEN)
        found = brought(canary=2)
        assert sorted(states(found).values()) == ["failed", "left", "left"]
        (failed,) = (outcome.alias for outcome in found.values() if outcome.state == "failed")
        left = {outcome.error for outcome in found.values() if outcome.state == "left"}
        assert left == {f"Not begun: canary {failed.placement} was not migrated."}


BROKEN = """
    class Migration(migrations.Migration):
        operations = [migrations.RunSQL("SELECT 1 / 0")]
"""


class TestPoints:
    def test_back_and_to_zero(self, write_migrations: Any) -> None:
        """Schemas are taken back to a point, and an app's migrations all, as far as each has them."""
        write_migrations(_0003_fence=FENCE, _0004_gate=GATE)
        migrate_target(target_of(FLEET[1]), [("garage", "0003_fence")])
        assert states(brought(points=[("garage", "0003_fence")])) == {**DONE, "globex": "current"}
        assert states(brought(points=[("garage", "0002_ledger")])) == DONE
        assert not any("fence" in columns(alias) for alias in FLEET)
        told = {outcome.alias.schema: list(outcome.applied) for outcome in look(FLEET, [("garage", None)])}
        assert told == {schema: [("garage", "0002_ledger"), ("garage", "0001_initial")] for schema in DONE}
        found = brought(points=[("garage", None)])
        assert states(found) == DONE
        assert {tuple(outcome.applied) for outcome in found.values()} == {
            (("garage", "0002_ledger"), ("garage", "0001_initial"))
        }
        assert not any(app == "garage" for alias in FLEET for app, _ in records(alias.db, alias.schema))
        assert states(brought(points=[("garage", None)])) == CURRENT

    SQUASHED = """
        class Migration(migrations.Migration):
            replaces = [("garage", "0003_fence"), ("garage", "0004_gate")]
            operations = [
                migrations.AddField("Lot", "fence", models.CharField(max_length=9, default="")),
                migrations.AddField("Lot", "gate", models.CharField(max_length=9, default="")),
            ]

        Migration.dependencies = [("garage", "0002_ledger")]
    """

    @pytest.mark.parametrize("behind", [False, True], ids=["newest", "another behind it"])
    def test_squashed(self, behind: bool, write_squashed: Any) -> None:
        """Of a squashed migration's parts one schema has none, one half, one all: in the end each has recorded all of
        them and the squashed one, and has run each once.
        """
        migrate_target(target_of(FLEET[1]), [("garage", "0003_fence")])
        migrate_target(target_of(FLEET[2]), [("garage", "0004_gate")])
        write_squashed(behind)
        squashed, hedge = ("garage", "0003_squashed"), [("garage", "0005_hedge")] if behind else []
        found = brought()
        assert {schema: list(outcome.applied) for schema, outcome in found.items()} == {
            "acme": [squashed, *hedge],
            "globex": [("garage", "0004_gate"), *hedge],
            "initech": hedge,
        }
        for alias in FLEET:
            assert {squashed, ("garage", "0003_fence"), ("garage", "0004_gate"), *hedge} <= records(
                alias.db, alias.schema
            )
            assert {"fence", "gate"} <= columns(alias)
        assert states(brought()) == CURRENT

    @pytest.fixture
    def write_squashed(self, write_migrations: Any, tmp_path: Any, settings: Any) -> Any:
        """Write the migrations, and then one that they are squashed into."""
        write_migrations(_0003_fence=FENCE, _0004_gate=GATE)

        def write(behind: bool) -> None:
            from textwrap import dedent

            # Those of another package, since modules that were imported are not read again.
            more = {"_0005_hedge": FENCE.replace("fence", "hedge")} if behind else {}
            package = tmp_path / write_migrations(_0003_fence=FENCE, _0004_gate=GATE, **more)
            source = "from django.db import migrations, models\n\n" + dedent(self.SQUASHED)
            (package / "0003_squashed.py").write_text(source)

        return write
