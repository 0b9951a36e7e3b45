"""Foreign keys from many schemas to a single one: what they find, and what becomes of rows when the one is deleted."""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import pytest
from django.contrib.admin.sites import AdminSite
from django.contrib.admin.utils import NestedObjects, get_deleted_objects
from django.contrib.auth.models import User
from django.db import IntegrityError, connections, models, transaction
from django.db.models import ProtectedError
from django.test import RequestFactory

from django_schemas import bind, schema_context
from django_schemas.exceptions import NoActiveSchema
from django_schemas.migrations import flush, migrate
from tests.apps.depot.models import Contract
from tests.apps.garage.models import Badge, Owner
from tests.apps.garage.witness import Place, seen
from tests.apps.platform.models import Plan


@pytest.fixture
def plan(acme: Place) -> Plan:
    """A plan that nobody has yet."""
    return Plan.objects.create(name="silver", witness="default.registry")


@pytest.fixture(params=["CASCADE", "PROTECT", "RESTRICT", "SET_NULL", "SET_DEFAULT"])
def on_delete(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What is said of the plan of an owner."""
    relation = Owner._meta.get_field("plan").remote_field  # type: ignore[union-attr]
    monkeypatch.setattr(relation, "on_delete", getattr(models, request.param))
    return str(request.param)


DELETES: dict[str, Callable[[Plan], Any]] = {
    "instance": lambda plan: plan.delete(),
    "queryset": lambda plan: Plan.objects.filter(pk=plan.pk).delete(),
    "bound queryset": lambda plan: Plan.auto_db().objects.filter(pk=plan.pk).delete(),
    "collector": lambda plan: models.deletion.Collector(using=plan._state.db).collect([plan]),  # type: ignore[arg-type]
}


def test_reverse_access(plan: Plan, acme: Place, globex: Place) -> None:
    """Followed back and joined, a plan's owners are those of the active schema; with none active it is an error."""
    for place in (acme, globex):
        place(Owner).objects.filter(name="Ada").update(plan=plan)
        with place.active():
            assert seen(plan.owner_set.all()) == [("Ada", place.witness)]
            assert list(Plan.objects.filter(owner__witness=place.witness)) == [plan]
            assert Plan.objects.filter(owner__name="Ada").values_list("owner__witness").get() == (place.witness,)
            assert place.ada.plan is None or place(Owner).objects.select_related("plan").get(name="Ada").plan == plan
    with pytest.raises(NoActiveSchema):
        list(plan.owner_set.all())


@pytest.mark.parametrize("delete", DELETES.values(), ids=DELETES.keys())
def test_nothing_refers_to_it(delete: Any, on_delete: str, plan: Plan) -> None:
    """A row of the registry that no schema refers to is deleted, with nothing active."""
    delete(plan)
    assert Plan.objects.filter(name="silver").exists() is (delete is DELETES["collector"])


@pytest.mark.parametrize("delete", DELETES.values(), ids=DELETES.keys())
@pytest.mark.parametrize("referring", ["acme", "initech"])
def test_referred_to_with_nothing_active(
    referring: str, delete: Any, on_delete: str, plan: Plan, acme: Place, globex: Place, initech: Place
) -> None:
    """With nothing active a row that any schema refers to, of any database, is not deleted, and the error says why."""
    place = {"acme": acme, "initech": initech}[referring]
    place(Owner).objects.filter(name="Bob").update(plan_id=plan.pk)
    with pytest.raises(ProtectedError) as caught:
        delete(plan)
    assert caught.value.args[0] == (
        f"Rows of garage.Owner, of environment 'tenant', refer to what is to be deleted, in {place.witness}: "
        "delete or change them there first, with schema_context(db, schema) or a tenant's context."
    )
    protected: Any = caught.value.protected_objects
    assert seen(protected) == [("Bob", place.witness)]
    assert Plan.objects.filter(name="silver").exists()
    assert place(Owner).objects.filter(plan_id=plan.pk).count() == 1


def test_do_nothing(plan: Plan, acme: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the model says DO_NOTHING, nothing is looked at."""
    relation = Owner._meta.get_field("plan").remote_field  # type: ignore[union-attr]
    monkeypatch.setattr(relation, "on_delete", models.DO_NOTHING)
    acme(Owner).objects.update(plan=plan)
    assert plan.delete() == (1, {"platform.Plan": 1})


def test_many_schemas(plan: Plan, acme: Place, globex: Place, initech: Place) -> None:
    """One row of each schema is named, so that an error is no longer for what is used by all."""
    for place in (acme, globex, initech):
        place(Owner).objects.update(plan_id=plan.pk)
    with pytest.raises(ProtectedError, match=r"in default\.acme, default\.globex, shard2\.initech: delete") as caught:
        plan.delete()
    assert len(caught.value.protected_objects) == 3


def test_active_schema(plan: Plan, acme: Place, globex: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a schema active, what `on_delete` says is done to its rows, and to no other's."""
    relation = Owner._meta.get_field("plan").remote_field  # type: ignore[union-attr]
    for place in (acme, globex):
        place(Owner).objects.update(plan=plan)
    with acme.active(), pytest.raises(ProtectedError) as caught:
        plan.delete()
    protected: Any = caught.value.protected_objects
    assert seen(protected) == [("Ada", "default.acme"), ("Bob", "default.acme")]
    monkeypatch.setattr(relation, "on_delete", models.SET_NULL)
    with acme.active():
        assert plan.delete() == (1, {"platform.Plan": 1})
    assert (acme(Owner).objects.filter(plan=None).count(), globex(Owner).objects.filter(plan=None).count()) == (2, 0)


@pytest.mark.filterwarnings("ignore:Overriding setting DATABASES")
def test_collected_rows_know_their_place(plan: Plan, acme: Place, settings: Any) -> None:
    """Rows that refer to the deleted one belong to their own schema, on a database without replicas too."""
    acme(Owner).objects.update(plan=plan)
    settings.DATABASES = {db: options for db, options in settings.DATABASES.items() if "-read" not in db}
    with acme.active(), pytest.raises(ProtectedError) as caught:
        plan.delete()
    protected: Any = caught.value.protected_objects
    assert {row._state.db.placement for row in protected} == {acme.placement}


def test_admin(plan: Plan, acme: Place, rf: RequestFactory, admin_user: Any) -> None:
    """The admin's confirmation page lists what protects a row, instead of the rows that would go with it."""
    request = rf.get("/")
    request.user = admin_user
    site = AdminSite()
    site.register(Plan)
    assert get_deleted_objects([plan], request, site)[3] == []  # type: ignore[arg-type]
    acme(Owner).objects.filter(name="Ada").update(plan=plan)
    *_, protected = get_deleted_objects([plan], request, site)  # type: ignore[arg-type]
    assert protected == [f"Owner: Owner object ({acme.ada.pk})"]
    acme(Owner).objects.update(plan=plan)
    collector = NestedObjects(using=plan._state.db)
    with acme.active():
        collector.collect([plan])
    assert seen(collector.protected) == [("Ada", "default.acme"), ("Bob", "default.acme")]


@pytest.mark.parametrize("active", ["acme", "nothing"])
@pytest.mark.parametrize("by_queryset", [False, True])
def test_user_of_the_registry(by_queryset: bool, active: str, acme: Place) -> None:
    """A deleted user of the registry takes along nothing of a tenant's user with the same key, who is another."""
    user: Any = bind(User, "default", "registry").objects.create(pk=acme.user.pk, username="root")
    with acme.active() if active == "acme" else nullcontext():
        users = bind(User, "default", "registry").objects.filter(pk=user.pk)
        deleted = users.delete() if by_queryset else user.delete()
    assert deleted == (1, {"auth.User": 1})
    assert acme(Badge).objects.count() == 1
    assert acme(User).objects.filter(pk=acme.user.pk).exists()


@pytest.fixture
def depots(committed: None, settings: Any, new_schema: str) -> Iterator[tuple[str, str]]:
    """Two schemas of an environment whose rows refer to the registry's with a real constraint."""
    databases = {alias: dict(options) for alias, options in settings.DATABASES.items()}
    databases["default"]["ENVIRONMENTS"] = ["registry", "tenant", "depot"]
    settings.DATABASES = databases
    names = (new_schema, "warehouse")
    for name in names:
        migrate("default", schema=name, environment="depot")
    yield names
    flush("default", "warehouse")
    Plan.objects.filter(name="silver").delete()


@pytest.mark.filterwarnings("ignore:Overriding setting DATABASES")
def test_constraint_keeps_what_others_refer_to(depots: tuple[str, str]) -> None:
    """With one schema active, rows of another keep the database from deleting what they refer to: nothing is lost."""
    plan = Plan.objects.create(name="silver", witness="default.registry")
    bound = [Contract.set_db("default", name) for name in depots]
    for contract in bound:
        contract.objects.create(plan=plan, number=contract.schema_name)
    # Both of the multi-schema environments that refer to plans are in this database.
    with schema_context("default", "acme", "tenant"), schema_context("default", depots[0], "depot"):
        with pytest.raises(IntegrityError), transaction.atomic():
            assert Plan.objects.get(name="silver").delete() == (2, {"depot.Contract": 1, "platform.Plan": 1})
    assert [[row.number for row in contract.objects.all()] for contract in bound] == [[name] for name in depots]
    assert Plan.objects.filter(name="silver").exists()

    with pytest.raises(ProtectedError, match=f"depot.Contract, .* in default.warehouse, default.{depots[0]}: "):
        Plan.objects.get(name="silver").delete()
    for contract in bound:
        contract.objects.all().delete()
    assert Plan.objects.get(name="silver").delete() == (1, {"platform.Plan": 1})
    assert connections["default"].in_atomic_block is False
