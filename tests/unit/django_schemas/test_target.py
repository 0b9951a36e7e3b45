"""The target: what is being migrated, for this thread only."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from django_schemas.alias import SchemaAlias
from django_schemas.target import Target, migrating, target_is

ACME = Target("default", SchemaAlias("default", "acme", "tenant"), ("acme", "public"))
NONE = Target("shard2")


def test_target_for_the_time_of_a_block() -> None:
    """Inside of the block it is the target, nested ones give way, and behind it there is none."""
    assert migrating() is None
    with target_is(ACME):
        assert migrating() is migrating("default") is ACME
        assert migrating("shard2") is None
        with pytest.raises(KeyError), target_is(NONE):
            assert migrating() is migrating("shard2") is NONE
            raise KeyError
        assert migrating() is ACME
    assert migrating() is None


def test_target_of_one_thread_is_none_of_another() -> None:
    """Two threads can migrate two schemas."""
    with ThreadPoolExecutor(1) as pool, target_is(ACME):
        assert pool.submit(migrating).result() is None


def test_environment_of_a_target() -> None:
    """A schema's target is of its environment; the models of no environment have none."""
    assert (ACME.environment, NONE.environment) == ("tenant", None)
