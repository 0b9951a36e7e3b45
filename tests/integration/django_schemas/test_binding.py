"""Bound models at work: class methods, exceptions, forms, shortcuts, and instances that know where they belong."""

import pickle
from copy import deepcopy
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django import forms
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db.models import ProtectedError
from django.http import Http404
from django.shortcuts import aget_object_or_404, get_list_or_404, get_object_or_404

from django_schemas.exceptions import NoActiveSchema, SchemaMismatch
from tests.apps.garage.models import Badge, Car, OldCar, Owner, Tag, Truck
from tests.apps.garage.witness import Place, seen
from tests.apps.platform.models import Plan


def test_class_method_runs_bound(acme: Place, globex: Place) -> None:
    """`cls` in a class method of a bound model is the bound model, whatever is active."""
    with globex.active():
        cid = acme(Owner).hire("Cid", witness="default.acme")
    assert (cid.db_name, cid.schema_name) == ("default", "acme")
    assert seen(acme(Owner).objects.named("Cid")) == [("Cid", "default.acme")]
    assert seen(globex(Owner).objects.named("Cid")) == []


def test_class_method_of_the_model_follows_the_context(acme: Place) -> None:
    """The same class method of the model itself goes where its caller is."""
    with acme.active():
        Owner.hire("Cid", witness="default.acme")
    assert seen(acme(Owner).objects.named("Cid")) == [("Cid", "default.acme")]
    with pytest.raises(NoActiveSchema):
        Owner.hire("Dan")


def test_isinstance(acme: Place, globex: Place) -> None:
    """An instance is one of its model and of the bound model of its own placement; a child is one of its parent's."""
    assert isinstance(acme.ada, Owner)
    assert isinstance(acme.ada, acme(Owner))
    assert not isinstance(acme.ada, globex(Owner))
    assert isinstance(acme.unimog, acme(Car))
    assert not isinstance(acme.beetle, acme(Truck))


def test_errors_are_the_models_own(acme: Place) -> None:
    """What a bound model raises is caught as what the model raises, both ways."""
    with pytest.raises(Owner.DoesNotExist):
        acme(Owner).objects.get(name="nobody")
    with pytest.raises(acme(Owner).MultipleObjectsReturned):
        acme(Owner).objects.get()
    with pytest.raises(acme(User).DoesNotExist):
        acme(User).objects.get(username="nobody")


def test_save_of_a_bound_instance_ignores_the_context(acme: Place, globex: Place) -> None:
    """An instance made by a bound model is saved, changed, refreshed and deleted in its own schema."""
    with globex.active():
        cid = acme(Owner)(name="Cid", witness="default.acme")
        cid.save()
        cid.name = "Dan"
        cid.save(update_fields=["name"])
        cid.refresh_from_db()
        found = seen(acme(Owner).objects.all())
        cid.delete()
    assert found == [("Ada", "default.acme"), ("Bob", "default.acme"), ("Dan", "default.acme")]
    assert seen(acme(Owner).objects.all()) == [("Ada", "default.acme"), ("Bob", "default.acme")]


def test_instance_of_a_bound_model_is_inserted_with_its_key(acme: Place, globex: Place) -> None:
    """A key that is taken in the neighbour's schema is free in one's own, and the other way round."""
    acme(Tag)(pk=100, name="new", witness="default.acme").save()
    assert seen(acme(Tag).objects.filter(pk=100)) == [("new", "default.acme")]
    assert seen(globex(Tag).objects.filter(pk=100)) == []
    globex(Tag)(pk=100, name="other", witness="default.globex").save()
    assert seen(acme(Tag).objects.filter(pk=100)) == [("new", "default.acme")]


def test_instance_of_no_bound_model_is_saved_in_the_context(acme: Place, globex: Place) -> None:
    """An instance that belongs to no place yet is saved where its saver is, and stays there."""
    cid = Owner(name="Cid", witness="default.acme")
    with acme.active():
        cid.save()
    assert (cid.db_name, cid.schema_name) == ("default", "acme")
    with globex.active():
        cid.name = "Dan"
        cid.save()
    assert seen(acme(Owner).objects.filter(pk=cid.pk)) == [("Dan", "default.acme")]
    with pytest.raises(NoActiveSchema):
        Owner(name="Eve").save()


