"""`using` with a plain alias: it agrees with where the rows are or with what is active, or it is an error."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.management import create_permissions
from django.contrib.auth.models import Permission
from django.db import connections
from django.db.models import Prefetch
from django.db.transaction import atomic, set_rollback
from django.db.utils import ConnectionDoesNotExist

from django_schemas.context import activate
from django_schemas.environments import alias_for
from django_schemas.exceptions import NoActiveSchema, SchemaMismatch
from django_schemas.target import Target, target_is
from tests.apps.garage.models import Car, Owner, Tag
from tests.apps.garage.witness import Place, seen
from tests.apps.platform.models import Plan

OWN: dict[str, Callable[[Place, str], Any]] = {
    "bound model": lambda p, db: seen(p(Owner).objects.using(db).filter(name="Ada")),
    "bound queryset": lambda p, db: seen(p(Owner).objects.filter(name="Ada").using(db)),
    "bound manager": lambda p, db: seen(p(Owner).objects.db_manager(db).filter(name="Ada")),
    "bound manager's own method": lambda p, db: seen(p(Owner).objects.db_manager(db).named("Ada")),
    "filtered by an object": lambda p, db: seen(p(Car).objects.filter(owner=p.ada, name="Beetle").using(db)),
    "filtered by objects": lambda p, db: seen(p(Car).objects.filter(owner__in=[p.ada], name="Beetle").using(db)),
    "filtered by a queryset": lambda p, db: seen(
        p(Car).objects.filter(owner__in=p(Owner).objects.filter(name="Ada"), name="Beetle").using(db)
    ),
    "reverse manager": lambda p, db: seen(p.ada.car_set.using(db).filter(name="Beetle")),
    "reverse queryset": lambda p, db: seen(p.ada.car_set.filter(name="Beetle").using(db)),
    "reverse manager, bound": lambda p, db: seen(p.ada.car_set.db_manager(db).filter(name="Beetle")),
    "many-to-many manager": lambda p, db: seen(p.beetle.tags.using(db).filter(name="old")),
    "many-to-many queryset": lambda p, db: seen(p.beetle.tags.filter(name="old").using(db)),
    "many-to-many manager, bound": lambda p, db: seen(p.beetle.tags.db_manager(db).filter(name="old")),
    "generic manager": lambda p, db: seen(p.ada.notes.using(db), "text"),
    "save": lambda p, db: (p.ada.save(using=db), seen(p(Owner).objects.filter(name="Ada")))[1],
    "refresh": lambda p, db: (p.ada.refresh_from_db(using=db), seen([p.ada]))[1],
    "delete": lambda p, db: (p.note.delete(using=db), seen(p(Owner).objects.filter(name="Ada")))[1],
    "create": lambda p, db: [("", p(Tag).objects.using(db).create(name="x", witness=p.witness).witness)],
}  # fmt: skip


@pytest.mark.parametrize("active", ["acme", "globex", "initech", "nothing"])
@pytest.mark.parametrize("use", OWN.values(), ids=OWN.keys())
def test_own_database(use: Any, active: str, acme: Place, globex: Place, initech: Place) -> None:
    """The alias of the database that a placement is on means that placement, whatever is active."""
    with ExitStack() as stack:
        if active != "nothing":
            stack.enter_context({"acme": acme, "globex": globex, "initech": initech}[active].active())
        found = use(acme, "default")
    assert {witness for _, witness in found} == {"default.acme"}
    assert len(found) == 1


@pytest.mark.parametrize("active", ["acme", "globex", "initech", "nothing"])
@pytest.mark.parametrize("use", OWN.values(), ids=OWN.keys())
def test_other_database(use: Any, active: str, acme: Place, globex: Place, initech: Place) -> None:
    """The alias of another database is refused by all that is bound to acme, whatever is active there."""
    with ExitStack() as stack:
        if active != "nothing":
            stack.enter_context({"acme": acme, "globex": globex, "initech": initech}[active].active())
        with pytest.raises((NoActiveSchema, SchemaMismatch)):
            use(acme, "shard2")


UNBOUND: dict[str, Callable[[str], Any]] = {
    "manager": lambda db: Owner.objects.using(db).filter(name="Ada"),
    "queryset": lambda db: Owner.objects.filter(name="Ada").using(db),
    "bound manager": lambda db: Owner.objects.db_manager(db).named("Ada"),
    "base manager": lambda db: Owner._base_manager.using(db).filter(name="Ada"),
}


@pytest.mark.parametrize("use", UNBOUND.values(), ids=UNBOUND.keys())
def test_what_is_active(use: Any, acme: Place, globex: Place, initech: Place) -> None:
    """For an unbound model it means what is active on that database, innermost first; nothing there is an error."""
    with acme.active(), initech.active():
        assert seen(use("default")) == [("Ada", "default.acme")]
        assert seen(use("shard2")) == [("Ada", "shard2.initech")]
        with globex.active():
            assert seen(use("default")) == [("Ada", "default.globex")]
            assert seen(use("shard2")) == [("Ada", "shard2.initech")]
    with initech.active(), pytest.raises(NoActiveSchema):
        list(use("default"))
    with pytest.raises(NoActiveSchema):
        list(use("default"))


TAGS = Tag.objects.exclude(name="none")
"""A queryset as modules have them, which belongs to no schema."""

FILTERED: dict[str, Callable[[Place], Any]] = {
    "by an object": lambda p: Car.objects.filter(owner=p.ada),
    "by objects": lambda p: Car.objects.filter(owner__in=[p.ada]),
    "by a queryset": lambda p: Car.objects.filter(owner__in=p(Owner).objects.all()),
    "by a prefetch": lambda p: p(Car).objects.prefetch_related(Prefetch("tags", TAGS)).get(name="Beetle").tags.all(),
}


@pytest.mark.parametrize("active", ["acme", "nothing"])
@pytest.mark.parametrize("make", FILTERED.values(), ids=FILTERED.keys())
def test_filtered_by_what_is_of_a_schema(make: Any, active: str, acme: Place, initech: Place) -> None:
    """A queryset that was filtered by what is acme's, in acme or anywhere, holds acme's keys: it stays there."""
    with ExitStack() as stack:
        if active == "acme":
            stack.enter_context(acme.active())
        queryset = make(acme)
    with initech.active():
        with pytest.raises(SchemaMismatch):
            list(queryset.using("shard2"))
        assert {row.witness for row in queryset.using("default")} == {"default.acme"}


def test_raw(acme: Place, globex: Place, initech: Place) -> None:
    """A raw query stays in its schema under the alias of its database; that of another means what is active there."""
    raw = acme(Owner).objects.raw("SELECT * FROM garage_owner WHERE name = 'Ada'")
    with globex.active():
        assert seen(raw.using("default")) == [("Ada", "default.acme")]
        with pytest.raises(NoActiveSchema):
            list(raw.using("shard2"))
    with initech.active():
        assert seen(raw.using("shard2")) == [("Ada", "shard2.initech")]


def test_unsaved_instance(acme: Place, globex: Place) -> None:
    """An unsaved object goes where the alias and what is active say; one that refers to acme's, to acme alone."""
    with globex.active():
        owner = Owner(name="Eve", witness="x")
        owner.save(using="default")
        assert owner.schema_name == "globex"
        car = Car(name="x", witness="x", owner=acme.ada)
        car.save(using="default")
        assert car.schema_name == "acme"
    with pytest.raises(NoActiveSchema):
        Owner(name="Eve", witness="x").save(using="default")


