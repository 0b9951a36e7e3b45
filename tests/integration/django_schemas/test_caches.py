"""Caches of rows that Django keeps in the process: no schema is shown another's, nor what was there before."""

import pickle
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from copy import deepcopy
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.contrib.contenttypes.models import ContentType
from django.contrib.sites.models import Site
from django.contrib.sites.shortcuts import get_current_site
from django.core.exceptions import ImproperlyConfigured
from django.db import connections, transaction
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext

from django_schemas import bind, schema_context
from django_schemas.alias import SchemaAlias
from django_schemas.caches import PLACES, PlaceCache
from django_schemas.migrations import flush, migrate
from tests.apps.garage.models import Car, Owner
from tests.apps.garage.witness import Place
from tests.audit.capture import raw_sql

Watch = Callable[[], AbstractContextManager[Any]]


@pytest.fixture(autouse=True)
def _nothing_remembered(settings: Any) -> Any:
    """Each test begins and ends with empty caches, and with the first site as the current one."""
    settings.SITE_ID = 1
    for model in (ContentType, Site):
        model.objects.clear_cache()
    yield
    for model in (ContentType, Site):
        model.objects.clear_cache()


@pytest.fixture
def sites(acme: Place, globex: Place) -> None:
    """Sites with the same keys and, for one of them, the same domain."""
    for place in (acme, globex, Place("default", "registry")):
        place(Site).objects.update_or_create(pk=1, defaults={"domain": f"{place.schema}.test", "name": place.witness})
        place(Site).objects.create(pk=2, domain="both.test", name=f"both {place.witness}")


def test_default_site(new_schema: str) -> None:
    """post_migrate makes the site of each schema in it, and sets its sequence."""
    migrate("default", schema=new_schema, environment="tenant")
    place = Place("default", new_schema)
    assert list(place(Site).objects.values_list("pk", "domain")) == [(1, "example.com")]
    assert place(Site).objects.create(domain="second.test", name="x").pk == 2


def test_current_site(sites: None, acme: Place, globex: Place, nothing_sent: Watch) -> None:
    """Each schema has its own current site, fetched once; where nothing is active it is the registry's."""

    def current() -> list[Any]:
        found: list[Any] = [Site.objects.get_current().name]
        for place in (acme, globex):
            with place.active():
                found += [Site.objects.get_current().name, get_current_site(None).name]
            found.append(place(Site).objects.get_current().name)
        return found

    expected = ["default.registry", *["default.acme"] * 3, *["default.globex"] * 3]
    assert current() == expected
    with nothing_sent():
        assert current() == expected


def test_site_of_a_request(sites: None, acme: Place, globex: Place, settings: Any, nothing_sent: Watch) -> None:
    """Without SITE_ID it is found by the host, with or without its port, in the active schema alone."""
    del settings.SITE_ID
    both, other = (RequestFactory(SERVER_NAME=host, SERVER_PORT="8000").get("/") for host in ("both.test", "acme.test"))

    def found() -> list[str]:
        names = []
        for place in (acme, globex):
            with place.active():
                names.append(Site.objects.get_current(both).name)
        with acme.active():
            names.append(Site.objects.get_current(other).name)
        return names

    assert found() == ["both default.acme", "both default.globex", "default.acme"]
    with globex.active(), pytest.raises(Site.DoesNotExist):
        Site.objects.get_current(other)
    with pytest.raises(ImproperlyConfigured):
        Site.objects.get_current()


def test_changed_site(sites: None, acme: Place, globex: Place, nothing_sent: Watch) -> None:
    """A site that is saved or deleted is fetched anew; those of other schemas are not."""
    for place in (acme, globex):
        with place.active():
            Site.objects.get_current()
    site = acme(Site).objects.get(pk=1)
    site.name = "changed"
    with globex.active():
        site.save()
        with nothing_sent():
            assert Site.objects.get_current().name == "default.globex"
    with acme.active():
        assert Site.objects.get_current().name == "changed"
        site.delete()
        with pytest.raises(Site.DoesNotExist):
            Site.objects.get_current()


