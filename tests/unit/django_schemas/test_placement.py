"""Placement: a frozen value."""

import copy
import pickle
from dataclasses import FrozenInstanceError

import pytest

from django_schemas import Placement


def test_placement_is_a_value() -> None:
    """Two placements are equal if database and schema are; they can be keys, be copied and be pickled."""
    acme = Placement("default", "acme")
    assert acme == Placement(db="default", schema="acme")
    assert acme not in (Placement("default", "globex"), Placement("shard2", "acme"))
    assert len({acme, Placement("default", "acme"), Placement("shard2", "acme")}) == 2
    assert copy.deepcopy(acme) == pickle.loads(pickle.dumps(acme)) == acme


def test_placement_does_not_change() -> None:
    """It can't be assigned to."""
    with pytest.raises(FrozenInstanceError):
        Placement("default", "acme").schema = "globex"  # type: ignore[misc]


def test_placement_in_words() -> None:
    """It is written as database and schema with a dot between."""
    assert str(Placement("default", "acme")) == "default.acme"
