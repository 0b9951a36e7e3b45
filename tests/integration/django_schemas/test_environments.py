"""Environments side by side: the registry next to the tenants' schemas, with references from one to the other, and with
adopted models that both have.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db.models import Exists, OuterRef, Prefetch, prefetch_related_objects

from django_schemas import bind
from django_schemas.environments import primary_of
from django_schemas.exceptions import SchemaMismatch
from tests.apps.garage.models import Badge, Owner
from tests.apps.garage.witness import Place, seen
from tests.apps.platform.models import Plan

pytestmark = pytest.mark.filterwarnings("ignore:Overriding setting DATABASES")

Watch = Callable[[], AbstractContextManager[Any]]


@pytest.fixture(autouse=True, params=["replicas", "no replicas"])
def _replicas(request: pytest.FixtureRequest, settings: Any) -> None:
    """Where there are none, less is looked at of the objects that are read."""
    if request.param == "no replicas":
        settings.DATABASES = {db: each for db, each in settings.DATABASES.items() if primary_of(db) == db}


Mix = Callable[[Any, Any], Any]

REGISTRY_MIXES: dict[str, Mix] = {
    "one to one": lambda a, r: setattr(a.badge, "user", r.user),
    "create": lambda a, r: a(Badge).objects.create(number=1, user=r.user),
    "bound model": lambda a, r: a(Badge)(number=1, user=r.user),
    "update": lambda a, r: a(Badge).objects.update(user=r.user),
    "filter": lambda a, r: list(a(Badge).objects.filter(user=r.user)),
    "filter in": lambda a, r: list(a(Badge).objects.filter(user__in=[r.user])),
    "filter in queryset": lambda a, r: list(a(Badge).objects.filter(user__in=r(User).objects.all())),
    "exists": lambda a, r: list(a(Badge).objects.filter(Exists(r(User).objects.filter(pk=OuterRef("user"))))),
    "union": lambda a, r: list(a(User).objects.union(r(User).objects.all())),
    "or": lambda a, r: a(User).objects.all() | r(User).objects.all(),
    "m2m add": lambda a, r: a.user.groups.add(r.group),
    "m2m remove": lambda a, r: a.user.groups.remove(r.group),
    "m2m set": lambda a, r: a.user.groups.set([r.group]),
    "bulk_create": lambda a, r: a(User).objects.bulk_create([r.user]),
    "bulk_update": lambda a, r: a(User).objects.bulk_update([r.user], ["email"]),
    "save using": lambda a, r: a.user.save(using=r.user._state.db),
    "delete using": lambda a, r: a.user.delete(using=r.user._state.db),
    "prefetch": lambda a, r: prefetch_related_objects([a.badge], Prefetch("user", r(User).objects.all())),
    "contains": lambda a, r: a(User).objects.contains(r.user),
    "both in one query": lambda a, r: list(Group.objects.filter(user=r.user).filter(user=a.user)),
}


class Registry(Place):
    """The registry, with a user and a group of the platform's own staff."""

    def __init__(self) -> None:
        super().__init__("default", "registry")
        self.user = self(User).objects.create(username="staff", last_name=self.witness)
        self.group = self(Group).objects.create(name="staff")


@pytest.fixture
def registry(schemas: Any) -> Registry:
    return Registry()


@pytest.mark.parametrize("mix", REGISTRY_MIXES.values(), ids=REGISTRY_MIXES.keys())
def test_adopted_models_of_registry_and_tenant(mix: Mix, acme: Place, registry: Registry, nothing_sent: Watch) -> None:
    """Users of the registry and of a tenant are of two schemas, though both stand in the same database."""
    assert (acme.user.pk, acme.badge.pk) == (1, 1)
    with nothing_sent(), pytest.raises(SchemaMismatch):
        mix(acme, registry)


