"""Content types, generic relations and permissions: each schema has its own, with its own ids."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.contrib.contenttypes.prefetch import GenericPrefetch
from django.db.models import prefetch_related_objects

from tests.apps.garage.models import Car, Note, OldCar, Owner
from tests.apps.garage.witness import Place, seen
from tests.apps.platform.models import Plan

Watch = Callable[[], AbstractContextManager[Any]]


def test_ids_differ(acme: Place, globex: Place) -> None:
    """The ids of content types and permissions are shifted in globex, so that mixing them up would be seen."""
    ids = [set(place(ContentType).objects.values_list("pk", flat=True)) for place in (acme, globex)]
    assert ids[0].isdisjoint(ids[1])
    keys = [set(place(Permission).objects.values_list("pk", flat=True)) for place in (acme, globex)]
    assert keys[0].isdisjoint(keys[1])


def test_each_schema_has_those_of_its_models(acme: Place, globex: Place) -> None:
    """post_migrate made content types for the models of the environment, in each schema the same."""
    found = [sorted(place(ContentType).objects.values_list("app_label", "model")) for place in (acme, globex)]
    assert found[0] == found[1]
    assert found[0] == [
        ("admin", "logentry"),
        ("auth", "group"),
        ("auth", "permission"),
        ("auth", "user"),
        ("contenttypes", "contenttype"),
        ("garage", "badge"),
        ("garage", "car"),
        ("garage", "lot"),
        ("garage", "note"),
        ("garage", "oldcar"),
        ("garage", "owner"),
        ("garage", "repair"),
        ("garage", "tag"),
        ("garage", "truck"),
        ("sessions", "session"),
        ("signs", "sign"),
        ("sites", "site"),
    ]
    registry = set(ContentType.objects.values_list("app_label", "model"))
    assert ("platform", "plan") in registry
    assert {label for label, _ in registry} & {"garage", "leaflets", "depot"} == set()


def test_content_types_are_cached_by_schema(acme: Place, globex: Place, nothing_sent: Watch) -> None:
    """Each schema's are fetched once, and never given to the other."""
    ContentType.objects.clear_cache()
    ids = {}
    for place in (acme, globex):
        with place.active():
            ids[place] = ContentType.objects.get_for_model(Owner).pk
    assert ids == {
        place: place(ContentType).objects.get(app_label="garage", model="owner").pk for place in (acme, globex)
    }
    with nothing_sent():
        for place in (globex, acme, globex):
            with place.active():
                found = ContentType.objects.get_for_model(Owner)
                assert (found.pk, found._state.db.placement) == (ids[place], place.placement)
                assert place(ContentType).objects.get_for_model(Owner).pk == ids[place]
                assert ContentType.objects.get_for_id(ids[place]) == found
                assert ContentType.objects.get_by_natural_key("garage", "owner") == found
                assert ContentType.objects.get_for_models(Owner)[Owner] == found


def test_id_of_another_schema_is_unknown(acme: Place, globex: Place) -> None:
    """An id of acme, whose content type is cached, means nothing in globex."""
    known = acme(ContentType).objects.get_for_model(Owner)
    with globex.active(), pytest.raises(ContentType.DoesNotExist):
        ContentType.objects.get_for_id(known.pk)


def test_generic_foreign_key(acme: Place, globex: Place) -> None:
    """It is followed with the content types of the note's own schema, whatever is active."""
    for context in (acme, globex):
        with context.active():
            for place in (acme, globex):
                note = place(Note).objects.get(text="polite")
                assert seen([note.target]) == [("Ada", place.witness)]
                assert note.content_type == place(ContentType).objects.get_for_model(Owner)


@pytest.mark.parametrize("active", ["globex", "nothing"])
def test_objects_of_a_content_type(active: str, acme: Place, globex: Place) -> None:
    """A content type finds the objects of its own schema, whatever is active; those of another if it is asked to."""
    kind = acme(ContentType).objects.get_for_model(Owner)
    with globex.active() if active == "globex" else nullcontext():
        assert seen([kind.get_object_for_this_type(name="Ada")]) == [("Ada", "default.acme")]
        assert seen(kind.get_all_objects_for_this_type(name="Bob")) == [("Bob", "default.acme")]
        other = kind.get_object_for_this_type(using=globex.ada._state.db, name="Ada")
    assert seen([other]) == [("Ada", "default.globex")]


