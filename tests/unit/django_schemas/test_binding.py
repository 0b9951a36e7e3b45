"""Bound models: what they know, what they are equal to, and which can't be made. Nothing here asks a database."""

import copy
import pickle
from typing import Any

import pytest
from django.contrib.auth.models import User

from django_schemas import Placement, bind, schema_context
from django_schemas.exceptions import ConfigError, InvalidSchemaName, NoActiveSchema, SchemaMismatch
from tests.apps.garage.models import Badge, Car, OldCar, Owner, Truck
from tests.apps.leaflets.models import Leaflet
from tests.apps.platform.models import Plan

Acme = Owner.set_db(db="default", schema="acme")
Globex = Owner.set_db("default", "globex")


def where(bound: Any) -> tuple[str, str]:
    return bound.db_name, bound.schema_name


def test_bound_model_knows_its_placement() -> None:
    """It names its writable database and its schema, by keyword or position alike."""
    assert (where(Acme), where(Globex)) == (("default", "acme"), ("default", "globex"))
    assert repr(Acme) == "<garage.Owner in default.acme>"


def test_bound_model_has_what_the_model_has() -> None:
    """Exceptions, options, fields and constants are the model's own."""
    assert Acme.DoesNotExist is Owner.DoesNotExist
    assert Acme.MultipleObjectsReturned is Owner.MultipleObjectsReturned
    assert Acme._meta is Owner._meta
    assert Acme.__name__ == "Owner"
    with pytest.raises(AttributeError):
        _ = Acme.nothing  # type: ignore[attr-defined]


def test_bound_models_are_values() -> None:
    """Two of one model and placement are equal; another schema, database or model is another one."""
    assert Acme == Owner.set_db("default", "acme")
    assert hash(Acme) == hash(Owner.set_db("default", "acme"))
    others: list[Any] = [Globex, Owner.set_db("shard2", "acme"), Car.set_db("default", "acme"), Owner]
    assert [other for other in others if other == Acme or not other != Acme] == []
    assert len({Acme, Globex, Owner.set_db("default", "acme"), Owner.set_db("shard2", "acme")}) == 3


def test_bound_model_survives_copies_and_pickles() -> None:
    """A bound model can be copied, and be sent to another process."""
    assert [copy.copy(Acme), copy.deepcopy(Acme), pickle.loads(pickle.dumps(Acme))] == [Acme] * 3


def test_binding_costs_no_class() -> None:
    """A thousand placements make no class: `Owner` has the subclasses it had."""
    before = Owner.__subclasses__()
    assert len({Owner.set_db("default", f"s{number}") for number in range(1000)}) == 1000
    assert Owner.__subclasses__() == before


def test_bound_model_binds_anew() -> None:
    """set_db, inherit_db and auto_db of a bound model are those of the model."""
    assert Acme.set_db("default", "globex") == Globex
    assert bind(Acme, "default", "globex") == Globex
    assert Acme.inherit_db(Globex) == Globex
    with schema_context("default", "globex"):
        assert Acme.auto_db() == Globex


@pytest.mark.parametrize("model", [Owner, Car, Truck, OldCar, Badge, User, Car.tags.through, User.groups.through])
def test_bind_any_model_of_an_environment(model: Any) -> None:
    """Models of adopted apps, of relations, proxies and children can all be bound."""
    assert where(bind(model, "shard2", "initech")) == ("shard2", "initech")


def test_bind_an_adopted_model_to_either_environment() -> None:
    """The declared schema means the registry, any other one a tenant's."""
    aliases = [bind(User, "default", schema).objects.all().placement for schema in ("registry", "acme")]
    assert list(map(repr, aliases)) == [
        "<SchemaAlias default.registry (registry)>",
        "<SchemaAlias default.acme (tenant)>",
    ]


def test_model_of_no_environment_can_not_be_bound() -> None:
    """The error says how a model gets into an environment."""
    with pytest.raises(ConfigError) as caught:
        bind(Leaflet, "default", "acme")
    assert str(caught.value) == (
        "leaflets.Leaflet is in no environment: set Meta.db_environment, or list its app in APPS of one."
    )


