"""The compilers: Django's, with `"schema"."table"` where a statement names a table: FROM and JOIN, INSERT INTO, UPDATE
and DELETE FROM. Columns stay `"table"."column"`, which PostgreSQL resolves.

The schema is that of the alias a statement is compiled for. A subquery's compiler is not told it by Django, so it takes
the enclosing statement's; if its own queryset was bound to another schema, that is an error and nothing is sent.
"""

from contextlib import nullcontext
from time import monotonic
from typing import Any

from django.db import InterfaceError, OperationalError, ProgrammingError, connections
from django.db.backends.postgresql import compiler

from ...adoption import known_table
from ...alias import SchemaAlias, SchemaTable
from ...confining import confinement_on
from ...context import active_alias, ensure_active, is_innermost, places
from ...environments import primary_of
from ...exceptions import NoActiveSchema, ReadOnlyReplica, SchemaMismatch, SchemasError
from ...identifiers import quote
from ...membership import table_environments
from ...places import no_schema_message, single_home
from ...replicas import note_write, primary_instead, primary_that_knows
from ...transactions import note_write_to

__all__ = [
    "SQLAggregateCompiler",
    "SQLCompiler",
    "SQLDeleteCompiler",
    "SQLInsertCompiler",
    "SQLUpdateCompiler",
]


# The stubs lack most of what a compiler has inside.
_Compiler: Any = object


