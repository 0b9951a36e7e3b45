"""What an SQL statement names: tables, and what stands beside them, each with its schema if that is written; and which
settings it changes. Pure: from text to values.

PostgreSQL's own parser reads the text (pgparse, around libpg_query). What no parser can see into is counted as opaque:
the bodies of functions and of DO, and names that are parameters.
"""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Any

import pgparse

__all__ = ["Kind", "Name", "Setting", "Statement", "Unreadable", "identifiers", "statements_of"]


class Unreadable(ValueError):
    """The parser does not take this for SQL of PostgreSQL."""


class Kind(StrEnum):
    """What a name means."""

    TABLE = "table"
    INDEX = "index"
    SEQUENCE = "sequence"
    CONSTRAINT = "constraint"


@dataclass(frozen=True, slots=True)
class Name:
    """A name as it is written.

    Attributes:
        kind: what it means; a view counts as a table.
        name: without quotes.
        schema: the schema written in front of it, or None.
    """

    kind: Kind
    name: str
    schema: str | None = None

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r}" + (f" in {self.schema!r}" if self.schema is not None else "")


@dataclass(frozen=True, slots=True)
class Setting:
    """A change of a setting.

    Attributes:
        name: of the setting; `*` for all of them.
        value: what it is set to; empty if it is reset, `?` if a parameter says.
        local: whether it ends with the transaction.
    """

    name: str
    value: tuple[str, ...] = ()
    local: bool = False


@dataclass(frozen=True, slots=True)
class Statement:
    """What one statement says.

    Attributes:
        names: what it names.
        settings: what it sets.
        opaque: what can't be seen into, in words.
    """

    names: frozenset[Name] = frozenset()
    settings: tuple[Setting, ...] = ()
    opaque: tuple[str, ...] = ()


@lru_cache(maxsize=50_000)
def statements_of(sql: str, has_params: bool = False) -> tuple[Statement, ...]:
    """Read the statements of a text.

    Args:
        sql: the text, as a cursor's `execute` is given it.
        has_params: whether it is given parameters, so that `%s` and `%(name)s` stand for them and `%%` for `%`.

    Raises:
        Unreadable: it is no SQL.
    """
    return tuple(_Reading().of(tree) for tree in _parsed(sql, has_params))


def identifiers(listed: str) -> tuple[str, ...]:
    """The names in a list of them, as search_path is one."""
    return tuple(_unquoted(each) for each in re.findall(_IDENTIFIER, listed))


_PLACEHOLDER = re.compile(r"%(?:%|(?:\(\w+\))?[sbt])")

_STANDINS = ("${}", "'?'", "('?')")
"""What may stand for a parameter: PostgreSQL's own, or a literal where it takes nothing else (COMMENT), or a list where
psycopg2 writes one (IN %s)."""


def _parsed(sql: str, has_params: bool) -> list[dict[str, Any]]:
    error: Exception | None = None
    for standin in _STANDINS if has_params else ("",):
        try:
            trees: list[dict[str, Any]] = pgparse.parse(_with_standins(sql, standin) if has_params else sql)
        except pgparse.PGQueryError as exc:
            error = error or exc
        else:
            return trees
    raise Unreadable(f"{error}: {sql}")


def _with_standins(sql: str, standin: str) -> str:
    number = 0

    def replace(match: re.Match[str]) -> str:
        nonlocal number
        if match[0] == "%%":
            return "%"
        number += 1
        return standin.format(number)

    return _PLACEHOLDER.sub(replace, sql)


_KINDS = {
    "OBJECT_TABLE": Kind.TABLE,
    "OBJECT_VIEW": Kind.TABLE,
    "OBJECT_MATVIEW": Kind.TABLE,
    "OBJECT_FOREIGN_TABLE": Kind.TABLE,
    "OBJECT_INDEX": Kind.INDEX,
    "REINDEX_OBJECT_INDEX": Kind.INDEX,
    "OBJECT_SEQUENCE": Kind.SEQUENCE,
}
"""What a statement about an object of this type names."""

_INSIDE = {"OBJECT_COLUMN", "OBJECT_TABCONSTRAINT", "OBJECT_TRIGGER", "OBJECT_RULE", "OBJECT_POLICY"}
"""Objects that are named by their table, and then their own name."""