def test_delete_cascades_within_its_schema(acme: Place, globex: Place) -> None:
    """Deleted are the related rows of the same schema: by foreign key, relation table, child and generic relation."""
    with globex.active():
        deleted = acme.ada.delete()
    assert deleted == (
        8,
        {"garage.Car_tags": 2, "garage.Truck": 1, "garage.Note": 2, "garage.Car": 2, "garage.Owner": 1},
    )
    assert seen(acme(Car).objects.all()) == [("Mini", "default.acme")]
    assert seen(globex(Car).objects.all()) == [
        ("Beetle", "default.globex"),
        ("Mini", "default.globex"),
        ("Unimog", "default.globex"),
    ]


def test_queryset_delete_cascades_within_its_schema(acme: Place, globex: Place) -> None:
    """The same for the deletion of a queryset of an adopted model, whose relations are ours."""
    acme(User).objects.filter(username="ada").delete()
    assert (acme(Badge).objects.count(), globex(Badge).objects.count()) == (0, 1)


def test_protect_looks_at_its_own_schema(acme: Place) -> None:
    """A row of the registry that rows of the active schema refer to with PROTECT can't be deleted."""
    plan = Plan.objects.get()
    acme(Owner).objects.update(plan=plan)
    with acme.active(), pytest.raises(ProtectedError):
        plan.delete()
    assert seen(Plan.objects.all()) == [("gold", "default.registry")]


def test_shortcuts(acme: Place, globex: Place) -> None:
    """get_object_or_404 and its like take a bound model, its manager or its queryset."""
    for what in (acme(Owner), acme(Owner).objects, acme(Owner).objects.all()):
        assert seen([get_object_or_404(what, name="Ada")]) == [("Ada", "default.acme")]
        assert seen(get_list_or_404(what, name="Ada")) == [("Ada", "default.acme")]
        assert seen([async_to_sync(aget_object_or_404)(what, name="Ada")]) == [("Ada", "default.acme")]
        with pytest.raises(Http404):
            get_object_or_404(what, witness="default.globex")


class CarForm(forms.ModelForm):
    class Meta:
        model = Car
        fields = ["name", "owner", "tags", "witness"]


def test_model_form_with_bound_querysets(acme: Place, globex: Place) -> None:
    """A form whose choices are a bound model's offers, takes and saves rows of that schema, with nothing active."""
    data: dict[str, Any] = {"name": "Kombi", "owner": acme.ada.pk, "tags": [acme.red.pk], "witness": "default.acme"}
    form = CarForm(data, instance=acme(Car)())
    form.fields["owner"].queryset = acme(Owner).objects.all()  # type: ignore[attr-defined]
    form.fields["tags"].queryset = acme(Tag).objects.all()  # type: ignore[attr-defined]
    assert form.errors == {}
    kombi = form.save()
    assert (kombi.schema_name, seen([kombi.owner]), seen(kombi.tags.all())) == (
        "acme",
        [("Ada", "default.acme")],
        [("red", "default.acme")],
    )
    assert seen(globex(Car).objects.filter(name="Kombi")) == []


def test_model_form_in_a_context(acme: Place, globex: Place) -> None:
    """A form class that was made at import offers the rows of whoever uses it, and keeps none of them."""
    for place in (acme, globex):
        with place.active():
            form = CarForm({"name": "Kombi", "owner": "1", "tags": ["2"], "witness": place.witness})
            assert seen(form.fields["owner"].queryset) == [  # type: ignore[attr-defined]
                ("Ada", place.witness),
                ("Bob", place.witness),
            ]
            form.save()
        assert seen(place(Car).objects.filter(name="Kombi")) == [("Kombi", place.witness)]


def test_model_form_with_choices_of_another_schema(acme: Place, globex: Place) -> None:
    """Choices of another schema than the instance's are refused as soon as one is taken; nothing is saved."""
    form = CarForm({"name": "Kombi", "owner": "1", "witness": "default.acme"}, instance=acme(Car)())
    form.fields["owner"].queryset = globex(Owner).objects.all()  # type: ignore[attr-defined]
    form.fields["tags"].queryset = acme(Tag).objects.all()  # type: ignore[attr-defined]
    form.fields["tags"].required = False
    with pytest.raises(SchemaMismatch):
        form.save()
    for place in (acme, globex):
        assert seen(place(Car).objects.filter(name="Kombi")) == []


