"""Routing: pure decisions, in the order instance, queryset, context, single schema, and then an error."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db.migrations.state import ModelState, ProjectState
from django.db.models import AutoField, options
from django.test import override_settings
from django.test.utils import isolate_apps

from django_schemas import models, schema_context
from django_schemas.alias import SchemaAlias
from django_schemas.environments import alias_for
from django_schemas.exceptions import ConfigError, NoActiveSchema, SchemaMismatch
from django_schemas.places import instance_alias, place, placed_using, refuse_other, single_home
from django_schemas.routers import ExplicitRouter
from django_schemas.target import Target, records_unread, target_is
from tests.apps.depot.models import Contract
from tests.apps.garage.models import Badge, Car, Owner
from tests.apps.leaflets.models import Leaflet
from tests.apps.platform.models import Plan

router = ExplicitRouter()

ACME = SchemaAlias("default", "acme", "tenant")
GLOBEX = SchemaAlias("default", "globex", "tenant")
INITECH = SchemaAlias("shard2", "initech", "tenant")
REPLICA = SchemaAlias("default-read1", "acme", "tenant", "default")
REGISTRY = SchemaAlias("default", "registry", "registry")

NO_SCHEMA = (
    "garage.Owner is in environment 'tenant', and no schema of it is bound or active: "
    "use Model.set_db(db, schema), schema_context(db, schema), or a tenant's context. "
    "In a command: `manage.py tenant run SLUG -- COMMAND`."
)


def made_in(alias: SchemaAlias, model: Any = Owner, **values: Any) -> Any:
    """An instance as it was read from a place."""
    instance = model(**values)
    instance._state.db = alias
    return instance


def test_model_of_no_environment() -> None:
    """The router has no opinion on it, whatever is active."""
    with schema_context("default", "acme"):
        assert (router.db_for_read(Leaflet), router.db_for_write(Leaflet)) == (None, None)


def test_nothing_says_which_schema() -> None:
    """There is no fallback: an error that names the model, its environment and the ways to say it."""
    for method in (router.db_for_read, router.db_for_write):
        with pytest.raises(NoActiveSchema) as caught:
            method(Owner)
        assert str(caught.value) == NO_SCHEMA


def test_nothing_says_which_schema_in_a_thread() -> None:
    """Off the main thread the error tells how a thread comes by a schema."""
    with ThreadPoolExecutor(1) as pool:
        error = pool.submit(router.db_for_read, Owner).exception()
    assert str(error) == f"{NO_SCHEMA} A new thread begins with none: hand it wrap_context(function)."


def test_nothing_says_which_schema_of_an_environment_without_tenants() -> None:
    """What is said of tenants is said of their environment alone."""
    with pytest.raises(NoActiveSchema, match=r"tenant's context\.$"):
        router.db_for_read(Contract)


def test_active_placement_of_another_environment_does_not_count() -> None:
    """A context of the registry places no tenant's model."""
    with schema_context("default", "registry"), pytest.raises(NoActiveSchema):
        router.db_for_write(Owner)


def test_single_schema_needs_no_declaration() -> None:
    """A model of a single-schema environment is at home, whatever else is active."""
    assert router.db_for_write(Plan) == REGISTRY
    with schema_context("shard2", "initech"):
        assert router.db_for_write(Plan) == REGISTRY


def test_single_home() -> None:
    """It is found among several environments, wherever it stands."""
    assert single_home(("tenant", "registry")) == single_home(("registry",)) == REGISTRY
    assert single_home(("tenant", "depot")) is None


def test_model_that_django_names_no_more() -> None:
    """Of a raw query that was made by hand Django does not say the model: no opinion."""
    assert (router.db_for_read(None), router.db_for_write(None)) == (None, None)