def test_site_read_while_a_change_is_not_committed(committed: None, acme: Place) -> None:
    """What another thread has read, and remembered, before the commit is forgotten at the commit."""

    def read() -> str:
        try:
            with acme.active():
                return Site.objects.get_current().domain
        finally:
            connections.close_all()

    try:
        with ThreadPoolExecutor(1) as pool:
            with transaction.atomic():
                acme(Site).objects.get(pk=1).delete()
                acme(Site).objects.create(pk=1, domain="new.test", name="x")
                assert pool.submit(read).result() == "example.com"
            assert pool.submit(read).result() == "new.test"
    finally:
        acme(Site).objects.filter(pk=1).update(domain="example.com", name="example.com")


def test_cleared(sites: None, acme: Place, globex: Place) -> None:
    """`clear_cache` forgets the sites of all schemas."""
    for place in (acme, globex):
        with place.active():
            Site.objects.get_current()
            Site.objects.update(name="changed")
    Site.objects.clear_cache()
    for place in (acme, globex):
        with place.active():
            assert Site.objects.get_current().name == "changed"


def test_threads(committed: None, acme: Place, globex: Place, initech: Place) -> None:
    """Three threads that go from schema to schema see each one's own content types, by model and by key."""
    places = (acme, globex, initech)
    expected = {place: place(ContentType).objects.get(app_label="garage", model="owner").pk for place in places}

    def work(offset: int) -> int:
        wrong = 0
        try:
            for step in range(300):
                place = places[(step + offset) % 3]
                with place.active():
                    if step % 50 == 0:
                        ContentType.objects.clear_cache()
                    found = ContentType.objects.get_for_model(Owner)
                    wrong += (found.pk, found._state.db.placement) != (expected[place], place.placement)
                    wrong += ContentType.objects.get_for_id(expected[place]).model != "owner"
                    wrong += Site.objects.get_current()._state.db.placement != place.placement
            return wrong
        finally:
            connections.close_all()

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(work, range(3))) == [0, 0, 0]


@pytest.mark.parametrize("atomic", [True, False], ids=["in a transaction", "committed"])
def test_schema_made_anew(atomic: bool, committed: None, new_schema: str) -> None:
    """Of a schema that was dropped and made anew under its name, content types and sites are the new ones."""
    with transaction.atomic(durable=True) if atomic else schema_context("default", "acme"):
        migrate("default", schema=new_schema, environment="tenant")
        place = Place("default", new_schema)
        place(Site).objects.update(name="old")
        with place.active():
            old = ContentType.objects.get_for_model(Owner)
            assert Site.objects.get_current().name == "old"
        flush("default", new_schema)
        migrate("default", schema=new_schema, environment="tenant")
        place(ContentType).objects.filter(pk=old.pk).delete()
        fresh = place(ContentType).objects.create(pk=7000, app_label="garage", model="owner")
        with place.active():
            assert ContentType.objects.get_for_model(Owner) == fresh
            assert Site.objects.get_current().name == "example.com"


def test_schema_that_was_dropped(new_schema: str) -> None:
    """Nothing is remembered of it: what others made under its name since is read."""
    migrate("default", schema=new_schema, environment="tenant")
    place = Place("default", new_schema)
    with place.active():
        ContentType.objects.get_for_model(Owner)
    flush("default", new_schema)
    with connections["default"].cursor() as cursor:
        cursor.execute(f"CREATE SCHEMA {new_schema}")
        with raw_sql("rows are copied from one schema to another"):
            cursor.execute(f"CREATE TABLE {new_schema}.django_content_type AS TABLE globex.django_content_type")
    with place.active():
        pk = ContentType.objects.get_for_model(Owner).pk
    assert pk == Place("default", "globex")(ContentType).objects.get(app_label="garage", model="owner").pk


def test_content_type_renamed_by_a_migration(new_schema: str, write_migrations: Any) -> None:
    """A migration that renames a model renames its content type: what was remembered of it is forgotten."""
    migrate("default", schema=new_schema, environment="tenant")
    place = Place("default", new_schema)
    with place.active():
        owner = ContentType.objects.get_for_model(Owner)
    write_migrations(
        _0003_rename="""
        class Migration(migrations.Migration):
            operations = [migrations.RenameModel("Lot", "Yard"), migrations.RunSQL(
                "UPDATE django_content_type SET model = 'person' WHERE model = 'owner'")]
        """
    )
    migrate("default", schema=new_schema, environment="tenant")
    with place.active():
        assert ContentType.objects.get_for_id(owner.pk).model == "person"
        assert ContentType.objects.get_by_natural_key("garage", "yard").pk