def test_modelform_factory_of_a_bound_model(acme: Place) -> None:
    """A form class can be made of a bound model."""
    form = forms.modelform_factory(acme(Owner), fields=["name", "witness"])({"name": "Cid", "witness": "default.acme"})
    with acme.active():
        form.save()
    assert seen(acme(Owner).objects.named("Cid")) == [("Cid", "default.acme")]


@pytest.mark.parametrize("active", ["acme", "globex", None])
def test_uniqueness_is_looked_for_in_the_instances_schema(
    active: str | None, acme: Place, globex: Place, request: pytest.FixtureRequest
) -> None:
    """`full_clean` of an instance asks its own schema, whatever is active: a name taken next door is free here."""
    globex(User).objects.create(username="taken")
    taken = acme(User)(username="ada", password="x")
    free = acme(User)(username="taken", password="x")

    def clean() -> None:
        free.full_clean()
        with pytest.raises(ValidationError, match="already exists"):
            taken.full_clean()

    if active is None:
        clean()
    else:
        with request.getfixturevalue(active).active():
            clean()


def test_foreign_key_is_validated_in_the_instances_schema(acme: Place, globex: Place) -> None:
    """`full_clean` of an instance looks for what its keys name in its own schema."""
    new = globex(Owner).objects.create(name="New", witness="default.globex", pk=500)
    car = acme(Car)(name="x", witness="x", owner_id=new.pk)
    with globex.active(), pytest.raises(ValidationError, match="owner instance with id 500"):
        car.full_clean()


def test_deferred_fields_are_loaded_from_the_instances_schema(acme: Place, globex: Place) -> None:
    """A field that was left out is fetched from the schema of the instance."""
    ada = acme(Owner).objects.only("name").get(name="Ada")
    with globex.active():
        assert ada.witness == "default.acme"


def test_instance_survives_copies_and_pickles(acme: Place, globex: Place) -> None:
    """A copy, and an instance that comes from another process, is of its schema still, and saved there."""
    for make in (deepcopy, lambda ada: pickle.loads(pickle.dumps(ada))):
        with globex.active():
            ada = make(acme.ada)
            assert (ada, ada.schema_name, hash(ada)) == (acme.ada, "acme", hash(acme.ada))
            ada.name = "Ada L."
            ada.save()
            assert seen(ada.car_set.all()) == [("Beetle", "default.acme"), ("Unimog", "default.acme")]
        assert seen(acme(Owner).objects.filter(pk=ada.pk)) == [("Ada L.", "default.acme")]
        assert seen(globex(Owner).objects.filter(pk=ada.pk)) == [("Ada", "default.globex")]


def test_proxy_and_child(acme: Place, globex: Place) -> None:
    """A proxy and a child of multi-table inheritance are of the schema they are bound to, with all their tables."""
    assert seen(acme(OldCar).objects.all()) == [("Beetle", "default.acme")]
    truck = acme(Truck).objects.create(name="Actros", payload=9, witness="default.acme")
    with globex.active():
        truck.payload = 10
        truck.save()
        assert seen([truck.car_ptr], "name") == [("Actros", "default.acme")]
        assert truck.car_ptr.truck.payload == 10
    assert seen(acme(Truck).objects.all(), "name", "payload") == [
        ("Actros", 10, "default.acme"),
        ("Unimog", 4, "default.acme"),
    ]
    assert seen(globex(Truck).objects.all(), "name", "payload") == [("Unimog", 4, "default.globex")]
    assert acme(Truck).objects.filter(name="Actros").update(name="Antos", payload=1) == 1
    assert acme(Truck).objects.filter(name="Antos").delete() == (2, {"garage.Truck": 1, "garage.Car": 1})


def test_adopted_manager_methods(acme: Place, globex: Place) -> None:
    """Methods of an adopted app's managers work bound, those that save a new instance as well."""
    users: Any = acme(User).objects
    root = users.create_superuser("root", "ROOT@Example.COM", "secret")
    assert root._state.db.placement == acme.placement
    assert users.get_by_natural_key("root").email == "ROOT@example.com"
    assert not globex(User).objects.filter(username="root").exists()
