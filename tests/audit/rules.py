"""What is wrong with a statement: a table of an environment that is not named with its schema, two schemas in one
statement, a search_path that is left on the connection. Pure: from values to faults.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from django_schemas.identifiers import is_reserved
from tools.sql import Kind, Name, Statement

__all__ = ["Fault", "Layout", "Lookup", "Rule", "judge"]


class Rule(StrEnum):
    """What may be wrong, and what to do about it."""

    UNQUALIFIED = "names a table of an environment without its schema: qualify it, or use schema_cursor()"
    BESIDE = "names what stands beside such a table without its schema: qualify it, or use schema_cursor()"
    MISPLACED = "names a table in a schema that is none of its environment's"
    TWO_SCHEMAS = "touches two schemas of one multi-schema environment: send two statements"
    SESSION = "sets search_path for longer than a transaction: use SET LOCAL"
    UNREADABLE = "was taken by the server, and is not understood by the parser"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong.

    Attributes:
        rule: what is broken.
        what: the names that break it, in words.
    """

    rule: Rule
    what: str


@dataclass(frozen=True, slots=True)
class Layout:
    """Where tables belong.

    Attributes:
        environments_of: names of the environments of a table; none if it is not known.
        homes: the schema of each single-schema environment, None for each multi-schema one.
        session_path: the search_path that a migration outside of transactions may leave on its session for a while.
    """

    environments_of: Callable[[str], Collection[str]]
    homes: Mapping[str, str | None]
    session_path: tuple[str, ...] = ()

    def holds(self, schema: str, environment: str) -> bool:
        """Tell whether a schema can be one of an environment."""
        home = self.homes[environment]
        if home is not None:
            return schema == home
        return schema not in self.homes.values() and schema != "$user" and not is_reserved(schema)


@dataclass(frozen=True, slots=True)
class Lookup:
    """What the server says of names that have no schema.

    Attributes:
        path: the search_path at this moment.
        beside: the tables that indexes, sequences and constraints of a name stand beside, in whatever schemas.
    """

    path: tuple[str, ...] = ()
    beside: Mapping[str, Collection[str]] = field(default_factory=dict)


def judge(statement: Statement, layout: Layout, lookup: Lookup | None = None) -> list[Fault]:
    """Judge a statement.

    Args:
        statement: what it says.
        layout: where tables belong.
        lookup: what the server says. Without it each name that would have to be looked up is taken for a fault.
    """
    found = []
    schemas: dict[str, set[str]] = {}
    for name in sorted(statement.names, key=lambda each: each.name):
        if name.kind is not Kind.TABLE:
            found += _beside(name, layout, lookup)
            continue
        environments = layout.environments_of(name.name)
        if not environments:
            continue
        schema = name.schema if name.schema is not None else lookup.path[0] if lookup and lookup.path else None
        holding = [each for each in environments if schema is not None and layout.holds(schema, each)]
        if not holding:
            found.append(Fault(Rule.UNQUALIFIED if name.schema is None else Rule.MISPLACED, str(name)))
        for environment in holding:
            if layout.homes[environment] is None and schema is not None:
                schemas.setdefault(environment, set()).add(schema)
    found += [
        Fault(Rule.TWO_SCHEMAS, f"{' and '.join(sorted(each))} of {environment!r}")
        for environment, each in schemas.items()
        if len(each) > 1
    ]
    found += [
        Fault(Rule.SESSION, ", ".join(setting.value))
        for setting in statement.settings
        if setting.name == "search_path" and setting.value not in ((), layout.session_path) and not setting.local
    ]
    return found


def _beside(name: Name, layout: Layout, lookup: Lookup | None) -> list[Fault]:
    """Judge the name of an index, a sequence or a constraint."""
    if name.schema is not None:
        return []
    if lookup is not None:
        owners = {each for table in lookup.beside.get(name.name, ()) for each in layout.environments_of(table)}
        if not owners or any(layout.holds(lookup.path[0], each) for each in owners if lookup.path):
            return []
    return [Fault(Rule.BESIDE, str(name))]
