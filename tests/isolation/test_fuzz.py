"""Whatever a program does with five tenants, in whatever order: each sees its own rows, and no row goes astray.

`FUZZ_SEQUENCES` says how many sequences of 50 steps the long form takes.
"""

import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from django_schemas import wrap_context
from tests.apps.garage.witness import public_digest
from tests.isolation.world import KINDS, READS, World, world

STEPS = 50
slots = st.integers(0, 4)
kinds = st.sampled_from(list(KINDS))
reads = st.sampled_from(list(READS))
ways = st.sampled_from(["active", "bound", "set_db", "auto_db", "inherit_db"])
names = st.sampled_from(["red", "old", "new"])
keys = st.integers(1, 6)
held = st.integers(0, 1000)
LIVES = ["suspend", "resume", "rename", "delete", "restore", "replace"]


class Tenants(RuleBasedStateMachine):
    """A program that works for tenants."""

    world: World

    @initialize(slot=slots)
    def begin_with_a_row(self, slot: int) -> None:
        for kind in KINDS:
            self.world.create(kind, self.world.tenants[slot].placement, "bound", ["first"])

    def teardown(self) -> None:
        self.world.settle()

    def _place(self, slot: int) -> Any:
        """Mostly where the program is; else a tenant's, which may be gone."""
        here = self.world.active
        return here if here is not None and slot > 1 else self.world.tenants[slot].placement

    @rule(slot=slots)
    def enter(self, slot: int) -> None:
        self.world.enter(slot)

    @precondition(lambda self: self.world.contexts)
    @rule()
    def leave(self) -> None:
        self.world.leave()

    @rule(kind=kinds, slot=slots, way=ways, made=st.lists(names, min_size=1, max_size=3))
    def create(self, kind: str, slot: int, way: str, made: list[str]) -> None:
        self.world.create(kind, self._place(slot), way, made)

    @rule(kind=kinds, slot=slots, way=ways, how=reads)
    def read(self, kind: str, slot: int, way: str, how: str) -> None:
        self.world.read(kind, self._place(slot), way, how)

    @rule(kind=kinds, slot=slots, way=ways, pk=keys, name=names)
    def update(self, kind: str, slot: int, way: str, pk: int, name: str) -> None:
        self.world.update(kind, self._place(slot), way, pk, name)

    @rule(kind=kinds, slot=slots, way=ways, pk=keys)
    def delete(self, kind: str, slot: int, way: str, pk: int) -> None:
        self.world.delete(kind, self._place(slot), way, pk)

    @rule(slot=slots, name=names)
    def raw(self, slot: int, name: str) -> None:
        self.world.raw(self._place(slot), name)

    @precondition(lambda self: self.world.active is None)
    @rule(kind=kinds, name=names)
    def unbound(self, kind: str, name: str) -> None:
        self.world.check_nothing_active(kind, name)

    @rule(slot=slots, other=slots, kind=kinds, how=reads)
    def set_out(self, slot: int, other: int, kind: str, how: str) -> None:
        self.world.set_out(self._place(slot), self._place(other), kind, how)

    @precondition(lambda self: self.world.tours)
    @rule(one=held)
    def go_on(self, one: int) -> None:
        self.world.go_on(one % len(self.world.tours))

    @rule(kind=kinds, slot=slots, way=ways)
    def hold_object(self, kind: str, slot: int, way: str) -> None:
        self.world.hold_object(kind, self._place(slot), way)

    @rule(kind=kinds, slot=st.none() | slots)
    def hold_queryset(self, kind: str, slot: int | None) -> None:
        self.world.hold_queryset(kind, None if slot is None else self._place(slot))

    @precondition(lambda self: self.world.held)
    @rule(one=held)
    def pickle(self, one: int) -> None:
        self.world.pickled(one % len(self.world.held))

    @precondition(lambda self: self.world.held)
    @rule(one=held, act=st.sampled_from(["look", "save", "delete"]), name=names, how=reads)
    def use(self, one: int, act: str, name: str, how: str) -> None:
        self.world.use(one % len(self.world.held), act, name, how)

    @precondition(lambda self: self.world.pairs())
    @rule(one=held, way=st.sampled_from(["set", "add", "other"]))
    def relate(self, one: int, way: str) -> None:
        pairs = self.world.pairs()
        self.world.relate(*pairs[one % len(pairs)], way)

    @rule(slot=slots)
    def begin(self, slot: int) -> None:
        self.world.begin(self._place(slot))

    @precondition(lambda self: self.world.in_transaction)
    @rule(db=st.sampled_from(["default", "shard2"]), commit=st.booleans())
    def end(self, db: str, commit: bool) -> None:
        if self.world.transactions[db]:
            self.world.end(db, commit)

    @precondition(lambda self: not self.world.in_transaction)
    @rule(kind=kinds, slot=slots, name=names, how=reads)
    def thread(self, kind: str, slot: int, name: str, how: str) -> None:
        """Another thread has nothing active, unless it is given what is active here."""
        self.world.thread.submit(self.world.check_nothing_active, kind, name).result()

        def work() -> None:
            self.world.create(kind, self._place(slot), "active", [name])
            self.world.read(kind, self._place(slot), "active", how)

        self.world.thread.submit(wrap_context(work)).result()

    @precondition(lambda self: not self.world.in_transaction)
    @rule(slot=slots, step=st.sampled_from(LIVES))
    def live(self, slot: int, step: str) -> None:
        self.world.live(slot, step)


@pytest.fixture
def fuzzed(committed: None, schemas: dict[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Runs so many sequences in a world; `public` is behind it what it was."""
    monkeypatch.setattr("tenancy.releasing._MARGIN", 0)
    with world() as it:
        yield lambda sequences, **options: run_state_machine_as_test(
            type("Fuzz", (Tenants,), {"world": it}),
            settings=settings(
                max_examples=sequences,
                stateful_step_count=STEPS,
                deadline=None,
                suppress_health_check=list(HealthCheck),
                print_blob=True,
                **options,
            ),
        )
    assert {db: public_digest(db) for db in schemas} == schemas


def test_any_order(fuzzed: Any) -> None:
    """The same sequences each time; what fails is not made shorter, which takes long: the long form does that."""
    fuzzed(40, derandomize=True, database=None, phases=(Phase.generate,))


@pytest.mark.long
def test_any_order_at_length(fuzzed: Any) -> None:
    """Others each time; what fails is made as short as it can be, and is tried first the next time."""
    fuzzed(int(os.environ.get("FUZZ_SEQUENCES", "10000")), phases=(Phase.reuse, Phase.generate, Phase.shrink))