class QualifyingMixin(_Compiler):  # type: ignore[misc]
    """Writes the schema in front of tables. For each of Django's compilers."""

    def as_sql(self, *args: Any, **kwargs: Any) -> Any:
        """Compile the statement, with the schema in front of its tables."""
        # Django compiles subqueries with the connection alone: the connection keeps what is being compiled on it.
        stack = self.connection.compiling
        enclosing, around_it = stack[-1] if stack else (None, ())
        using, own = self.using, getattr(self.query, "placement", None)
        alias = using if own is using and own is not None else self._alias(using, own, enclosing)
        # What Django makes of a part of a query (for `exclude`) says nothing itself: it goes with the whole.
        around = getattr(self.query, "around", ()) or (around_it if own is None else ())
        stack.append((alias, around))
        try:
            if alias is None or (not around and is_innermost(alias)):
                return self.in_schema(super().as_sql(*args, **kwargs))
            # Conditions that Django adds as it compiles (the content type of a generic relation) are looked up here.
            with places.instead(around) if around else nullcontext(), ensure_active(alias):
                return self.in_schema(super().as_sql(*args, **kwargs))
        finally:
            stack.pop()

    def execute_sql(self, *args: Any, **kwargs: Any) -> Any:
        """Send the statement, as its schema's where statements are confined."""
        confinement = confinement_on(self.connection)
        if confinement is None:
            return super().execute_sql(*args, **kwargs)
        using = self.using
        with confinement.to(using if isinstance(using, SchemaAlias) else getattr(self.query, "placement", None)):
            return super().execute_sql(*args, **kwargs)

    def in_schema(self, compiled: Any) -> Any:
        """Put the schema in front of the table that the statement writes to."""
        return compiled

    def _alias(self, using: str | None, own: SchemaAlias | None, enclosing: SchemaAlias | None) -> SchemaAlias | None:
        """The alias that this statement is compiled for: what it was given, what its own query carries, or else."""
        given = using if isinstance(using, SchemaAlias) else enclosing
        if given is None and own is not None and own.db != self.connection.primary:
            raise SchemaMismatch(f"A query on {own.placement} was sent to database {self.connection.alias!r}.")
        if given is None or own is None:
            return given or own
        shared = given.environment == own.environment or given.environment in table_environments(self.query.model)
        if shared and not given.same_place(own):
            raise SchemaMismatch(
                f"A query on {own.placement} was put into one on {given.placement}: make both in one schema."
            )
        if own.db != primary_of(self.connection.alias):
            raise SchemaMismatch(
                f"A query on {own.placement} was put into one on {given.placement}: "
                "PostgreSQL can't join two databases."
            )
        return own

    def get_from_clause(self) -> Any:
        query = self.query
        # Before Django's, which counts a reference to each table of extra(tables=...).
        used = [source for name, source in query.alias_map.items() if query.alias_refcount[name]]
        clauses, params = super().get_from_clause()
        alias, _ = self.connection.compiling[-1]
        elsewhere: dict[str, SchemaAlias] = {}
        for index, source in enumerate(used):
            table = getattr(source, "table_name", None)
            if type(table) is SchemaTable:
                head = f"{source.join_type} " if source.join_type else ""
                if elsewhere or alias is None or alias.environment not in table.environments:
                    schema = self._schema_joined(source, table, elsewhere)
                else:
                    self._refuse_around(alias)
                    schema = alias.schema
                clauses[index] = self.with_schema(clauses[index], head, table, schema)
        # Behind the joins stand the tables that were named by hand.
        clauses[len(used) :] = [self._qualify_extra(clause) for clause in clauses[len(used) :]]
        return clauses, params

    def _qualify_extra(self, clause: str) -> str:
        """Qualify a table that was named by hand, by `.extra(tables=...)`."""
        table = known_table(clause.removeprefix(", ").strip('"'))
        return clause if table is None else self.with_schema(clause, ", ", table, self.schema_of(table))

    def with_schema(self, sql: str, head: str, table: SchemaTable, schema: str) -> str:
        """Put the schema in front of the table's name, which follows `head` in the statement."""
        expected = head + quote(table)
        if not sql.startswith(expected):
            raise SchemasError(f"This version of Django writes {sql!r} where {expected!r} was expected.")
        self.connection.seen.add(schema)
        return f"{head}{quote(schema)}.{sql[len(head) :]}"

    def schema_of(self, table: SchemaTable) -> str:
        """The schema that a table of this statement stands in."""
        alias: SchemaAlias | None = self.connection.compiling[-1][0]
        if alias is None or alias.environment not in table.environments:
            return self._place_elsewhere(table).schema
        self._refuse_around(alias)
        return alias.schema

    def _schema_joined(self, source: Any, table: SchemaTable, elsewhere: dict[str, SchemaAlias]) -> str:
        """The schema of a table where a statement joins those of several environments.

        A table stands where the one stands that it is joined to, if that environment has such a table.

        Args:
            source: the join.
            table: its table.
            elsewhere: where the tables before stand that are in other places than the statement's; completed here.

        Raises:
            SchemaMismatch: the other table's keys are not the ones that this table, or its own, refers to.
        """
        alias: SchemaAlias | None = self.connection.compiling[-1][0]
        other = self.query.alias_map.get(getattr(source, "parent_alias", None))
        parent = alias if other is None else elsewhere.get(other.table_alias, alias)
        if parent is not None and parent.environment in table.environments:
            found = parent
        else:
            found = self._place_elsewhere(table)
            if parent is not None and found.environment in getattr(other and other.table_name, "environments", ()):
                raise SchemaMismatch(
                    f"Table {table!s} of {found.placement} goes with the {other.table_name!s} there, and can't be "
                    f"joined to the one of {parent.placement}: ask in {found.placement}."
                )
        join_field = getattr(source, "join_field", None)
        generic = hasattr(getattr(join_field, "field", join_field), "get_content_type")
        if generic and alias is not None and parent is not alias:
            # Django looks up the content type without saying where: it means the place of the statement.
            raise SchemaMismatch(
                f"A generic relation of {found.placement} can't be followed from {alias.placement}: "
                f"ask in {found.placement}."
            )
        self._refuse_around(found)
        if found is not alias:
            elsewhere[source.table_alias] = found
        return found.schema

    def _place_elsewhere(self, table: SchemaTable) -> SchemaAlias:
        """The place of a table that is not in the environment this statement is compiled for.

        Raises:
            NoActiveSchema: nothing says which.
            SchemaMismatch: its environment lives in another database than the one asked.
        """
        db = primary_of(self.connection.alias)
        found = active_alias(table.environments, db) or single_home(table.environments)
        if found is None:
            raise NoActiveSchema(no_schema_message(f"Table {table!s}", table.environments, db))
        if found.db != db:
            raise SchemaMismatch(
                f"Table {table!s} is in {found.placement}, and this query runs on database {db!r}: "
                "PostgreSQL can't join two databases."
            )
        return found

    def _refuse_around(self, alias: SchemaAlias) -> None:
        """Raise SchemaMismatch if a query of a single-schema model was made in another schema than it is put into."""
        for around in reversed(self.connection.compiling[-1][1]):
            if around.environment == alias.environment:
                if not around.same_place(alias):
                    raise SchemaMismatch(
                        f"A query that joins tables of {around.placement} was put into one on {alias.placement}: "
                        "make both in one schema."
                    )
                return