_TYPE_KEYS = ("objtype", "renameType", "removeType", "objectType", "kind")

_ARGUMENTS = {
    **dict.fromkeys(("nextval", "currval", "setval"), Kind.SEQUENCE),
    **dict.fromkeys(("pg_get_serial_sequence", "to_regclass", "pg_relation_size", "pg_table_size"), Kind.TABLE),
}
"""Functions whose first argument is a name."""

_IDENTIFIER = r'"(?:[^"]|"")+"|[^\W\d][\w$]*'
_QUALIFIED = re.compile(rf"\s*(?:(?P<schema>{_IDENTIFIER})\s*\.\s*)?(?P<name>{_IDENTIFIER})\s*")


@dataclass(slots=True)
class _Reading:
    """Walks through one statement's tree, and gathers what it names."""

    names: set[Name] = field(default_factory=set)
    settings: list[Setting] = field(default_factory=list)
    opaque: list[str] = field(default_factory=list)

    def of(self, tree: dict[str, Any]) -> Statement:
        self.walk(tree, frozenset(), Kind.TABLE)
        return Statement(frozenset(self.names), tuple(self.settings), tuple(self.opaque))

    def walk(self, node: Any, ctes: frozenset[str], kind: Kind) -> None:
        """Walk through a node.

        Args:
            node: of the tree.
            ctes: names that mean queries of a WITH here, not tables.
            kind: what a relation means here.
        """
        if isinstance(node, list):
            for each in node:
                self.walk(each, ctes, kind)
        elif isinstance(node, dict):
            if "withClause" in node:
                ctes = self.with_queries(node["withClause"], ctes)
            for key, value in node.items():
                if key in _NODES:
                    _NODES[key](self, value, ctes)
                elif key == "RangeVar":
                    if "schemaname" in value or value["relname"] not in ctes:
                        self.relation(value, kind)
                elif isinstance(value, dict) and "relname" in value:
                    self.relation(value, kind)
                # FOR UPDATE OF names what FROM does, always without a schema. WITH was walked through already.
                elif isinstance(value, dict | list) and key not in ("lockedRels", "withClause"):
                    self.walk(value, ctes, kind)

    def with_queries(self, clause: dict[str, Any], ctes: frozenset[str]) -> frozenset[str]:
        """Walk through the queries of a WITH; each sees those before it, and all if it is recursive."""
        queries = [each["CommonTableExpr"] for each in clause["ctes"]]
        if clause.get("recursive"):
            ctes = ctes.union(query["ctename"] for query in queries)
        for query in queries:
            self.walk(query["ctequery"], ctes, Kind.TABLE)
            ctes = ctes | {query["ctename"]}
        return ctes

    def relation(self, node: dict[str, Any], kind: Kind) -> None:
        """Note a relation, but for a temporary table, which is in no schema."""
        if node.get("relpersistence") != "t":
            self.names.add(Name(kind, node["relname"], node.get("schemaname")))

    def about(self, node: dict[str, Any], ctes: frozenset[str]) -> None:
        """A statement about an object: ALTER, DROP, COMMENT, GRANT, REINDEX."""
        types = [node[key] for key in _TYPE_KEYS if key in node]
        kind = next((_KINDS[each] for each in types if each in _KINDS), None)
        inside = any(each in _INSIDE for each in types)
        listed = [*node.get("objects", ()), *([node["object"]] if "object" in node else ())]
        for parts in (_strings(each) for each in listed):
            own = parts[:-1] if inside else parts if kind is not None else []
            if own:
                self.names.add(Name(kind or Kind.TABLE, own[-1], own[-2] if len(own) > 1 else None))
        relations = {key: value for key, value in node.items() if key in ("relation", "objects")}
        self.walk(relations, ctes, kind or Kind.TABLE)
        self.walk({key: value for key, value in node.items() if key not in relations}, ctes, Kind.TABLE)

    def sequence(self, node: dict[str, Any], ctes: frozenset[str]) -> None:
        """CREATE SEQUENCE, ALTER SEQUENCE."""
        self.relation(node["sequence"], Kind.SEQUENCE)
        for option in (each["DefElem"] for each in node.get("options", ())):
            owner = _strings(option.get("arg"))[:-1] if option["defname"] == "owned_by" else []
            if owner:
                self.names.add(Name(Kind.TABLE, owner[-1], owner[-2] if len(owner) > 1 else None))

    def constraints(self, node: dict[str, Any], ctes: frozenset[str]) -> None:
        """SET CONSTRAINTS."""
        self.walk(node, ctes, Kind.CONSTRAINT)

    def setting(self, node: dict[str, Any], ctes: frozenset[str]) -> None:
        """SET, RESET."""
        value = tuple(_constant(each) or "?" for each in node.get("args", ()))
        self.settings.append(Setting(node.get("name", "*"), value, bool(node.get("is_local"))))

    def discard(self, node: dict[str, Any], ctes: frozenset[str]) -> None:
        """DISCARD."""
        self.settings.append(Setting("*"))

    def function(self, node: dict[str, Any], ctes: frozenset[str]) -> None:
        """A call of a function; some take names as strings."""
        function, args = _strings(node["funcname"])[-1], node.get("args", [])
        if function == "set_config" and len(args) == 3:
            name, value = (_constant(each) or "?" for each in args[:2])
            self.settings.append(Setting(name, identifiers(value) or (value,), _is_true(args[2])))
        elif function in _ARGUMENTS and args:
            self.string(_ARGUMENTS[function], args[0], function)
        self.walk(node, ctes, Kind.TABLE)

    def cast(self, node: dict[str, Any], ctes: frozenset[str]) -> None:
        """A cast; one to regclass makes a name of a string."""
        if _strings(node["typeName"]["names"])[-1] == "regclass":
            self.string(Kind.TABLE, node["arg"], "regclass")
        self.walk(node, ctes, Kind.TABLE)

    def string(self, kind: Kind, node: Any, where: str) -> None:
        """A string that is a name."""
        text = _constant(node)
        found = _QUALIFIED.fullmatch(text) if text is not None else None
        if found:
            schema = None if found["schema"] is None else _unquoted(found["schema"])
            self.names.add(Name(kind, _unquoted(found["name"]), schema))
        elif "FuncCall" not in node:
            self.opaque.append(f"argument of {where}")

    def body(self, node: dict[str, Any], ctes: frozenset[str]) -> None:
        """DO, CREATE FUNCTION: code in a string. What a function sets is set while it runs."""
        self.opaque.append("code")
        self.walk(node.get("sql_body"), ctes, Kind.TABLE)


