"""Fail closed: where no schema is bound, or one that is not there, nothing is read or written, least of all in
`public`, where tables of the same names stand.
"""

import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import ProgrammingError, connections, transaction
from django.db.models import Count, Exists, OuterRef

from django_schemas import schema_context, schema_cursor
from django_schemas.exceptions import NoActiveSchema, SchemaMismatch, SchemasError
from tests.apps.garage.models import Badge, Car, Note, Owner, Tag, Truck
from tests.apps.garage.witness import Place, public_digest, seen
from tests.audit.capture import raw_sql

Watch = Callable[[], AbstractContextManager[Any]]

OPERATIONS: dict[str, Callable[[], Any]] = {
    "read": lambda: list(Owner.objects.all()),
    "read of a child": lambda: list(Truck.objects.all()),
    "get": lambda: Owner.objects.get(pk=1),
    "count": lambda: Owner.objects.count(),
    "exists": lambda: Owner.objects.exists(),
    "aggregate": lambda: Owner.objects.aggregate(n=Count("pk")),
    "iterator": lambda: list(Owner.objects.iterator()),
    "join": lambda: list(Car.objects.filter(owner__name="Ada")),
    "subquery": lambda: list(Car.objects.filter(Exists(Owner.objects.filter(pk=OuterRef("owner"))))),
    "union": lambda: list(Owner.objects.union(Owner.objects.all())),
    "base manager": lambda: list(Owner._base_manager.all()),
    "using": lambda: list(Owner.objects.using("default")),
    "raw": lambda: list(Owner.objects.raw("SELECT * FROM garage_owner")),
    "raw using": lambda: list(Owner.objects.raw("SELECT * FROM garage_owner", using="default")),
    "raw, using later": lambda: list(Owner.objects.raw("SELECT * FROM garage_owner").using("default")),
    "create": lambda: Owner.objects.create(name="x", witness="x"),
    "save": lambda: Owner(name="x", witness="x").save(),
    "save using": lambda: Owner(name="x", witness="x").save(using="default"),
    "save with a key": lambda: Owner(pk=1, name="x", witness="x").save(),
    "save of a child": lambda: Truck(name="x", witness="x").save(),
    "get_or_create": lambda: Tag.objects.get_or_create(name="x", witness="x"),
    "bulk_create": lambda: Owner.objects.bulk_create([Owner(name="x", witness="x")]),
    "update": lambda: Owner.objects.update(name="x"),
    "filtered update": lambda: Owner.objects.filter(pk=1).update(name="x"),
    "bulk_update": lambda: Owner.objects.bulk_update([Owner(pk=1, name="x")], ["name"]),
    "delete": lambda: Owner.objects.all().delete(),
    "raw delete": lambda: Owner.objects.all()._raw_delete("default"),
    "delete of an instance": lambda: Owner(pk=1).delete(),
    "many to many": lambda: Car(pk=1).tags.add(Tag(pk=1)),
    "reverse": lambda: list(Owner(pk=1).car_set.all()),
    "refresh": lambda: Owner(pk=1).refresh_from_db(),
    "in_bulk": lambda: Owner.objects.in_bulk([1]),
}


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS.keys())
def test_unbound(operation: Callable[[], Any], acme: Place, nothing_sent: Watch) -> None:
    """With nothing bound or active there is an error, and nothing is sent to any database."""
    with nothing_sent(), pytest.raises((NoActiveSchema, ValueError)) as caught:
        operation()
    assert not isinstance(caught.value, SchemaMismatch)
    if not isinstance(caught.value, NoActiveSchema):
        # Django itself wants a key or a saved object first.
        assert "database" in str(caught.value) or "primary key" in str(caught.value)


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS.keys())
@pytest.mark.parametrize("state", ["misspelt", "dropped", "empty"])
def test_schema_that_is_not_there(operation: Callable[[], Any], state: str, acme: Place) -> None:
    """A misspelt or dropped schema, or one without tables, is an error of the database: nothing falls through."""
    schema = {"misspelt": "acmee", "dropped": "phantom", "empty": "phantom"}[state]
    if state != "misspelt":
        with connections["default"].cursor() as cursor:
            cursor.execute("CREATE SCHEMA phantom")
            if state == "dropped":
                cursor.execute("DROP SCHEMA phantom")
    with schema_context("default", schema), pytest.raises(ProgrammingError, match="does not exist"):
        with transaction.atomic():
            operation()


