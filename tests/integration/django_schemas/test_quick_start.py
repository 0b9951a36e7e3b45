"""The examples of the documentation work as they are written there."""

import pytest
from django.contrib.auth.models import User
from django.db import transaction

from django_schemas import active_placement, bind, schema_context, schema_cursor
from django_schemas.exceptions import ConfigError, NoActiveSchema
from django_schemas.migrations import flush, migrate
from django_schemas.placement import Placement
from django_schemas.schemas import schema_exists
from tests.apps.garage.models import Car as SampleCar
from tests.apps.garage.models import Owner as SampleUser
from tests.apps.garage.witness import Place, seen
from tests.apps.platform.models import Plan

SCHEMAS = ["acme", "globex", "registry"]


def test_create_in_a_bound_model(acme: Place, globex: Place) -> None:
    """`set_db(db=, schema=)` binds the model, and its managers write and read there and nowhere else."""
    SampleUser.set_db(db="default", schema="acme").objects.create(name="Sample Name")
    assert seen(SampleUser.set_db("default", "acme").objects.filter(name="Sample Name")) == [("Sample Name", "")]
    assert seen(SampleUser.set_db("default", "globex").objects.filter(name="Sample Name")) == []


def test_inherit_and_mix(initech: Place, acme: Place) -> None:
    """A model inherits the placement of an instance; an instance of another schema is a ValueError, nothing written."""
    user1 = SampleUser.set_db("default", "acme").objects.create(name="User 1")
    car1 = SampleCar.inherit_db(user1).objects.create(name="Car 1", owner=user1)
    with pytest.raises(ValueError, match=r"default\.acme and can't be used in default\.globex"):
        SampleCar.set_db("default", "globex").objects.create(name="Car 2", owner=user1)
    assert list(user1.car_set.all()) == [car1]
    for schema in ("acme", "globex"):
        assert not SampleCar.set_db("default", schema).objects.filter(name="Car 2").exists()


def test_single_schema_needs_no_declaration(acme: Place) -> None:
    """Models of a single-schema environment are used as ever."""
    Plan.objects.create(name="silver", witness="default.registry")
    assert seen(Plan.objects.all()) == [("gold", "default.registry"), ("silver", "default.registry")]
    assert (Plan.db_name, Plan.schema_name) == ("default", "registry")


def test_bound_model(acme: Place, globex: Place) -> None:
    """A bound model has all of the model, and its instances are plain instances."""
    Acme = SampleUser.set_db("default", "acme")
    Acme.objects.create(name="Cid")
    assert isinstance(Acme.objects.get(name="Cid"), SampleUser)
    bob = Acme(name="Dan")
    bob.save()
    assert seen(Acme.objects.named("Dan")) == [("Dan", "")]  # type: ignore[attr-defined]
    with pytest.raises(Acme.DoesNotExist):
        Acme.objects.get(name="nobody")
    assert (Acme.db_name, Acme.schema_name) == ("default", "acme")
    assert (bob.db_name, bob.schema_name) == ("default", "acme")


def test_auto_db(acme: Place) -> None:
    """The active placement, else the single schema, else ConfigError."""
    with schema_context("default", "acme"):
        assert seen(SampleUser.auto_db().objects.all()) == [("Ada", "default.acme"), ("Bob", "default.acme")]
    assert seen(Plan.auto_db().objects.all()) == [("gold", "default.registry")]
    with pytest.raises(ConfigError):
        SampleUser.auto_db()


def test_bind_a_model_of_an_adopted_app(acme: Place, globex: Place) -> None:
    """`bind` is `set_db` for a model that knows nothing of schemas."""
    joe = bind(User, "default", "acme").objects.create_user("joe", password="secret")
    assert joe.check_password("secret")
    found = {schema: bind(User, "default", schema).objects.filter(username="joe").count() for schema in SCHEMAS}
    assert found == {"acme": 1, "globex": 0, "registry": 0}


def test_schema_context(acme: Place, globex: Place) -> None:
    """Inside of the context the models are used as ever."""
    with schema_context("default", "acme"):
        assert active_placement() == Placement("default", "acme")
        SampleUser.objects.create(name="Eve", witness="default.acme")
        with schema_context("default", "globex"):
            assert seen(SampleUser.objects.all()) == [("Ada", "default.globex"), ("Bob", "default.globex")]
    assert seen(acme(SampleUser).objects.named("Eve")) == [("Eve", "default.acme")]
    with pytest.raises(NoActiveSchema):
        SampleUser.objects.count()


@schema_context("default", "globex")
def names() -> list[str]:
    return list(SampleUser.objects.order_by("name").values_list("witness", flat=True))


def test_schema_context_as_decorator(globex: Place) -> None:
    """The decorated function runs in the placement."""
    assert names() == ["default.globex"] * 2


def test_schema_cursor(acme: Place) -> None:
    """Raw SQL runs in the schema."""
    with schema_cursor("default", "acme") as cursor:
        cursor.execute("SELECT name, witness FROM garage_owner ORDER BY name")
        assert cursor.fetchall() == [("Ada", "default.acme"), ("Bob", "default.acme")]


def test_migrate_and_flush(schemas: object) -> None:
    """A schema is made by `migrate` and dropped by `flush`, in one transaction as well."""
    assert not schema_exists("default", "sample_schema")
    migrate("default", schema="sample_schema", environment="tenant")
    SampleUser.set_db("default", "sample_schema").objects.create(name="Ada")
    with transaction.atomic():
        flush("default", "sample_schema")
    assert not schema_exists("default", "sample_schema")
