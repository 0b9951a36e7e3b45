"""`from django_schemas import models`: everything of `django.db.models`, and the models to inherit from."""

import ast
from pathlib import Path

import pytest
from django.db import models as django_models

from django_schemas import models, plain
from django_schemas.alias import SchemaTable
from tests.apps.garage.models import Car, Lot, OldCar, Owner
from tests.apps.leaflets.models import Leaflet


def test_everything_of_django_is_there() -> None:
    """Each name of `django.db.models` is the same object here, but for Model."""
    names = [name for name in dir(django_models) if not name.startswith("_")]
    others = [name for name in names if getattr(models, name) is not getattr(django_models, name)]
    assert others == ["Model"]
    assert set(models.__all__) - set(django_models.__all__) == {"SchemaModel"}
    with pytest.raises(AttributeError):
        _ = models.NoSuchField


def test_model_is_a_django_model() -> None:
    """Both base classes are abstract Django models, and one is the other."""
    assert issubclass(models.Model, models.SchemaModel)
    assert issubclass(models.SchemaModel, django_models.Model)
    assert models.Model._meta.abstract
    assert models.SchemaModel._meta.abstract
    assert (models.Model.db_name, models.Model.schema_name) == (None, None)


def test_combined_with_another_base() -> None:
    """SchemaModel goes together with another package's abstract model."""
    assert [field.name for field in Lot._meta.fields] == ["id", "position", "witness"]
    assert Lot._meta.db_table.environments == ("tenant",)  # type: ignore[attr-defined]
    assert Lot.set_db("default", "acme")(position=3).schema_name == "acme"


def test_tables_know_their_environment() -> None:
    """`_meta.db_table` is the text it always was, and knows where it may stand; so does a relation's table."""
    tables = [model._meta.db_table for model in (Owner, Car.tags.through, OldCar)]
    assert tables == ["garage_owner", "garage_car_tags", "garage_car"]
    assert [table.environments for table in tables] == [("tenant",)] * 3  # type: ignore[attr-defined]
    assert not isinstance(Leaflet._meta.db_table, SchemaTable)


def test_names_that_type_checkers_read() -> None:
    """Each name of Django's is written down for type checkers, so it has its own type, and `Model` is ours."""
    written = {
        node.value
        for statement in ast.parse(Path(plain.__file__).read_text()).body
        if isinstance(statement, ast.Assign | ast.AugAssign)
        for node in ast.walk(statement)
        if isinstance(node, ast.Constant)
    }
    assert set(django_models.__all__) - {"Model"} <= written
    assert "Model" not in written