UNBOUND_ADOPTED: dict[str, Callable[[], Any]] = {
    "read": lambda: list(User.objects.all()),
    "create": lambda: User.objects.create(username="x"),
    "update": lambda: User.objects.update(last_name="x"),
    "delete": lambda: User.objects.all().delete(),
}


@pytest.mark.parametrize("operation", UNBOUND_ADOPTED.values(), ids=UNBOUND_ADOPTED.keys())
def test_adopted_models_in_a_misspelt_schema(operation: Callable[[], Any], acme: Place) -> None:
    """Adopted models fall back neither to the registry's tables nor to those in `public`."""
    with schema_context("default", "acmee"), pytest.raises(ProgrammingError, match="does not exist"):
        with transaction.atomic():
            operation()
    assert User.objects.count() == 0
    assert list(acme(User).objects.values_list("last_name", flat=True)) == ["default.acme"]


def test_half_made_schema(acme: Place) -> None:
    """Where one table is missing, a statement over it is an error, though `public` has that table."""
    with schema_cursor("default", "acme") as cursor:
        cursor.execute("DROP TABLE garage_badge, garage_note CASCADE")
    for model in (Badge, Note):
        with pytest.raises(ProgrammingError, match="does not exist"), transaction.atomic():
            list(acme(model).objects.all())
    with pytest.raises(ProgrammingError, match="does not exist"), transaction.atomic():
        acme(User).objects.all().delete()
    assert acme(User).objects.count() == 1


def test_raw_sql_in_a_schema_that_is_not_there(acme: Place) -> None:
    """`.raw()` and schema_cursor of a misspelt schema don't read `public`'s table of the same name."""
    with pytest.raises(ProgrammingError), transaction.atomic():
        list(Owner.set_db("default", "acmee").objects.raw("SELECT * FROM garage_owner"))
    with pytest.raises((ProgrammingError, SchemasError)), transaction.atomic():
        with schema_cursor("default", "acmee") as cursor:
            cursor.execute("SELECT witness FROM garage_owner")
            assert [row for row in cursor.fetchall() if row == ("public",)] == []


def test_error_in_a_schema_leaves_the_connection_usable(acme: Place, globex: Place) -> None:
    """After an error in one schema the same connection reads another."""
    with pytest.raises(ProgrammingError), transaction.atomic():
        list(Owner.set_db("default", "acmee").objects.all())
    assert seen(acme(Owner).objects.named("Ada")) == [("Ada", "default.acme")]
    assert seen(globex(Owner).objects.named("Ada")) == [("Ada", "default.globex")]


def test_new_threads_and_executors_are_unbound(acme: Place) -> None:
    """A thread that was started inside of a context is in none: it raises, and does not go to `public`."""
    with acme.active(), ThreadPoolExecutor(1) as pool, pytest.raises(NoActiveSchema):
        pool.submit(lambda: list(Owner.objects.all())).result()


def test_flush_command(acme: Place) -> None:
    """Django's `flush` does not empty tables in `public` that merely look like those of an environment."""
    before = public_digest("default")
    try:
        call_command("flush", database="default", interactive=False, verbosity=0)
    except (SchemasError, CommandError):
        pass
    assert public_digest("default") == before
    assert seen(acme(Owner).objects.named("Ada")) == [("Ada", "default.acme")]