def test_adopted_models_follow_the_context(acme: Place, registry: Registry) -> None:
    """Outside of any context, as on the public host, users are the registry's; inside of a tenant its own."""

    def names() -> list[tuple[str, str]]:
        return list(User.objects.values_list("username", "last_name"))

    assert names() == [("staff", "default.registry")]
    with acme.active():
        assert names() == [("ada", "default.acme")]
        with registry.active():
            assert names() == [("staff", "default.registry")]
        assert names() == [("ada", "default.acme")]


def test_adopted_model_of_the_registry_inside_of_a_tenant(acme: Place, registry: Registry) -> None:
    """What was loaded from the registry stays the registry's: saved, refreshed and followed there."""
    with acme.active():
        registry.user.groups.add(registry.group)
        registry.user.email = "staff@example.com"
        registry.user.save()
        registry.user.refresh_from_db()
        assert [group.name for group in registry.user.groups.all()] == ["staff"]
        assert User.objects.get().email == ""
    assert registry(User).objects.get().email == "staff@example.com"


def test_same_key_in_registry_and_tenant(acme: Place, registry: Registry) -> None:
    """A user of the registry and one of a tenant with the same key are not equal."""
    registry.user.pk = acme.user.pk
    assert registry.user != acme.user
    assert len({registry.user, acme.user}) == 2


def test_reference_to_a_single_schema_environment(acme: Place, initech: Place) -> None:
    """A reference to the registry is normal: assigned, looked up, followed both ways, and joined in one database."""
    plan = Plan.objects.get()
    for place in (acme, initech):
        place.ada.plan = plan
        place.ada.save()
        assert seen(place(Owner).objects.filter(plan=plan)) == [("Ada", place.witness)]
        assert seen([place(Owner).objects.get(name="Ada").plan]) == [("gold", "default.registry")]
        prefetched = place(Owner).objects.prefetch_related("plan").get(name="Ada")
        assert seen([prefetched.plan]) == [("gold", "default.registry")]
        plans = Prefetch("plan", bind(Plan, "default", "registry").objects.all())
        assert seen([place(Owner).objects.prefetch_related(plans).get(name="Ada").plan]) == [
            ("gold", "default.registry")
        ]
    assert seen(acme(Owner).objects.filter(plan__name="gold")) == [("Ada", "default.acme")]
    with acme.active():
        assert seen(plan.owner_set.all()) == [("Ada", "default.acme")]
        assert seen(Plan.objects.filter(owner__name="Ada")) == [("gold", "default.registry")]


def test_adopted_rows_are_not_joined_by_the_keys_of_another_schema(acme: Place, nothing_sent: Watch) -> None:
    """A badge of acme refers to acme's user, not to the registry's user of the same key: that join is refused."""
    users = bind(User, "default", "registry").objects
    with acme.active():
        joined = users.filter(badge__witness=acme.witness), users.select_related("badge"), users.order_by("badge")
        for query in joined:
            with nothing_sent(), pytest.raises(SchemaMismatch, match=r"default\.acme .* the one of default\.registry"):
                list(query)
    assert acme(User).objects.filter(badge__witness=acme.witness).get() == acme.user


def test_adopted_rows_joined_by_way_of_another_environment(globex: Place) -> None:
    """From the registry by way of globex' badges to users, these are globex' own: the registry's have other keys."""
    plan = Plan.objects.get()
    globex(Badge).objects.update(plan=plan)
    with globex.active():
        assert list(Plan.objects.filter(badge__user__last_name=globex.witness)) == [plan]


def test_generic_relation_from_another_environment_is_refused(acme: Place) -> None:
    """Which content type is meant would be looked up in the registry, where it has another key."""
    with acme.active(), pytest.raises(SchemaMismatch, match=r"A generic relation of default\.acme"):
        list(Plan.objects.filter(owner__notes__text="polite"))


def test_generic_relation_in_a_subquery_made_nowhere_is_refused(acme: Place) -> None:
    """The same for a subquery that was made while nothing was active, and is asked within one of the registry."""
    polite = Owner.objects.filter(notes__text="polite")
    with acme.active(), pytest.raises(SchemaMismatch, match=r"A generic relation of default\.acme"):
        list(Plan.objects.filter(pk__in=polite.values("plan")))