class ReadingMixin(QualifyingMixin):
    """For the compilers of statements that read."""

    connection: Any
    using: Any

    def execute_sql(self, *args: Any, **kwargs: Any) -> Any:
        began = monotonic()
        try:
            return super().execute_sql(*args, **kwargs)
        except (OperationalError, InterfaceError):
            primary = primary_instead(self.connection, began)
            if primary is None:
                raise
        except ProgrammingError as error:
            primary = primary_that_knows(self.connection, error)
            if primary is None:
                raise
        self.connection = connections[primary]
        self.using = self.using.primary if isinstance(self.using, SchemaAlias) else primary
        return super().execute_sql(*args, **kwargs)


class WritingMixin(QualifyingMixin):
    """For the compilers of statements that write."""

    def execute_sql(self, *args: Any, **kwargs: Any) -> Any:
        connection = self.connection
        if connection.primary != connection.alias:
            raise ReadOnlyReplica(f"Database {connection.alias!r} is a replica: write to {connection.primary!r}.")
        note_write_to(connection, self.query.get_meta().label)
        note_write(connection.primary)
        return super().execute_sql(*args, **kwargs)


class SQLCompiler(ReadingMixin, compiler.SQLCompiler):
    """Compiles SELECT."""


class SQLAggregateCompiler(ReadingMixin, compiler.SQLAggregateCompiler):
    """Compiles an aggregation over a subquery."""


class SQLInsertCompiler(WritingMixin, compiler.SQLInsertCompiler):
    """Compiles INSERT."""

    def in_schema(self, compiled: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
        """Put the schema in front of the table that the statements write to."""
        table = self.query.get_meta().db_table
        if not isinstance(table, SchemaTable):
            return compiled
        schema = self.schema_of(table)
        return [(self.with_schema(sql, "INSERT INTO ", table, schema), params) for sql, params in compiled]


class SQLUpdateCompiler(WritingMixin, compiler.SQLUpdateCompiler):
    """Compiles UPDATE."""

    def in_schema(self, compiled: tuple[str, Any]) -> tuple[str, Any]:
        """Put the schema in front of the table that the statement writes to."""
        sql, params = compiled
        table = self.query.alias_map[self.query.base_table].table_name if sql else None
        if not isinstance(table, SchemaTable):
            return compiled
        return self.with_schema(sql, "UPDATE ", table, self.schema_of(table)), params


class SQLDeleteCompiler(WritingMixin, compiler.SQLDeleteCompiler):
    """Compiles DELETE."""

    def _as_sql(self, query: Any) -> tuple[str, Any]:
        sql, params = super()._as_sql(query)
        table = query.alias_map[query.base_table].table_name
        if isinstance(table, SchemaTable):
            sql = self.with_schema(sql, "DELETE FROM ", table, self.schema_of(table))
        return sql, params