def test_generic_foreign_key_is_written(acme: Place, globex: Place) -> None:
    """A note on an object gets the content type of the object's schema."""
    with globex.active():
        note = acme(Note).objects.create(text="new", target=acme.bob, witness="default.acme")
        other = Note.objects.create(text="new", target=globex.bob, witness="default.globex")
    assert note.content_type_id == acme(ContentType).objects.get(app_label="garage", model="owner").pk
    assert other.content_type_id == globex(ContentType).objects.get(app_label="garage", model="owner").pk
    assert seen(acme.bob.notes.all(), "text") == [("new", "default.acme")]


def test_generic_relation(acme: Place, globex: Place) -> None:
    """Read, created, filtered by and cleared, with the content types of its own schema."""
    for context in (acme, globex):
        with context.active():
            for place in (acme, globex):
                assert seen(place.ada.notes.all(), "text") == [("polite", place.witness)]
                assert seen(place(Owner).objects.filter(notes__text="polite")) == [("Ada", place.witness)]
                assert seen(place(Car).objects.filter(notes__text="fast")) == [("Beetle", place.witness)]
    with globex.active():
        created = acme.ada.notes.create(text="rich", witness="default.acme")
        assert created.content_type == acme(ContentType).objects.get_for_model(Owner)
        assert seen(acme.ada.notes.all(), "text") == [("polite", "default.acme"), ("rich", "default.acme")]
        acme.ada.notes.clear()
    assert seen(acme(Note).objects.all(), "text") == [("fast", "default.acme")]
    assert seen(globex(Note).objects.all(), "text") == [("fast", "default.globex"), ("polite", "default.globex")]


@pytest.mark.parametrize("active", ["acme", "globex", "nothing"])
def test_prefetched_generic_foreign_key(active: str, acme: Place, globex: Place) -> None:
    """Prefetched by a queryset, with several kinds of target at once."""
    places = {"acme": acme, "globex": globex}

    def targets() -> list[tuple[str, str]]:
        notes = acme(Note).objects.prefetch_related("target").order_by("text")
        return [(note.target.name, note.target.witness) for note in notes]

    if active == "nothing":
        found = targets()
    else:
        with places[active].active():
            found = targets()
    assert found == [("Beetle", "default.acme"), ("Ada", "default.acme")]


@pytest.mark.parametrize("active", ["acme", "globex"])
def test_prefetched_generic_foreign_key_of_loaded_objects(active: str, acme: Place, globex: Place) -> None:
    """The same by prefetch_related_objects, for notes that are there already."""
    notes = list(acme(Note).objects.order_by("text"))
    with {"acme": acme, "globex": globex}[active].active():
        prefetch_related_objects(notes, "target")
    assert [(note.target.name, note.target.witness) for note in notes] == [
        ("Beetle", "default.acme"),
        ("Ada", "default.acme"),
    ]


def test_generic_prefetch(acme: Place, globex: Place) -> None:
    """With a queryset for each kind of target."""
    prefetch = GenericPrefetch("target", [acme(Owner).objects.only("name", "witness"), acme(Car).objects.all()])
    with globex.active():
        notes = list(acme(Note).objects.prefetch_related(prefetch).order_by("text"))
    assert [(note.target.name, note.target.witness) for note in notes] == [
        ("Beetle", "default.acme"),
        ("Ada", "default.acme"),
    ]


def test_prefetched_generic_relation(acme: Place, globex: Place) -> None:
    """The reverse direction."""
    with globex.active():
        owners = list(acme(Owner).objects.prefetch_related("notes").order_by("name"))
    assert [seen(owner.notes.all(), "text") for owner in owners] == [[("polite", "default.acme")], []]


def test_permissions(acme: Place, globex: Place) -> None:
    """Each schema has the permissions of its models, with its own content types; proxies' too."""
    for place in (acme, globex):
        permission = place(Permission).objects.select_related("content_type").get(codename="add_owner")
        assert permission.content_type == place(ContentType).objects.get_for_model(Owner)
        assert place(Permission).objects.filter(content_type=permission.content_type).count() == 4
        proxy = place(ContentType).objects.get_for_model(OldCar, for_concrete_model=False)
        assert place(Permission).objects.filter(content_type=proxy).count() == 4
    assert not acme(Permission).objects.filter(codename="add_plan").exists()
    with acme.active():
        place_of_plan = ContentType.objects.db_manager(Plan.objects.all().db).get_for_model(Plan)
    assert place_of_plan._state.db.schema == "registry"