def test_generic_relation_beside_another_environment(acme: Place) -> None:
    """One of the statement's own schema is followed, whatever is joined before."""
    acme(Owner).objects.update(plan=Plan.objects.get())
    owners = acme(Owner).objects.filter(plan__name="gold").filter(notes__text="polite")
    assert seen(owners) == [("Ada", "default.acme")]


def test_sql_of_what_was_made_nowhere(acme: Place) -> None:
    """Printed where a schema is active, a query shows that one."""
    polite = Owner.objects.filter(notes__text="polite")
    with acme.active():
        assert 'JOIN "acme"."garage_note"' in str(polite.query)


def test_looked_up_by_an_object_of_another_environment(acme: Place) -> None:
    """A plan says nothing about whose owners are meant: a query that was made nowhere goes where it is put."""
    owners = Owner.objects.filter(plan=Plan.objects.get())
    assert owners.placement is None
    assert seen(owners | acme(Owner).objects.filter(name="Bob")) == [("Bob", "default.acme")]


def test_object_joined_from_another_environment(acme: Place, globex: Place) -> None:
    """What `select_related` brings along from the registry is of the registry: equal to itself, usable everywhere."""
    plan = Plan.objects.get()
    acme(Owner).objects.update(plan=plan)
    joined = acme(Owner).objects.select_related("plan").get(name="Ada").plan
    assert seen([joined]) == [("gold", "default.registry")]
    assert (joined.db_name, joined.schema_name) == ("default", "registry")
    assert (joined, hash(joined)) == (plan, hash(plan))
    globex.ada.plan = joined
    globex.ada.save()
    assert seen(globex(Owner).objects.filter(plan=joined)) == [("Ada", "default.globex")]


def test_no_object_joined_from_another_environment(acme: Place) -> None:
    """An owner without a plan is read along with none."""
    owners = acme(Owner).objects
    assert owners.filter(plan=None).count() == 2
    assert [owner.plan for owner in owners.select_related("plan")] == [None, None]


def test_join_of_two_databases_is_refused(initech: Place, nothing_sent: Watch) -> None:
    """The registry is in another database than initech: a join over both is refused, and names both."""
    for query in (initech(Owner).objects.filter(plan__name="gold"), initech(Owner).objects.select_related("plan")):
        with nothing_sent(), pytest.raises(SchemaMismatch, match="PostgreSQL can't join two databases"):
            list(query)


def test_subquery_in_another_database_is_refused(acme: Place, initech: Place, nothing_sent: Watch) -> None:
    """A query of initech inside of one of the registry is refused, and the other way round; in one database not."""
    queries: list[Any] = [
        Plan.objects.filter(pk__in=initech(Owner).objects.values("plan")),
        initech(Owner).objects.filter(plan__in=Plan.objects.all()),
        initech(Owner).objects.filter(pk__in=Plan.objects.values("pk")),
    ]
    for query in queries:
        with nothing_sent(), pytest.raises(SchemaMismatch, match="PostgreSQL can't join two databases"):
            list(query)
    acme(Owner).objects.update(plan=Plan.objects.get())
    assert seen(Plan.objects.filter(pk__in=acme(Owner).objects.values("plan"))) == [("gold", "default.registry")]
    assert acme(Owner).objects.filter(plan__in=Plan.objects.filter(name="gold")).count() == 2


def test_created_with_an_object_of_the_registry(acme: Place) -> None:
    """A bound queryset creates a row that refers to the registry while nothing is active, and so does a bound model."""
    plan = Plan.objects.get()
    created = acme(Owner).objects.create(name="New", plan=plan, witness=acme.witness)
    made = acme(Owner)(name="Made", plan=plan, witness=acme.witness)
    made.save()
    assert (created.plan, made.plan) == (plan, plan)
    assert seen(acme(Owner).objects.filter(plan=plan, name__in=["New", "Made"])) == [
        ("Made", "default.acme"),
        ("New", "default.acme"),
    ]