@pytest.mark.parametrize(
    ("model", "db", "schema", "error"),
    [
        (Owner, "nowhere", "acme", ConfigError),
        (Owner, "default-read1", "acme", ConfigError),
        (Owner, "default", "Acme", InvalidSchemaName),
        (Owner, "default", "public", InvalidSchemaName),
        (Owner, "default", "", InvalidSchemaName),
        (Owner, "default", None, InvalidSchemaName),
        (Owner, "default", "registry", ConfigError),
        (Plan, "default", "acme", ConfigError),
        (Plan, "shard2", "registry", ConfigError),
    ],
)
def test_what_is_no_placement_of_a_model(model: Any, db: str, schema: Any, error: type[Exception]) -> None:
    """A wrong database or schema is an error at once, before there is a query."""
    with pytest.raises(error):
        model.set_db(db, schema)


def test_inherit_from_a_bound_model_or_an_instance() -> None:
    """Both give their own placement, whatever is active."""
    with schema_context("default", "globex"):
        assert Car.inherit_db(Acme) == Car.set_db("default", "acme")
        assert Car.inherit_db(Acme(name="Ada")) == Car.set_db("default", "acme")


def test_inherit_from_a_single_schema_model() -> None:
    """Such a model gives its one schema, to its own kind and to adopted models."""
    assert where(Plan.inherit_db(Plan)) == ("default", "registry")
    assert where(Plan.inherit_db(Acme)) == ("default", "registry")


def test_inherit_from_what_has_no_placement() -> None:
    """An instance that was never saved, a model of many schemas, or anything else is an error that names it."""
    for source in (Owner(), Owner, None, "acme", Leaflet(), Plan):
        with pytest.raises(ConfigError, match=r"^garage.Car can't take its placement from"):
            Car.inherit_db(source)


def test_auto_db() -> None:
    """The active placement, else the single schema, else an error."""
    with schema_context("shard2", "initech"):
        assert where(Owner.auto_db()) == ("shard2", "initech")
        assert where(Plan.auto_db()) == ("default", "registry")
    assert where(Plan.auto_db()) == ("default", "registry")
    with pytest.raises(NoActiveSchema, match=r"^garage.Owner is in environment 'tenant', and no schema of it is bound"):
        Owner.auto_db()
    assert issubclass(NoActiveSchema, ConfigError)


def test_auto_db_stays_where_it_was_made() -> None:
    """It is a binding: it does not follow the context later."""
    with schema_context("default", "acme"):
        bound = Owner.auto_db()
    with schema_context("default", "globex"):
        assert bound == Acme
        assert bound.objects.all().placement.placement == Placement("default", "acme")


def test_instances_made_by_a_bound_model() -> None:
    """They are plain instances of the model that belong to the placement."""
    ada = Acme(name="Ada")
    assert (type(ada), ada.name, ada._state.adding) == (Owner, "Ada", True)
    assert (ada.db_name, ada.schema_name) == ("default", "acme")
    assert [isinstance(ada, each) for each in (Owner, Acme, Globex)] == [True, True, False]
    assert [isinstance(Owner(), each) for each in (Owner, Acme)] == [True, False]


def test_instance_made_with_an_object_of_another_schema() -> None:
    """A related object of another schema is refused as the instance is made."""
    beetle = Car.set_db("default", "acme")(owner=Acme(pk=1))
    assert beetle.owner.schema_name == "acme"
    with pytest.raises(SchemaMismatch):
        Car.set_db("default", "acme")(owner=Globex(pk=1))


def test_class_methods_run_bound() -> None:
    """A class method gets the bound model as its class."""
    bound: Any = Acme.hire.__self__  # type: ignore[attr-defined]
    assert bound == Acme


def test_managers_are_bound() -> None:
    """Each manager of the model is there, bound, with its own methods."""
    cars = Car.set_db("default", "acme")
    querysets = [cars.objects.all(), cars.fleet.tagged("red"), cars._default_manager.all(), cars._base_manager.all()]
    querysets += [cars.objects.all().tagged("red"), Acme.objects.named("Ada")]  # type: ignore[attr-defined]
    assert {repr(queryset.placement) for queryset in querysets} == {"<SchemaAlias default.acme (tenant)>"}


def test_instance_knows_no_placement_before_it_has_one() -> None:
    """An instance made outside of any placement has none, and the class has the active or the single one."""
    assert (Owner().db_name, Owner().schema_name) == (None, None)
    assert (Owner.db_name, Owner.schema_name) == (None, None)
    assert (Plan.db_name, Plan.schema_name) == ("default", "registry")
    with schema_context("shard2", "initech"):
        assert (Owner.db_name, Owner.schema_name) == ("shard2", "initech")
