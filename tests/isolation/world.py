"""The world of the fuzz: five tenants in two databases, and a model of them in Python that says what must be seen.

Rows have the same keys in all tenants, and each names its owner, so what goes astray is found among those of others.
"""

import pickle
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.db import DatabaseError, connections, transaction
from django.db.models import Model

from django_schemas import Placement, active_placement, allow_two_databases, bind, schema_context, schema_cursor
from django_schemas.exceptions import SchemasError
from tenancy import lifecycle, tenant_context
from tenancy.exceptions import TenancyError
from tenancy.models import Tenant
from tests.apps.garage.models import Car, Owner, Tag

__all__ = ["KINDS", "READS", "Held", "Rows", "World"]

KINDS: dict[str, type[Model]] = {"owner": Owner, "car": Car, "tag": Tag}
DBS = ("default", "default", "default", "shard2", "shard2")
REFUSED = (SchemasError, TenancyError, DatabaseError)
"""What may come of using what is not there any more."""


@dataclass
class Rows:
    """What a tenant has: names by key; owners of cars by key; cars with tags."""

    owner: dict[int, str] = field(default_factory=dict)
    car: dict[int, str] = field(default_factory=dict)
    tag: dict[int, str] = field(default_factory=dict)
    owners: dict[int, int] = field(default_factory=dict)
    tags: set[tuple[int, int]] = field(default_factory=set)

    def of(self, kind: str) -> dict[int, str]:
        """The rows of a kind."""
        found: dict[int, str] = getattr(self, kind)
        return found

    def delete(self, kind: str, pk: int) -> None:
        """As the database cascades."""
        self.of(kind).pop(pk, None)
        if kind == "owner":
            for car in [car for car, owner in self.owners.items() if owner == pk]:
                self.delete("car", car)
        elif kind == "car":
            self.owners.pop(pk, None)
            self.tags = {link for link in self.tags if link[0] != pk}
        else:
            self.tags = {link for link in self.tags if link[1] != pk}


class Held(NamedTuple):
    """What a program keeps: an object, or a queryset, and where it is from; None: of a queryset made where nothing was
    active, which belongs to where it is evaluated."""

    what: Any
    kind: str
    home: Placement | None


READS: dict[str, Callable[[Any], dict[int, str]]] = {
    "all": lambda rows: {row.pk: row.name for row in rows.all()},
    "iterator": lambda rows: {row.pk: row.name for row in rows.all().iterator()},
    "values": lambda rows: dict(rows.values_list("pk", "name")),
    "filter": lambda rows: {row.pk: row.name for row in rows.filter(pk__gt=0).exclude(name="")},
    "in_bulk": lambda rows: {pk: row.name for pk, row in rows.in_bulk().items()},
    "deferred": lambda rows: {row.pk: row.name for row in rows.defer("name")},
    "subquery": lambda rows: {row.pk: row.name for row in rows.filter(pk__in=rows.values("pk"))},
    "union": lambda rows: {row.pk: row.name for row in rows.filter(pk=1).union(rows.exclude(pk=1))},
    "slices": lambda rows: {
        row.pk: row.name for part in (rows.order_by("pk")[:2], rows.order_by("pk")[2:]) for row in part
    },
    "pickled": lambda rows: {row.pk: row.name for row in pickle.loads(pickle.dumps(rows.all()))},
    "one by one": lambda rows: {pk: rows.get(pk=pk).name for pk in rows.values_list("pk", flat=True)},
}