def test_registry(schemas: Any, acme: Place) -> None:
    """A model of a single schema is there under the alias of its database, and under no other."""
    for active in (True, False):
        with ExitStack() as stack:
            if active:
                stack.enter_context(acme.active())
            assert seen(Plan.objects.using("default")) == [("gold", "default.registry")]
            with pytest.raises(NoActiveSchema):
                list(Plan.objects.using("shard2"))


@pytest.mark.skipif("default-read1" not in connections.settings, reason="there is no replica")
def test_replica(committed: None, acme: Place, globex: Place) -> None:
    """The alias of a replica means the same schema there; what is read belongs to the primary."""
    with globex.active():
        assert acme(Owner).objects.using("default-read1").db == "default-read1"
        ada = acme(Owner).objects.using("default-read1").get(name="Ada")
        assert (ada.witness, ada.db_name, ada.schema_name) == ("default.acme", "default", "acme")
        assert Owner.objects.using("default-read1").get(name="Ada").witness == "default.globex"
    with pytest.raises(NoActiveSchema):
        list(Owner.objects.using("default-read1"))


def test_unknown_alias(acme: Place) -> None:
    """An alias that is not in DATABASES is an error."""
    with acme.active(), pytest.raises((NoActiveSchema, ConnectionDoesNotExist)):
        list(Owner.objects.using("nowhere"))


def test_delete_sent_to_another_database(initech: Place, nothing_sent: Callable[[], Any]) -> None:
    """A queryset of one database is not sent to another, which may have a schema of that name."""
    for rows in (initech(Owner).objects.all(), initech(Owner).objects.filter(name="Ada")):
        with nothing_sent(), pytest.raises(SchemaMismatch, match="'default'"):
            rows._raw_delete("default")


def permissions(place: Place | None = None) -> list[str]:
    """What permissions a place has for the garage; the registry, if none is named."""
    found = (place or Place("default", "registry"))(Permission).objects.filter(content_type__app_label="garage")
    return sorted(found.values_list("codename", flat=True))


def test_no_database_in_a_migration(initech: Place, acme: Place, committed: None) -> None:
    """A migration's own code that names no database gets "default" by default: it means the schema that is migrated,
    where this has such a table, and not what the registry has by that name.
    """
    before, others = permissions(initech), permissions(acme)
    alias = alias_for("shard2", "initech", ("tenant",))
    with atomic("shard2"):
        initech(Permission).objects.filter(codename="add_car").delete()
        with target_is(Target("shard2", alias)), activate(alias):
            create_permissions(apps.get_app_config("garage"), verbosity=0)
        assert (permissions(initech), permissions(acme), permissions()) == (before, others, [])
        set_rollback(True, "shard2")