def test_router_without_the_app(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no model was taken up there is no router: it would look for adopted ones in `public`."""
    monkeypatch.setattr(options, "DEFAULT_NAMES", ())
    with pytest.raises(ConfigError, match="'django_schemas' is not in INSTALLED_APPS"):
        ExplicitRouter()


def test_objects_that_may_be_used_anywhere() -> None:
    """A place refuses objects of its own models that are of another place, and no others."""
    for other in (made_in(REGISTRY, Plan), made_in(GLOBEX, Leaflet), Owner(), "default", None):
        refuse_other(ACME, other)
    with pytest.raises(SchemaMismatch):
        refuse_other(ACME, made_in(REGISTRY, User))


def test_order_of_what_counts() -> None:
    """The instance's place counts before the active one, the queryset's too, and that before the single schema."""
    with schema_context("default", "globex"):
        assert place(Owner) == GLOBEX
        assert place(Owner, placement=ACME) == ACME
        assert place(Owner, instance=made_in(INITECH)) == INITECH
        assert place(Owner, instance=made_in(ACME), placement=ACME) == ACME
        assert place(User) == GLOBEX
    assert place(User) == REGISTRY


def test_adopted_model_follows_the_innermost_context() -> None:
    """Its environments are the registry and the tenants': the innermost context decides, else it is the registry."""
    with schema_context("default", "acme"):
        assert place(User) == ACME
        with schema_context("default", "registry"):
            assert place(User) == REGISTRY
        assert place(User, placement=REGISTRY) == REGISTRY
    assert place(User, instance=made_in(ACME, User), placement=REGISTRY) == ACME


def test_queryset_of_another_environment_does_not_count() -> None:
    """What a queryset carries for other models than these says nothing of them."""
    assert place(Plan, placement=ACME) == REGISTRY
    with schema_context("default", "globex"):
        assert place(Owner, placement=REGISTRY) == GLOBEX


def test_instance_and_queryset_of_two_schemas() -> None:
    """An object of one schema and a queryset of another: an error that names both."""
    with pytest.raises(SchemaMismatch) as caught:
        place(Car, instance=made_in(GLOBEX), placement=ACME)
    assert str(caught.value) == (
        "garage.Car is asked in default.acme for an object of default.globex: "
        "use a queryset of the object's own schema."
    )


def test_instance_without_a_place_says_nothing() -> None:
    """An object that was never saved, or is of no environment, leaves it to what comes next."""
    with schema_context("default", "acme"):
        assert place(Owner, instance=Owner()) == place(Owner, instance=made_in(REGISTRY, Plan)) == ACME


def test_object_that_was_given_a_plain_alias() -> None:
    """It is of the active schema of its model on that database, else of the single one; of no other database's."""
    plain: Any = "default"
    elsewhere: Any = "shard2"
    assert repr(instance_alias(made_in(plain, Plan), ("registry",))) == repr(REGISTRY)
    assert repr(instance_alias(made_in(plain, User), ("registry", "tenant"))) == repr(REGISTRY)
    with schema_context("default", "acme"):
        assert repr(instance_alias(made_in(plain), ("tenant",))) == repr(ACME)
        assert repr(instance_alias(made_in(plain, User), ("registry", "tenant"))) == repr(ACME)
        assert repr(instance_alias(made_in(plain, User), ("registry",))) == repr(REGISTRY)
        found = [
            instance_alias(made_in(elsewhere), ("tenant",)),
            instance_alias(made_in(elsewhere, Plan), ("registry",)),
            instance_alias(made_in(plain), ("registry",)),
            instance_alias(made_in(plain, Leaflet), ("tenant",)),
            instance_alias(Owner(), ("tenant",)),
            instance_alias("default", ("tenant",)),
        ]
        with schema_context("shard2", "initech"):
            assert repr(instance_alias(made_in(plain), ("tenant",))) == repr(ACME)
    assert found == [None] * 6
    assert instance_alias(made_in(plain), ("tenant",)) is None


def test_object_that_was_given_the_plain_alias_of_a_replica() -> None:
    """It is of the schema that is active on the primary."""
    replica: Any = "default-read1"
    with override_databases(REPLICATED), schema_context("default", "acme"):
        assert repr(instance_alias(made_in(replica), ("tenant",))) == repr(ACME)


def test_place_is_the_primary() -> None:
    """What was read from a replica belongs to the primary."""
    for found in (place(Owner, placement=REPLICA), place(Owner, instance=made_in(REPLICA))):
        assert (found, type(found), found.schema) == ("default", SchemaAlias, "acme")


@pytest.mark.parametrize(
    ("model", "using", "carried", "expected"),
    [
        (Owner, ACME, None, ACME),
        (Owner, ACME, GLOBEX, ACME),
        (Owner, "default", ACME, ACME),
        (Owner, "default", None, GLOBEX),
        (Owner, "shard2", INITECH, INITECH),
        (Owner, "default", INITECH, GLOBEX),
        (Plan, "default", None, REGISTRY),
        (User, "default", None, GLOBEX),
    ],
)
def test_alias_given_by_hand(model: Any, using: str, carried: SchemaAlias | None, expected: SchemaAlias) -> None:
    """A plain alias means the carried schema, else the active one, else the single one, of this very database."""
    with schema_context("default", "globex"):
        assert repr(placed_using(model, using, carried)) == repr(expected)


def test_alias_given_by_hand_of_a_database_further_out() -> None:
    """The active schema of this very database counts, also if one of another database is active within."""
    with schema_context("default", "globex"), schema_context("shard2", "initech"):
        assert repr(placed_using(Owner, "default", None)) == repr(GLOBEX)


def test_replica_given_by_hand() -> None:
    """A replica's alias means the same schemas as its primary's, in the replica."""
    databases = {"default": {"ENVIRONMENTS": ["registry", "tenant"]}, "default-read1": {}}
    with override_databases(databases), schema_context("default", "acme"):
        assert repr(placed_using(Owner, "default-read1", None)) == repr(REPLICA)


def test_alias_given_by_hand_of_a_database_where_nothing_is_active() -> None:
    """Another database than that of the active schema is an error, and no fallback to anything."""
    with schema_context("default", "acme"):
        for model in (Owner, Plan, User):
            with pytest.raises(NoActiveSchema, match="bound or active on database 'shard2': use"):
                placed_using(model, "shard2", None)


def test_relations_within_one_schema() -> None:
    """Two objects of one schema may be related, also if one was read from a replica."""
    assert router.allow_relation(made_in(ACME), made_in(ACME, Car)) is True
    assert router.allow_relation(made_in(REPLICA), made_in(ACME, Car)) is True


@pytest.mark.parametrize("other", [GLOBEX, INITECH])
def test_relations_between_two_schemas(other: SchemaAlias) -> None:
    """Two objects of two schemas of one environment may not; the error names both."""
    with pytest.raises(SchemaMismatch) as caught:
        router.allow_relation(made_in(ACME, pk=1), made_in(other, Car, pk=2))
    assert str(caught.value) == (
        f"garage.Owner pk=1 is in default.acme, garage.Car pk=2 in {other.placement}: "
        "they can't be related. Load both from one schema."
    )


def test_relations_to_a_single_schema_environment() -> None:
    """Allowed in the same database; from another only if the relation does without a constraint."""
    plan, contract = made_in(REGISTRY, Plan), made_in(SchemaAlias("default", "north", "depot"), Contract)
    assert router.allow_relation(contract, plan) is True
    assert router.allow_relation(made_in(ACME), plan) is True
    assert router.allow_relation(made_in(INITECH), plan) is True
    assert router.allow_relation(plan, made_in(INITECH)) is True
    with pytest.raises(SchemaMismatch):
        router.allow_relation(made_in(SchemaAlias("shard2", "north", "depot"), Contract), plan)


def test_relations_without_a_constraint_of_models_that_have_others() -> None:
    """Only the relations between the two models count, each of them."""
    plan = made_in(REGISTRY, Plan)
    assert router.allow_relation(made_in(INITECH, Badge), plan) is True
    with isolate_apps("tests.apps.garage"):

        class Bill(models.Model):
            plan = models.ForeignKey(Plan, models.CASCADE, db_constraint=False, related_name="+")
            old_plan = models.ForeignKey(Plan, models.CASCADE, related_name="+")

            class Meta:
                app_label = "garage"
                db_environment = "tenant"

    for one, two in ((made_in(INITECH, Bill), plan), (plan, made_in(INITECH, Bill))):
        with pytest.raises(SchemaMismatch):
            router.allow_relation(one, two)


def test_relations_between_two_multi_schema_environments() -> None:
    """Refused, even in one database: nothing says which schema of the other is meant."""
    with pytest.raises(SchemaMismatch):
        router.allow_relation(made_in(SchemaAlias("default", "acme", "depot"), Contract), made_in(ACME))


def test_adopted_objects_of_registry_and_tenant() -> None:
    """A user of the registry and a badge of a tenant are of two schemas: the badge's key means the tenant's users."""
    with pytest.raises(SchemaMismatch):
        router.allow_relation(made_in(ACME, Badge, pk=1), made_in(REGISTRY, User, pk=1))
    with pytest.raises(SchemaMismatch):
        router.allow_relation(made_in(REGISTRY, User, pk=1), made_in(ACME, Badge, pk=1))


def test_relations_of_others() -> None:
    """On objects that are of no schema the router has no opinion."""
    assert router.allow_relation(made_in(ACME), Leaflet()) is None
    assert router.allow_relation(Leaflet(), made_in(ACME)) is None
    assert router.allow_relation(Leaflet(), Leaflet()) is None


def test_relations_of_others_that_were_saved_by_an_alias_of_ours() -> None:
    """They are where their alias says, and may be related there."""
    assert router.allow_relation(made_in(ACME, Leaflet), made_in(ACME, Leaflet)) is True
    with pytest.raises(SchemaMismatch):
        router.allow_relation(made_in(ACME, Leaflet), made_in(GLOBEX, Leaflet))


TENANT_TARGET = Target("default", ACME, ("acme",))
REGISTRY_TARGET = Target("default", REGISTRY, ("registry",))
NO_TARGET = Target("default")


@pytest.mark.parametrize(
    ("target", "db", "expected"),
    [
        (None, "default", {"plan": True, "owner": False, "user": True, "leaflet": None, "contract": False}),
        (None, "shard2", {"plan": False, "owner": False, "user": False, "leaflet": None, "contract": False}),
        (
            TENANT_TARGET,
            "default",
            {"plan": False, "owner": True, "user": True, "leaflet": False, "contract": False},
        ),
        (
            REGISTRY_TARGET,
            "default",
            {"plan": True, "owner": False, "user": True, "leaflet": False, "contract": False},
        ),
        (NO_TARGET, "default", {"plan": False, "owner": False, "user": False, "leaflet": None, "contract": False}),
    ],
)
def test_allow_migrate(target: Target | None, db: str, expected: dict[str, bool | None]) -> None:
    """A target takes its environment's models; else a database takes those of its single-schema environments."""
    labels = {"plan": "platform", "owner": "garage", "user": "auth", "leaflet": "leaflets", "contract": "depot"}

    def allowed() -> dict[str, bool | None]:
        return {name: router.allow_migrate(db, label, model_name=name) for name, label in labels.items()}

    if target is None:
        assert allowed() == expected
    else:
        with target_is(target):
            assert allowed() == expected


def test_allow_migrate_with_an_active_placement() -> None:
    """What is active on a database may be there as well: fixtures are loaded there, and tests serialize it."""
    with schema_context("default", "acme"):
        assert router.allow_migrate("default", "garage", model_name="owner") is True
        assert router.allow_migrate("shard2", "garage", model_name="owner") is False


def test_allow_migrate_in_a_place() -> None:
    """Asked for a place, as by what flushes or serializes one, it allows the models of that environment alone."""
    labels = {"plan": "platform", "owner": "garage", "user": "auth", "leaflet": "leaflets"}
    with target_is(REGISTRY_TARGET):
        found = {name: router.allow_migrate(ACME, label, model_name=name) for name, label in labels.items()}
    assert found == {"plan": False, "owner": True, "user": True, "leaflet": False}


def test_allow_migrate_on_another_database_than_the_targets() -> None:
    """What is migrated on one database says nothing of another."""
    with target_is(TENANT_TARGET):
        assert router.allow_migrate("shard2", "garage", model_name="owner") is False
        assert router.allow_migrate("shard2", "leaflets", model_name="leaflet") is None


INITECH = alias_for("shard2", "initech", ("tenant",))
MIGRATING_ELSEWHERE = Target("shard2", INITECH)


def test_allow_migrate_on_the_default_database() -> None:
    """Within a migration elsewhere, "default" is what code asks that names none: it means what is migrated."""
    with target_is(MIGRATING_ELSEWHERE):
        assert router.allow_migrate("default", "garage", model_name="owner") is True
        assert router.allow_migrate("default", "leaflets", model_name="leaflet") is None
        assert router.allow_migrate("shard2", "platform", model_name="plan") is False


def test_default_within_a_migration() -> None:
    """Within a migration elsewhere, "default" means what is migrated, but for what is bound there, and other models."""
    with target_is(MIGRATING_ELSEWHERE):
        with schema_context("default", "globex"):
            assert placed_using(Owner, "default", None).same_place(INITECH)
            assert placed_using(User, "default", INITECH).same_place(INITECH)
        assert placed_using(Owner, "default", ACME).same_place(ACME)
        assert placed_using(Plan, "default", None).schema == "registry"
        with pytest.raises(NoActiveSchema):
            placed_using(Owner, "shard2", None)


def test_relation_within_a_migration() -> None:
    """An object that was told "default" there may be related to those of the schema that is migrated, and no others."""
    told, own, other = User(), User(), User()
    told._state.db, own._state.db, other._state.db = "default", INITECH, ACME
    both = ("registry", "tenant")
    found = instance_alias(told, both)
    assert found is not None
    assert found.schema == "registry"
    with target_is(MIGRATING_ELSEWHERE):
        found = instance_alias(told, both)
        assert found is not None
        assert found.same_place(INITECH)
        assert router.allow_relation(told, own) is router.allow_relation(own, told) is True
        with pytest.raises(SchemaMismatch):
            router.allow_relation(told, other)


def test_allow_migrate_by_the_model() -> None:
    """The model alone says its name, and one that is no more says where it was."""
    state = ProjectState()
    state.add_model(ModelState("leaflets", "Gone", [("id", AutoField(primary_key=True))], {"db_environment": "tenant"}))
    gone = state.apps.get_model("leaflets", "Gone")
    with target_is(TENANT_TARGET):
        assert router.allow_migrate("default", "auth", model=User) is True
        assert router.allow_migrate("default", "platform", model=Plan) is False
        assert router.allow_migrate("default", "leaflets", model_name="gone", model=gone) is True
        assert router.allow_migrate("default", "leaflets", model=gone) is True
        assert router.allow_migrate("default", "leaflets", model=Leaflet) is False
    with target_is(NO_TARGET):
        assert router.allow_migrate("default", "leaflets", model=Leaflet) is None


def test_allow_migrate_of_an_operation_without_model() -> None:
    """RunPython and RunSQL run where their app has models, or where their hint says."""
    found = {}
    for name, target in {"tenant": TENANT_TARGET, "registry": REGISTRY_TARGET, "none": NO_TARGET}.items():
        with target_is(target):
            found[name] = (
                router.allow_migrate("default", "garage"),
                router.allow_migrate("default", "auth"),
                router.allow_migrate("default", "leaflets"),
                router.allow_migrate("default", "auth", environment="tenant"),
                router.allow_migrate("default", "leaflets", environment="registry"),
            )
    assert found == {
        "tenant": (True, True, False, True, False),
        "registry": (False, True, False, False, True),
        "none": (False, False, None, False, False),
    }


def test_allow_migrate_by_a_name_with_a_hint() -> None:
    """What names a model is about that model, wherever a hint says that its operation belongs."""
    with target_is(TENANT_TARGET):
        assert router.allow_migrate("default", "auth", model_name="user", environment="registry") is True
        assert router.allow_migrate("default", "platform", model_name="plan", environment="tenant") is False


def test_allow_migrate_with_an_unknown_hint() -> None:
    """A hint that names no environment is an error, and does not skip the operation in silence."""
    with target_is(TENANT_TARGET), pytest.raises(ConfigError, match="'tennant' is not in DATABASE_ENVIRONMENTS"):
        router.allow_migrate("default", "garage", environment="tennant")


def test_allow_migrate_while_records_are_unread() -> None:
    """Django finds nothing to check the records of where environments are hosted, and elsewhere what it always does."""
    with records_unread():
        assert router.allow_migrate("default", "platform", model_name="plan") is False
        assert router.allow_migrate("default", "leaflets", model_name="leaflet") is False
        assert router.allow_migrate("plain", "leaflets", model_name="leaflet") is None
    assert router.allow_migrate("default", "platform", model_name="plan") is True


def test_historic_model_outside_of_a_migration() -> None:
    """A historic model follows the run it is part of; outside of one the router has no opinion."""
    model = ProjectState.from_apps(Owner._meta.apps).apps.get_model("garage", "Owner")
    assert router.db_for_write(model) is None
    assert router.db_for_read(model) is None
    with target_is(TENANT_TARGET):
        assert router.db_for_write(model) == router.db_for_read(model) == "default"
        assert router.db_for_write(Leaflet) is None


def override_databases(databases: Any) -> override_settings:
    return override_settings(DATABASES=databases)


pytestmark = pytest.mark.filterwarnings("ignore:Overriding setting DATABASES")

REPLICATED = {
    "default": {"ENVIRONMENTS": ["registry", "tenant"]},
    "shard2": {"ENVIRONMENTS": ["tenant"]},
    "default-read1": {},
    "default-read2": {},
    "neu-read1": {},
}


def test_reads_of_a_database_without_replicas() -> None:
    """A database that has none is read itself."""
    with override_databases(REPLICATED):
        assert router.db_for_read(Owner, placement=INITECH) == INITECH
