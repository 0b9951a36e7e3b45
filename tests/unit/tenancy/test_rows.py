"""Rows of tenants as they are remembered: what is made of them is what Django would make, and each caller's own."""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import pytest
from django.db.models.signals import post_init

from tenancy.models import Tenant
from tenancy.rows import Row


@pytest.fixture
def read() -> Tenant:
    """A tenant as it is read."""
    columns = {field.attname: field.get_default() for field in Tenant._meta.concrete_fields}
    columns |= {"name": "Hooli", "slug": "hooli", "settings": {"plan": ["a", {"b": 1}]}, "work": {"kind": "move"}}
    return Tenant.from_db("default", list(columns), list(columns.values()))


def attributes(tenant: Tenant) -> dict[str, Any]:
    return {**vars(tenant), "_state": vars(tenant._state)}


@contextmanager
def heard() -> Iterator[list[Any]]:
    """Collects the objects of the model that are made."""
    made: list[Any] = []

    def hear(instance: Any, **kwargs: Any) -> None:
        made.append(instance)

    post_init.connect(hear, sender=Tenant)
    try:
        yield made
    finally:
        post_init.disconnect(hear, sender=Tenant)


def test_is_what_the_model_makes(read: Tenant) -> None:
    """A copy has the attributes of an object that Django makes, and no more."""
    row = Row.of(read)
    assert row.ready is not None
    assert attributes(row.tenant()) == attributes(read)
    assert type(row.tenant()) is Tenant


def test_shares_nothing(read: Tenant) -> None:
    """What one caller does to an object changes that of no other: attributes, state, and JSON to its depth."""
    row, before = Row.of(read), deepcopy(attributes(read))
    mine = row.tenant()
    mine.name = "Mine"
    mine.settings["plan"][1]["b"] = 2
    mine._state.db = "shard2"
    mine._state.fields_cache["owner"] = mine
    assert attributes(row.tenant()) == before


def test_receivers_are_sent_each_object(read: Tenant) -> None:
    """Where the project hears of objects that are made, it hears of each: so does Django's ImageField."""
    with heard() as made:
        row = Row.of(read)
        made.clear()
        mine = row.tenant()
    assert [each is mine for each in made] == [True]


@pytest.mark.parametrize("name", ["__init__", "from_db"])
def test_the_models_own_ways_are_kept(read: Tenant, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A model that makes its objects in another way is asked for each."""
    made = []

    def init(self: Any, *args: Any) -> None:
        super(Tenant, self).__init__(*args)
        made.append(self)

    def from_db(cls: Any, *args: Any) -> Any:
        tenant = super(Tenant, cls).from_db(*args)
        made.append(tenant)
        return tenant

    monkeypatch.setattr(Tenant, name, init if name == "__init__" else classmethod(from_db))
    row = Row.of(read)
    made.clear()
    mine = row.tenant()
    assert [each is mine for each in made] == [True]