_NODES = {
    **dict.fromkeys(
        (
            "AlterTableStmt",
            "AlterObjectSchemaStmt",
            "AlterOwnerStmt",
            "CommentStmt",
            "DropStmt",
            "GrantStmt",
            "ReindexStmt",
            "RenameStmt",
            "SecLabelStmt",
        ),
        _Reading.about,
    ),
    **dict.fromkeys(("CreateSeqStmt", "AlterSeqStmt"), _Reading.sequence),
    **dict.fromkeys(("DoStmt", "CreateFunctionStmt"), _Reading.body),
    "ConstraintsSetStmt": _Reading.constraints,
    "VariableSetStmt": _Reading.setting,
    "setstmt": _Reading.setting,
    "DiscardStmt": _Reading.discard,
    "FuncCall": _Reading.function,
    "TypeCast": _Reading.cast,
}
"""Nodes that are more than the sum of what is in them."""


def _strings(node: Any) -> list[str]:
    """The strings in a list of nodes, which may be a node itself."""
    if isinstance(node, dict):
        node = node.get("List", {}).get("items", ())
    return [each["String"]["sval"] for each in node or () if "String" in each]


def _constant(node: dict[str, Any]) -> str | None:
    """The text of a string, whatever type it is given; None if it is none."""
    while "TypeCast" in node:
        node = node["TypeCast"]["arg"]
    value = node.get("A_Const", {}).get("sval")
    return None if value is None else value.get("sval", "")


def _is_true(node: dict[str, Any]) -> bool:
    return bool(node.get("A_Const", {}).get("boolval", {}).get("boolval"))


def _unquoted(identifier: str) -> str:
    return identifier[1:-1].replace('""', '"') if identifier.startswith('"') else identifier.lower()
