"""SchemaAlias: a database alias that remembers its schema, so that Django carries the schema wherever it carries the
alias; and SchemaTable: a table name that knows the environments its model belongs to.

Both are `str`, so all of Django takes them; both must survive copies and pickles.
"""

from collections.abc import Callable
from typing import Any

from .placement import Placement

__all__ = ["SchemaAlias", "SchemaTable"]


class SchemaAlias(str):
    """A database alias bound to a schema.

    The text is the alias of the database to be asked: the primary or one of its replicas. Compared with a plain `str`
    it is equal to its text, so `connections[alias]` finds the one connection of that database. Compared with another
    SchemaAlias it is equal only if the schema is too, so Django's own guards and per-alias caches keep schemas apart.

    Attributes:
        text: the alias of the database to be asked, as a plain `str`.
        db: alias of the writable database; differs from the text on a replica.
        schema: name of the schema.
        environment: name of the environment whose models live there.
    """

    __slots__ = ("db", "environment", "schema", "text")

    text: str
    db: str
    schema: str
    environment: str

    def __new__(cls, text: str, schema: str, environment: str, db: str | None = None) -> "SchemaAlias":
        """Make an alias.

        Args:
            text: alias of the database to be asked.
            schema: name of the schema, already validated.
            environment: name of the environment.
            db: alias of the writable database, if `text` names a replica.
        """
        self = str.__new__(cls, text)
        self.text = str.__str__(text)
        self.db = self.text if db is None else db
        self.schema = schema
        self.environment = environment
        return self

    @property
    def placement(self) -> Placement:
        """Where the rows live, whichever copy of the database is asked."""
        return Placement(self.db, self.schema)

    @property
    def primary(self) -> "SchemaAlias":
        """This schema in the writable database."""
        return self if str.__eq__(self, self.db) else SchemaAlias(self.db, self.schema, self.environment)

    def same_place(self, other: "SchemaAlias") -> bool:
        """Tell whether both mean the same schema of the same database, replicas counted as their primary."""
        return self.schema == other.schema and self.db == other.db

    def __eq__(self, other: object) -> bool:
        if type(other) is str:  # The most frequent one by far: `connections[alias]`.
            return str.__eq__(self, other)
        if isinstance(other, SchemaAlias):
            return self.schema == other.schema and str.__eq__(self, other)
        return str.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        equal = self.__eq__(other)
        return equal if equal is NotImplemented else not equal

    __hash__ = str.__hash__

    def __repr__(self) -> str:
        return f"<SchemaAlias {str.__str__(self)}.{self.schema} ({self.environment})>"

    def __copy__(self) -> "SchemaAlias":
        return self

    def __deepcopy__(self, memo: object) -> "SchemaAlias":
        return self

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str, ...]]:
        return SchemaAlias, (str.__str__(self), self.schema, self.environment, self.db)


class SchemaTable(str):
    """The name of a table that stands in a schema.

    Attributes:
        environments: names of the environments that hold such a table; several only for adopted apps.
    """

    __slots__ = ("environments",)

    environments: tuple[str, ...]

    def __new__(cls, name: str, environments: tuple[str, ...]) -> "SchemaTable":
        """Make a name."""
        self = super().__new__(cls, name)
        self.environments = environments
        return self

    def __deepcopy__(self, memo: object) -> "SchemaTable":
        return self

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str, tuple[str, ...]]]:
        return SchemaTable, (str.__str__(self), self.environments)
