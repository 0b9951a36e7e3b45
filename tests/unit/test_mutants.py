"""The mutants of the guards: that they are what they say, that they get into what runs, and that no list is stale."""

import sys
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import pytest

from django_schemas.alias import SchemaAlias
from django_schemas.ambient import within
from django_schemas.context import activate, active_placement
from tests.mutation.explanations import explained
from tests.mutation.forks import NoResult, in_fork
from tests.mutation.guards import GUARDS
from tests.mutation.loading import CannotSwap, import_mutant, swap_code
from tests.mutation.mutants import mutants_of

ACME = SchemaAlias("default", "acme", "tenant")
REPLICA = SchemaAlias("default-read1", "acme", "tenant", "default")


def swapped(name: str, module: str, work: Callable[[], Any]) -> Any:
    """What a function returns in a process that has a mutant in it."""
    (found,) = (one for one in mutants_of(module) if str(one) == f"{module}.{name}")

    def with_it() -> Any:
        swap_code(found)
        return work()

    return in_fork(with_it, 20)


@pytest.mark.parametrize("module", GUARDS)
def test_mutants_compile_and_have_names_of_their_own(module: str) -> None:
    """Each mutant is a module of its own, and goes by a name that no other has."""
    mutants = mutants_of(module)
    assert len({str(one) for one in mutants}) == len(mutants) > 20
    for one in mutants[::7]:
        compile(one.tree(), module, "exec")


def test_what_people_read_is_left_alone() -> None:
    """No message, docstring, annotation or repr is changed."""
    changes = [str(one) for module in GUARDS for one in mutants_of(module)]
    assert [
        one for one in changes if "__repr__" in one or "make both in one schema" in one or "Compile the" in one
    ] == []


def test_property_is_swapped() -> None:
    """A mutant gets into functions that a class holds in another form."""
    module = "django_schemas.alias"
    name = (
        "SchemaAlias.primary: self if str.__eq__(self, self.db) else "
        "SchemaAlias(self.db, self.schema, self.environment) -> self if True else "
        "SchemaAlias(self.db, self.schema, self.environment)"
    )
    assert swapped(name, module, lambda: REPLICA.primary is REPLICA) is True
    assert REPLICA.primary is not REPLICA


def test_wrapped_function_is_swapped() -> None:
    """A mutant gets into a function behind a decorator, and into one that was made in another before."""

    def active() -> object:
        with activate(ACME):
            return active_placement()

    assert active() is not None
    assert swapped("activate: places.enter(alias) -> pass", "django_schemas.context", active) is None

    entered = []

    @contextmanager
    def entering() -> Any:
        entered.append(True)
        yield

    def call() -> Any:
        wrapped()
        return entered

    wrapped = within(entering, lambda: None)
    name = "within.wrapper: with entering(): -> if True: #2"
    assert swapped(name, "django_schemas.ambient", call) == []
    assert call() == [True]


def test_what_has_run_already_is_not_swapped() -> None:
    """What stands in no function has its effect when the module is imported, and only then."""
    outside = next(one for one in mutants_of("django_schemas.querysets") if not one.within_function)
    with pytest.raises(CannotSwap):
        swap_code(outside)
    with pytest.raises(RuntimeError, match="is imported already"):
        import_mutant(outside)


def test_mutant_is_imported() -> None:
    """A mutant stands in the place of a module that is imported for the first time."""
    made = next(one for one in mutants_of("tenancy.hosts") if "'...' -> 'XX...XX'" in one.change)

    def work() -> bool:
        sys.modules.pop("tenancy.hosts", None)
        import_mutant(made)
        try:
            import tenancy.hosts  # noqa: F401
        except ValueError:  # The two strings are of different lengths now.
            return True
        return False

    assert in_fork(work, 20) is True


def test_fork_that_hangs_or_dies() -> None:
    """Neither is waited for."""
    import os
    import time

    with pytest.raises(NoResult):
        in_fork(lambda: time.sleep(60), 0.2)
    with pytest.raises(NoResult):
        in_fork(lambda: os._exit(1), 20)


def test_explained_survivors_are_mutants() -> None:
    """`survivors.toml` names no change of code that is no longer there."""
    assert explained().keys() <= {str(one) for module in GUARDS for one in mutants_of(module)}