class World:
    """The tenants, what is active, what is held, and what must be there.

    Args:
        stack: entered for as long as the world is there.
    """

    def __init__(self, stack: ExitStack) -> None:
        self.tenants = [self._made(slot, f"fuzz-{slot}") for slot in range(len(DBS))]
        self.rows = [Rows() for _ in DBS]
        self.contexts: list[tuple[tenant_context, Placement]] = []
        self.transactions: dict[str, list[tuple[Any, list[Rows]]]] = {"default": [], "shard2": []}
        self.held: list[Held] = []
        self.tours: list[Iterator[None]] = []
        self.generation = 0
        stack.enter_context(allow_two_databases("a program may have a transaction in each"))
        self.thread = stack.enter_context(ThreadPoolExecutor(1))
        stack.callback(lambda: self.thread.submit(connections.close_all).result())
        stack.callback(self._purge_all)

    # Where things are.

    @property
    def active(self) -> Placement | None:
        """Where statements that say nothing go."""
        return self.contexts[-1][1] if self.contexts else None

    def slot_at(self, place: Placement | None) -> int | None:
        """Whose rows are at a placement; None if nobody's."""
        for slot, tenant in enumerate(self.tenants):
            if tenant.placement == place and tenant.status in ("active", "suspended"):
                return slot
        return None

    def rows_at(self, place: Placement | None) -> Rows | None:
        """What must be at a placement; None if there is none."""
        slot = self.slot_at(place)
        return None if slot is None else self.rows[slot]

    def owner_at(self, place: Placement) -> str:
        """Whom rows at a placement must name."""
        slot = self.slot_at(place)
        return "nobody" if slot is None else str(self.tenants[slot].pk)

    @property
    def in_transaction(self) -> bool:
        return any(self.transactions.values())

    # What is done.

    def doing(self, place: Placement | None, act: Callable[[], Any]) -> Any:
        """Do something at a placement: it must be refused where nobody is. In a transaction, by a savepoint."""
        if self.rows_at(place) is not None:
            return act()
        try:
            with transaction.atomic(using=place.db) if place is not None else ExitStack():
                found = act()
        except REFUSED:
            return None
        raise AssertionError(f"{place} is nobody's, but it was answered: {found!r}")

    def enter(self, slot: int) -> None:
        tenant = self.tenants[slot]
        context = tenant_context(tenant)
        if tenant.status == "active":
            context.__enter__()
            self.contexts.append((context, tenant.placement))
            return
        try:
            context.__enter__()
        except TenancyError:
            return
        raise AssertionError(f"{tenant} is {tenant.status}, but may be entered.")

    def leave(self) -> None:
        self.contexts.pop()[0].__exit__(None, None, None)
        assert active_placement("tenant") == self.active

    def manager(self, kind: str, place: Placement, way: str) -> Any:
        """Objects of a kind at a placement, said in some way."""
        model = KINDS[kind]
        if way == "bound":
            return bind(model, place.db, place.schema).objects
        if way == "set_db":
            return model.set_db(place.db, place.schema).objects  # type: ignore[attr-defined]
        if way == "auto_db" and place == self.active:
            return model.auto_db().objects  # type: ignore[attr-defined]
        kin = [each.what for each in self.held if each.home == place and isinstance(each.what, Model)]
        if way == "inherit_db" and kin:
            return model.inherit_db(kin[0]).objects  # type: ignore[attr-defined]
        return model.objects if place == self.active else bind(model, place.db, place.schema).objects  # type: ignore[attr-defined]

    def create(self, kind: str, place: Placement, way: str, names: Sequence[str]) -> None:
        """Make rows, by themselves or several at once."""
        witness, rows = self.owner_at(place), self.rows_at(place)

        def act() -> list[Any]:
            manager = self.manager(kind, place, way)
            if len(names) == 1:
                return [manager.create(name=names[0], witness=witness)]
            return list(manager.bulk_create(manager.model(name=name, witness=witness) for name in names))

        made = self.doing(place, act)
        if rows is not None:
            rows.of(kind).update((row.pk, row.name) for row in made)

    def check_nothing_active(self, kind: str, name: str) -> None:
        """A statement that says nothing is refused, in this thread."""
        assert active_placement() is None
        for act in (lambda: KINDS[kind].objects.create(name=name), lambda: list(KINDS[kind].objects.all())):  # type: ignore[attr-defined]
            try:
                act()
            except SchemasError:
                continue
            raise AssertionError("Nothing is active, but it was done.")

    def read(self, kind: str, place: Placement, way: str, how: str) -> None:
        """See what there is, all of it."""
        self._look(kind, place, how, lambda: self.manager(kind, place, way))

    def _look(self, kind: str, place: Placement | None, how: str, objects: Callable[[], Any]) -> None:
        """See that a placement has what it must have, by what gives its objects there."""
        rows = self.rows_at(place)
        found = self.doing(place, lambda: READS[how](objects()))
        if rows is not None:
            assert found == rows.of(kind), (place, how)

    def set_out(self, home: Placement, away: Placement, kind: str, how: str) -> None:
        """Hold a generator that belongs to one place, and reads there and, for some of its steps, at another."""

        def look(place: Placement) -> None:
            self._look(kind, place, how, lambda: KINDS[kind].objects)  # type: ignore[attr-defined]

        @schema_context(home.db, home.schema)
        def tour() -> Iterator[None]:
            yield look(home)
            with schema_context(away.db, away.schema):
                yield look(away)
                yield look(away)
            yield look(home)

        self.tours.append(tour())

    def go_on(self, index: int) -> None:
        """Take the next step of such a generator, whatever is active now."""
        try:
            next(self.tours[index])
        except StopIteration:
            del self.tours[index]
        assert active_placement("tenant") == self.active

    def update(self, kind: str, place: Placement, way: str, pk: int, name: str) -> None:
        rows = self.rows_at(place)
        self.doing(place, lambda: self.manager(kind, place, way).filter(pk=pk).update(name=name))
        if rows is not None and pk in rows.of(kind):
            rows.of(kind)[pk] = name

    def delete(self, kind: str, place: Placement, way: str, pk: int) -> None:
        rows = self.rows_at(place)
        self.doing(place, lambda: self.manager(kind, place, way).filter(pk=pk).delete())
        if rows is not None:
            rows.delete(kind, pk)

    def raw(self, place: Placement, name: str) -> None:
        """Unqualified SQL of the project's own."""
        rows, witness = self.rows_at(place), self.owner_at(place)

        def act() -> tuple[int, list[Any]]:
            with schema_cursor(place.db, place.schema) as cursor:
                cursor.execute("INSERT INTO garage_tag (name, witness) VALUES (%s, %s) RETURNING id", [name, witness])
                (pk,) = cursor.fetchone()
                cursor.execute("SELECT id, name FROM garage_tag")
                return pk, cursor.fetchall()

        found = self.doing(place, act)
        if rows is not None:
            rows.tag[found[0]] = name
            assert dict(found[1]) == rows.tag

    # What is kept.

    def pairs(self) -> list[tuple[int, int]]:
        """Held cars, each with a held owner or tag."""
        objects = [(index, each.kind) for index, each in enumerate(self.held) if isinstance(each.what, Model)]
        return [(car, end) for car, one in objects if one == "car" for end, other in objects if other != "car"]

    def hold_object(self, kind: str, place: Placement, way: str) -> None:
        row = self.doing(place, lambda: self.manager(kind, place, way).order_by("-pk").first())
        if row is not None:
            self.held.append(Held(row, kind, place))

    def hold_queryset(self, kind: str, place: Placement | None) -> None:
        """A lazy one, made here: with the active placement, or with none."""
        if place is None or place == self.active:
            self.held.append(Held(KINDS[kind].objects.all(), kind, self.active))  # type: ignore[attr-defined]
        else:
            self.held.append(Held(bind(KINDS[kind], place.db, place.schema).objects.all(), kind, place))

    def pickled(self, index: int) -> None:
        """What is held goes through a pickle, and is itself again."""
        held = self.held[index]
        if isinstance(held.what, Model):
            again = pickle.loads(pickle.dumps(held.what))
            assert again == held.what
        elif held.home is None:
            return
        else:
            again = self.doing(held.home, lambda: pickle.loads(pickle.dumps(held.what.all())))
        if again is not None:
            self.held[index] = held._replace(what=again)

    def use(self, index: int, act: str, name: str, how: str) -> None:
        """Use what is held, whatever is active now."""
        held = self.held[index]
        if not isinstance(held.what, Model):
            self._evaluate(held, how)
            return
        assert held.home is not None
        rows = self.rows_at(held.home)
        row: Any = held.what
        known = None if rows is None else rows.of(held.kind)
        if act == "save":
            if held.kind == "car" and rows is not None and row.owner_id not in (None, *rows.owner):
                return
            row.name = name
            self.doing(held.home, row.save)
            if rows is not None and known is not None:
                known[row.pk] = name
                if held.kind == "car":
                    self._keep_owner(rows, row)
        elif act == "delete":
            pk = row.pk
            self.doing(held.home, row.delete)
            if rows is not None:
                rows.delete(held.kind, pk)
            self.held = [each for each in self.held if not (isinstance(each.what, Model) and each.what is row)]
        elif known is not None and row.pk in known:
            row.refresh_from_db()
            assert (row.name, row.witness) == (known[row.pk], self.owner_at(held.home))
            self._check_relations(held, rows)

    def _keep_owner(self, rows: Rows, car: Any) -> None:
        rows.owners.pop(car.pk, None)
        if car.owner_id is not None:
            rows.owners[car.pk] = car.owner_id

    def _check_relations(self, held: Held, rows: Rows | None) -> None:
        row: Any = held.what
        assert rows is not None
        if held.kind == "owner":
            assert {car.pk for car in row.car_set.all()} == {
                car for car, owner in rows.owners.items() if owner == row.pk
            }
        elif held.kind == "car":
            owner = rows.owners.get(row.pk)
            assert (row.owner and row.owner.name) == (None if owner is None else rows.owner[owner])
            assert set(row.tags.values_list("pk", flat=True)) == {tag for car, tag in rows.tags if car == row.pk}
        else:
            assert {car.pk for car in row.car_set.all()} == {car for car, tag in rows.tags if tag == row.pk}

    def _evaluate(self, held: Held, how: str) -> None:
        self._look(held.kind, held.home or self.active, how, held.what.all)

    def relate(self, one: int, other: int, way: str) -> None:
        """A car gets an owner or a tag, which must be of its own tenant."""
        car, end = self.held[one], self.held[other]
        rows = self.rows_at(car.home)
        if car.home != end.home:
            try:
                self._related(car.what, end, way)
            except ValueError:  # As SchemaMismatch is.
                return
            raise AssertionError(f"{car} was related to {end}.")
        assert car.home is not None
        if rows is None or car.what.pk not in rows.car or end.what.pk not in rows.of(end.kind):
            return
        self._related(car.what, end, way)
        if end.kind == "tag":
            if way == "set":
                rows.tags = {link for link in rows.tags if link[0] != car.what.pk}
            rows.tags.add((car.what.pk, end.what.pk))
        else:
            rows.owners[car.what.pk] = end.what.pk
            if way != "set":
                car.what.refresh_from_db()

    def _related(self, car: Any, end: Held, way: str) -> None:
        if end.kind == "tag":
            {"set": lambda: car.tags.set([end.what]), "add": lambda: car.tags.add(end.what)}.get(
                way, lambda: end.what.car_set.add(car)
            )()
        elif way == "set":
            car.owner = end.what
            car.save(update_fields=["owner"])
        elif way == "add":
            end.what.car_set.add(car)
        else:
            type(car).inherit_db(car).objects.filter(pk=car.pk).update(owner=end.what)

    # Transactions.

    def begin(self, place: Placement) -> None:
        block = transaction.atomic(using=bind(Tag, place.db, place.schema).objects.db)
        block.__enter__()
        mine = [index for index, db in enumerate(DBS) if db == place.db]
        self.transactions[place.db].append((block, [deepcopy(self.rows[index]) for index in mine]))

    def end(self, db: str, commit: bool) -> None:
        block, before = self.transactions[db].pop()
        if commit:
            block.__exit__(None, None, None)
            return
        error = RuntimeError("rolled back")
        block.__exit__(RuntimeError, error, None)
        for index, rows in zip((index for index, each in enumerate(DBS) if each == db), before, strict=True):
            self.rows[index] = rows

    # The life of tenants, which no transaction may be around.

    def live(self, slot: int, step: str) -> None:
        """Do something to a tenant, if its status lets it."""
        tenant = self.tenants[slot]
        self.generation += 1
        name = f"fuzz-{slot}-{self.generation}"
        if step == "suspend" and tenant.status == "active":
            lifecycle.suspend(tenant)
        elif step == "resume" and tenant.status == "suspended":
            lifecycle.resume(tenant)
        elif step == "rename" and tenant.status in ("active", "suspended"):
            lifecycle.rename(tenant, slug=name, schema_name=name)
        elif step == "delete" and tenant.status in ("active", "suspended"):
            lifecycle.delete(tenant)
        elif step == "restore" and tenant.status == "deleting":
            lifecycle.restore(tenant)
        elif step == "replace" and tenant.status == "deleting":
            lifecycle.purge(tenant)
            self.tenants[slot] = self._made(slot, name)
            self.rows[slot] = Rows()

    # Behind all.

    def settle(self) -> None:
        """End what is open, see that each row is where it belongs, and leave all tenants empty."""
        for db, blocks in self.transactions.items():
            while blocks:
                self.end(db, commit=False)
        while self.contexts:
            self.leave()
        self.held.clear()
        self.tours.clear()
        assert active_placement() is None
        expected, self.rows = self.rows, [Rows() for _ in DBS]
        found, astray = [], []
        for tenant in self.tenants:
            if tenant.status == "deleting":
                lifecycle.restore(tenant)
            if tenant.status == "suspended":
                lifecycle.resume(tenant)
            found.append(self._rows_in(tenant, astray))
            self._empty(tenant)
        assert astray == []
        assert found == expected

    def _rows_in(self, tenant: Tenant, astray: list[Any]) -> Rows:
        """What is in a schema, by SQL alone; what does not name its tenant is astray."""
        rows = Rows()
        with schema_cursor(tenant.db, tenant.schema_name) as cursor:
            for kind in KINDS:
                cursor.execute(f"SELECT id, name, witness FROM garage_{kind}")
                for pk, name, witness in cursor.fetchall():
                    rows.of(kind)[pk] = name
                    if witness != str(tenant.pk):
                        astray.append((tenant.placement, kind, pk, name, witness))
            cursor.execute("SELECT id, owner_id FROM garage_car WHERE owner_id IS NOT NULL")
            rows.owners = dict(cursor.fetchall())
            cursor.execute("SELECT car_id, tag_id FROM garage_car_tags")
            rows.tags = set(cursor.fetchall())
        return rows

    def _made(self, slot: int, slug: str) -> Tenant:
        """A new tenant, with no rows but those of migrations, which are gone."""
        tenant = Tenant.objects.create(name=f"Fuzz {slot}", slug=slug, db=DBS[slot])
        self._empty(tenant)
        return tenant

    def _empty(self, tenant: Tenant) -> None:
        with schema_cursor(tenant.db, tenant.schema_name) as cursor:
            for table in ("garage_car_tags", "garage_car", "garage_owner", "garage_tag"):
                cursor.execute(f"DELETE FROM {table}")
                cursor.execute("SELECT setval(pg_get_serial_sequence(%s, 'id'), 1, false)", [table])

    def _purge_all(self) -> None:
        for tenant in Tenant.objects.filter(name__startswith="Fuzz "):
            if tenant.status != "deleting":
                lifecycle.delete(tenant)
            lifecycle.purge(tenant)


@contextmanager
def world() -> Iterator[World]:
    """A world, and nothing left of it."""
    with ExitStack() as stack:
        yield World(stack)
