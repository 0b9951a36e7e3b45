"""Savepoints over two schemas in one transaction, rolled back at random, by threads that share few connections, and
among them code of a user's that moves the session's search_path: rows are where they were written, and nowhere else.
"""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any

import pytest
from django.db import connections, transaction

from django_schemas import schema_cursor
from tests.apps.garage.models import Tag
from tests.apps.garage.witness import Place
from tests.audit.capture import raw_sql

Rows = dict[str, dict[str, int]]
"""Of each schema the names of the rows that are to be there, and how often each was written."""

THREADS = 4


class TakenBack(Exception):
    """An error in a block."""


class Writer:
    """One thread of work in two schemas, and what should come of it.

    Args:
        number: of the thread; the names of its rows begin with it.
        places: the two.

    Attributes:
        rows: what should be in the schemas now.
        done: how many of what was done.
        wrong: how often a schema was not as it should be.
    """

    def __init__(self, number: int, places: tuple[Place, ...]) -> None:
        self.random = Random(number)
        self.prefix = f"{number}/"
        self.places = places
        self.rows: Rows = {place.schema: {} for place in places}
        self.done = Counter[str]()
        self.wrong = 0

    def run(self, rollbacks: int) -> None:
        """Do transactions until so many savepoints were rolled back."""
        try:
            while self.done["savepoints"] < rollbacks:
                self.block(0)
                self.look()
        finally:
            connections.close_all()

    def block(self, depth: int) -> None:
        """A transaction, or a savepoint in one; in every other case nothing comes of it."""
        before = {schema: dict(rows) for schema, rows in self.rows.items()}
        way = self.random.choice(("kept", "kept", "error", "taken back"))
        try:
            with transaction.atomic():
                for _ in range(self.random.randint(1, 4)):
                    self.step(depth)
                if way == "error":
                    raise TakenBack
                if way == "taken back":
                    transaction.set_rollback(True)
        except TakenBack:
            pass
        if way != "kept":
            self.rows = before
            self.done["savepoints" if depth else "transactions"] += 1

    def step(self, depth: int) -> None:
        step = self.random.choice([self.write, self.write, self.look, self.move, self.raw, self.nest])
        step(depth)

    def nest(self, depth: int) -> None:
        if depth < 4:
            self.block(depth + 1)
            self.look()

    def write(self, depth: int) -> None:
        """Write a row, write one again, or delete one."""
        place = self.random.choice(self.places)
        rows = self.rows[place.schema]
        name = f"{self.prefix}{self.random.randint(0, 5)}"
        tags = place(Tag).objects.filter(name=name)
        if name not in rows:
            place(Tag).objects.create(name=name, witness=f"{place.witness} 0")
            rows[name] = 0
        elif self.random.random() < 0.7:
            rows[name] += 1
            self.wrong += tags.update(witness=f"{place.witness} {rows[name]}") != 1
        else:
            del rows[name]
            self.wrong += tags.delete()[0] != 1
        self.done["writes"] += 1

    def look(self, depth: int = 0) -> None:
        """Read both schemas: through models, then by SQL of one's own."""
        for place in self.places:
            found = place(Tag).objects.filter(name__startswith=self.prefix).values_list("name", "witness")
            self.compare(place, list(found))

    def raw(self, depth: int) -> None:
        place = self.random.choice(self.places)
        with schema_cursor(place.db, place.schema) as cursor:
            cursor.execute("SELECT name, witness FROM garage_tag WHERE name LIKE %s", [f"{self.prefix}%"])
            self.compare(place, cursor.fetchall())

    def compare(self, place: Place, found: list[Any]) -> None:
        expected = {(name, f"{place.witness} {times}") for name, times in self.rows[place.schema].items()}
        self.wrong += set(found) != expected or len(found) != len(expected)
        self.done["reads"] += 1

    def move(self, depth: int) -> None:
        """Do what a user's code may do; what is rolled back takes that back too, in the middle of everything."""
        schema = self.random.choice([*self.rows, "public", "nowhere"])
        with raw_sql("what user code may do"), connections["default"].cursor() as cursor:
            cursor.execute(f"SET search_path TO {schema}")
        self.done["moves"] += 1


def check(places: tuple[Place, ...], rollbacks: int) -> None:
    writers = [Writer(number, places) for number in range(THREADS)]
    try:
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(lambda writer: writer.run(rollbacks), writers))
        done = sum((writer.done for writer in writers), Counter[str]())
        print(dict(done))
        assert [writer.wrong for writer in writers] == [0] * THREADS
        assert done["savepoints"] >= THREADS * rollbacks
        # Looked at once more, without what was done through.
        for place in places:
            expected = {
                (name, f"{place.witness} {times}")
                for writer in writers
                for name, times in writer.rows[place.schema].items()
            }
            assert set(place(Tag).objects.filter(name__contains="/").values_list("name", "witness")) == expected
    finally:
        for place in places:
            place(Tag).objects.filter(name__contains="/").delete()


@pytest.fixture(params=["direct", "through a pooler"])
def places(request: Any, acme: Place, globex: Place) -> tuple[Place, ...]:
    """Two schemas of a database, whose connections are one's own, or a few that a pooler gives to all."""
    request.getfixturevalue("committed" if request.param == "direct" else "pooled")
    return acme, globex


def test_savepoints(places: tuple[Place, ...]) -> None:
    """A hundred of them are rolled back, and the transactions around some: 0 wrong."""
    check(places, 100 // THREADS)


@pytest.mark.long
def test_savepoints_at_length(places: tuple[Place, ...]) -> None:
    """500 in each thread."""
    check(places, 500)
