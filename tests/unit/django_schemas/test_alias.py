"""SchemaAlias and SchemaTable: what they are equal to, and that nothing gets lost on the way."""

import copy
import pickle

import pytest

from django_schemas import Placement
from django_schemas.alias import SchemaAlias, SchemaTable

ACME = SchemaAlias("default", "acme", "tenant")
GLOBEX = SchemaAlias("default", "globex", "tenant")
REPLICA = SchemaAlias("default-read1", "acme", "tenant", "default")


def parts(alias: SchemaAlias) -> tuple[type, str, str, str, str]:
    return type(alias), str.__str__(alias), alias.schema, alias.environment, alias.db


def test_alias_is_equal_to_its_text() -> None:
    """Compared with a plain str an alias is its text, on either side, so Django finds the one connection."""
    assert ACME == "default"
    assert "default" == ACME
    assert not ACME != "default"
    assert not "default" != ACME
    assert ACME != "shard2"
    assert "shard2" != ACME
    assert {"default": 1}[ACME] == 1


def test_aliases_of_two_schemas_are_not_equal() -> None:
    """Compared with another alias the schema counts, on either side; so do the database and the copy of it."""
    assert ACME == SchemaAlias("default", "acme", "tenant")
    assert not ACME != SchemaAlias("default", "acme", "tenant")
    for other in (GLOBEX, SchemaAlias("shard2", "acme", "tenant"), REPLICA):
        assert ACME != other
        assert other != ACME
        assert not ACME == other  # noqa: SIM201
        assert not other == ACME  # noqa: SIM201


def test_alias_is_not_equal_to_what_is_no_str() -> None:
    """Compared with anything else it leaves the answer to that."""
    assert ACME != None  # noqa: E711
    assert ACME != 3
    assert ACME.__eq__(3) is NotImplemented
    assert ACME.__ne__(3) is NotImplemented


def test_alias_hashes_as_its_text() -> None:
    """All aliases of a database hash alike, as equality with the text demands; as keys they are told apart still."""
    assert hash(ACME) == hash(GLOBEX) == hash("default")
    cache = {ACME: "acme", GLOBEX: "globex"}
    assert (cache[SchemaAlias("default", "acme", "tenant")], cache[GLOBEX]) == ("acme", "globex")
    assert len({ACME, GLOBEX, SchemaAlias("default", "acme", "tenant")}) == 2


@pytest.mark.parametrize("alias", [ACME, REPLICA], ids=["primary", "replica"])
def test_alias_survives_copies_and_pickles(alias: SchemaAlias) -> None:
    """A copy, a deep copy and each protocol of pickle keep all parts; within other things as well."""
    copies = [copy.copy(alias), copy.deepcopy(alias), copy.deepcopy({"db": [alias]})["db"][0]]
    copies += [pickle.loads(pickle.dumps(alias, protocol)) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)]
    assert [parts(one) for one in copies] == [parts(alias)] * len(copies)


def test_alias_of_a_replica() -> None:
    """A replica's alias is of the replica to Django, and of the primary to everything that asks where rows live."""
    assert REPLICA == "default-read1"
    assert (REPLICA.db, REPLICA.placement) == ("default", Placement("default", "acme"))
    assert parts(REPLICA.primary) == parts(ACME)
    assert ACME.primary is ACME


def test_same_place() -> None:
    """A replica is the same place as its primary; another schema or another database is not."""
    assert ACME.same_place(REPLICA)
    assert REPLICA.same_place(ACME)
    assert not ACME.same_place(GLOBEX)
    assert not ACME.same_place(SchemaAlias("shard2", "acme", "tenant"))


def test_alias_made_of_an_alias_keeps_nothing_of_it() -> None:
    """An alias whose text is an alias of another schema is of its own schema only."""
    assert parts(SchemaAlias(GLOBEX, "acme", "tenant")) == parts(ACME)
    assert type(SchemaAlias(GLOBEX, "acme", "tenant").db) is str


def test_alias_in_words() -> None:
    """Its repr shows all of it; its text stays the alias, for log messages and for Django."""
    assert repr(ACME) == "<SchemaAlias default.acme (tenant)>"
    assert repr(REPLICA) == "<SchemaAlias default-read1.acme (tenant)>"
    assert f"{ACME}" == "default"


def test_alias_has_no_room_for_other_attributes() -> None:
    """There is no __dict__: nothing can be hung on an alias that copies would lose."""
    with pytest.raises(AttributeError):
        ACME.colour = "red"  # type: ignore[attr-defined]


def test_table_survives_copies_and_pickles() -> None:
    """A table's name keeps its environments, and is equal to its text."""
    table = SchemaTable("ticket", ("registry", "tenant"))
    copies = [copy.copy(table), copy.deepcopy(table), pickle.loads(pickle.dumps(table))]
    assert [(type(one), one, one.environments) for one in copies] == [
        (SchemaTable, "ticket", ("registry", "tenant"))
    ] * 3