@pytest.mark.skipif("default-read1" not in connections.settings, reason="there is no replica")
def test_primary_and_replica_share_what_is_remembered(committed: None, acme: Place, nothing_sent: Watch) -> None:
    """A content type that was read from a replica is known on the primary."""
    with acme.active():
        replica = ContentType.objects.get_for_model(Owner)
        with transaction.atomic(), nothing_sent():
            assert ContentType.objects.get_for_model(Owner) is replica


@pytest.mark.skipif("default-read1" not in connections.settings, reason="there is no replica")
def test_sites_are_read_from_the_primary(committed: None, acme: Place) -> None:
    """A replica is not asked for a site: what it has not heard of yet would be remembered for good."""
    with acme.active(), CaptureQueriesContext(connections["default-read1"]) as captured:
        assert Site.objects.get_current().domain == "example.com"
    assert captured.captured_queries == []


class NamesDefault:
    """A router of a project's own, which knows nothing of schemas."""

    def db_for_read(self, model: Any, **hints: Any) -> str:
        return "default"


def test_router_that_names_a_database(acme: Place, globex: Place, settings: Any) -> None:
    """Where another router names the database, what is remembered is kept apart all the same."""
    settings.DATABASE_ROUTERS = [NamesDefault(), *settings.DATABASE_ROUTERS]
    for place in (acme, globex):
        with place.active():
            assert ContentType.objects.get_for_model(Owner)._state.db.placement == place.placement
            assert ContentType.objects.db.placement == place.placement


def test_permissions_of_users(acme: Place, globex: Place) -> None:
    """What a user may do is remembered with that user, of whom each schema has another."""
    with acme.active():
        user = User.objects.get(username="ada")
        user.user_permissions.add(Permission.objects.get(codename="add_car"))
    neighbour = globex.user
    assert (user.pk, User._meta.label) == (neighbour.pk, "auth.User")
    with acme.active():
        assert acme(User).objects.get(pk=user.pk).get_all_permissions() == {"garage.add_car"}
        assert user.has_perm("garage.add_car")
    with globex.active():
        assert not neighbour.has_perm("garage.add_car")
        assert user.has_perm("garage.add_car")
        assert list(User.objects.with_perm("garage.add_car")) == []


def test_memory_of_many_schemas() -> None:
    """Content types of very many schemas take less than 5 MB: those of the schemas used last are remembered."""
    manager: Any = ContentType.objects
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for number in range(4 * PLACES):
            alias = SchemaAlias("default", f"schema{number}", "tenant")
            for pk in range(1, 31):
                values = [pk, f"app{pk % 8}", f"model{pk}"]
                manager._add_to_cache(alias, ContentType.from_db(alias, ["id", "app_label", "model"], values))
        grown_mb = (tracemalloc.get_traced_memory()[0] - before) / 1_000_000
    finally:
        tracemalloc.stop()
    assert grown_mb < 5
    assert manager._cache[alias][30].model == "model30"
    with pytest.raises(KeyError):
        manager._cache[SchemaAlias("default", "schema0", "tenant")]


def test_the_place_used_longest_ago_is_forgotten() -> None:
    """A new place takes the room of the one that was not asked for the longest, and of no other."""
    cache = PlaceCache()
    places = [SchemaAlias("default", f"schema{number}", "tenant") for number in range(PLACES + 1)]
    for alias in places[:-1]:
        cache.setdefault(alias, {})["key"] = alias.schema
    assert cache[places[0]] == {"key": "schema0"}
    cache.setdefault(places[-1], {})
    assert cache[places[0]] == {"key": "schema0"}
    with pytest.raises(KeyError):
        cache[places[1]]


def test_bound_manager_can_be_copied(acme: Place) -> None:
    """A bound manager that remembers can be pickled and copied; the copy remembers nothing yet."""
    manager = bind(ContentType, "default", "acme").objects
    known = manager.get_for_model(Car)
    for copied in (pickle.loads(pickle.dumps(manager)), deepcopy(manager)):
        assert copied.get_for_model(Car) == known