def test_loaddata_and_dumpdata(acme: Place, globex: Place, tmp_path: Any) -> None:
    """Django's `dumpdata` and `loaddata` read and write the active schema; with none active no tenant's table."""
    path = tmp_path / "owners.json"
    with acme.active():
        call_command("dumpdata", "garage.owner", output=str(path), verbosity=0)
    dumped = path.read_text()
    assert (dumped.count("default.acme"), dumped.count("public"), dumped.count("globex")) == (2, 0, 0)
    path.write_text(dumped.replace("Ada", "Ada L."))
    with acme.active():
        call_command("loaddata", str(path), verbosity=0)
    assert seen(acme(Owner).objects.all()) == [("Ada L.", "default.acme"), ("Bob", "default.acme")]
    assert seen(globex(Owner).objects.all()) == [("Ada", "default.globex"), ("Bob", "default.globex")]
    for label in ("garage", "garage.owner", "garage.Owner"):
        with pytest.raises(CommandError, match=r"Nothing is dumped: garage\.\w+ is in environment 'tenant'"):
            call_command("dumpdata", "platform", label, output=str(tmp_path / "none.json"), verbosity=0)
    assert not (tmp_path / "none.json").exists()


def test_dumpdata_of_all(acme: Place) -> None:
    """Without labels it dumps what has a place: of no tenant where none is active, and says whose apps it left out."""
    out, err = StringIO(), StringIO()
    call_command("dumpdata", stdout=out, stderr=err)
    assert {row["model"] for row in json.loads(out.getvalue())} >= {"platform.plan"}
    assert "garage." not in out.getvalue()
    assert err.getvalue().startswith("Left out, since no schema of theirs is active on 'default': ")
    assert "garage" in err.getvalue()
    assert not {"auth", "platform"} & set(re.findall(r"\w+", err.getvalue()))
    call_command("dumpdata", "garage", "platform", exclude=["garage"], stdout=StringIO(), stderr=(err := StringIO()))
    assert err.getvalue() == ""


def test_dumpdata_of_a_schema(acme: Place) -> None:
    """Within a schema it dumps that schema's rows alone: what all share is nobody's to take along, unless named."""
    out, err = StringIO(), StringIO()
    with acme.active():
        call_command("dumpdata", stdout=out, stderr=err)
    dumped = {row["model"] for row in json.loads(out.getvalue())}
    assert dumped >= {"garage.owner", "garage.tag"}
    assert not {"platform.plan", "tenancy.tenant"} & dumped
    assert err.getvalue() == ""
    with acme.active():
        call_command("dumpdata", "platform.plan", stdout=(out := StringIO()))
    assert json.loads(out.getvalue())
    with acme.active(), pytest.raises(CommandError, match="on database 'shard2'"):
        call_command("dumpdata", "garage", database="shard2", stdout=StringIO())


def test_loaddata_refuses_what_no_schema_is_named_for(acme: Place, tmp_path: Any) -> None:
    """Django would leave such objects out, and load a tenant's users into the registry, as the platform's own."""
    path = tmp_path / "acme.json"
    with acme.active():
        User.objects.create(username="pat")
        call_command("dumpdata", "auth.user", "garage.owner", output=str(path), verbosity=0)
    with pytest.raises(CommandError, match=r"Nothing is loaded: garage\.Owner is in environment 'tenant'"):
        call_command("loaddata", str(path), verbosity=0)
    assert not User.objects.filter(username="pat").exists()
    call_command("loaddata", str(path), exclude=["garage.owner"], verbosity=0)
    assert User.objects.filter(username="pat").exists()


def test_witnesses_are_there(acme: Place) -> None:
    """The tests of this module would see it: `public` has the tables, with rows."""
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT name, witness FROM acme.garage_owner ORDER BY name")
        assert cursor.fetchall() == [("Ada", "default.acme"), ("Bob", "default.acme")]
        with raw_sql("the look-alikes are read"):
            cursor.execute("SELECT name, witness FROM public.garage_owner ORDER BY name")
        assert cursor.fetchall() == [("Ada", "public"), ("Bob", "public")]
