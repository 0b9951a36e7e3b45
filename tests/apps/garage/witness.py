"""Witness rows: schemas whose rows have the same keys and names and differ in nothing but the place they name; and
tables in `public` that look like theirs, for whatever falls through a schema to land in.
"""

from collections.abc import Iterable
from functools import cached_property
from typing import Any

from django.contrib.auth.models import Permission, User
from django.contrib.contenttypes.models import ContentType
from django.db import connections
from django.db.models import Model

from django_schemas import Placement, bind, schema_context, schema_cursor
from django_schemas.identifiers import qualified
from django_schemas.migrations import flush, migrate
from django_schemas.schemas import schema_exists
from tests.apps.garage import factories
from tests.apps.garage.models import Badge, Car, Note, Owner, Tag, Truck
from tests.audit.capture import raw_sql

__all__ = ["Place", "add_look_alikes", "make_place", "public_digest", "seen"]


class Place:
    """A schema with its witness rows; each row is loaded when it is asked for, and is the same object from then on."""

    def __init__(self, db: str, schema: str) -> None:
        self.db = db
        self.schema = schema

    @property
    def placement(self) -> Placement:
        return Placement(self.db, self.schema)

    @property
    def witness(self) -> str:
        """What the rows of this place say."""
        return str(self.placement)

    def __call__(self, model: Any) -> Any:
        """The model, bound to this place."""
        return bind(model, self.db, self.schema)

    def active(self) -> schema_context:
        """A context in which this place is active."""
        return schema_context(self.db, self.schema)

    @cached_property
    def ada(self) -> Owner:
        return self(Owner).objects.get(name="Ada")

    @cached_property
    def bob(self) -> Owner:
        return self(Owner).objects.get(name="Bob")

    @cached_property
    def beetle(self) -> Car:
        return self(Car).objects.get(name="Beetle")

    @cached_property
    def unimog(self) -> Truck:
        return self(Truck).objects.get()

    @cached_property
    def red(self) -> Tag:
        return self(Tag).objects.get(name="red")

    @cached_property
    def badge(self) -> Badge:
        return self(Badge).objects.get()

    @cached_property
    def user(self) -> User:
        return self(User).objects.get()

    @cached_property
    def permission(self) -> Permission:
        return self(Permission).objects.get(codename="add_car")

    @cached_property
    def note(self) -> Note:
        return self(Note).objects.get(text="polite")


def seen(rows: Iterable[Model], *fields: str) -> list[Any]:
    """What rows show of themselves, sorted: their name, or these fields, and their witness."""
    return sorted(tuple(getattr(row, field) for field in (*(fields or ("name",)), "witness")) for row in rows)


def make_place(db: str, schema: str) -> None:
    """Make a schema anew, and fill it."""
    if schema_exists(db, schema):
        flush(db, schema)
    migrate(db, schema=schema, environment="tenant")
    if schema == "globex":
        _shift_content_types(db, schema)
    with schema_context(db, schema):
        Tag.objects.update(witness=f"{db}.{schema}")
        red, old = factories.TagFactory(), factories.TagFactory(name="old")
        ada, bob = factories.OwnerFactory(), factories.OwnerFactory(name="Bob")
        beetle = factories.CarFactory(owner=ada)
        beetle.tags.set([red, old])
        factories.CarFactory(name="Mini", owner=bob).tags.add(red)
        factories.TruckFactory(owner=ada)
        factories.BadgeFactory()
        factories.NoteFactory(target=ada)
        factories.NoteFactory(text="fast", target=beetle)
    with schema_cursor(db, schema) as cursor:
        cursor.execute("INSERT INTO garage_ledger (amount, witness) VALUES (1, %s)", [f"{db}.{schema}"])


@raw_sql("what in `public` looks like the tables of schemas is made here")
def add_look_alikes(db: str, schemas: Iterable[str]) -> None:
    """Copy the tables of these schemas to `public`, their rows too, which then say so."""
    with connections[db].cursor() as cursor:
        for schema in schemas:
            cursor.execute("SELECT tablename::text FROM pg_tables WHERE schemaname = %s", [schema])
            for (name,) in cursor.fetchall():
                copy, original = qualified("public", name), qualified(schema, name)
                cursor.execute("SELECT to_regclass(%s)", [copy])
                if cursor.fetchone() != (None,):
                    continue
                cursor.execute(f"CREATE TABLE {copy} (LIKE {original} INCLUDING ALL EXCLUDING DEFAULTS)")
                cursor.execute(f"INSERT INTO {copy} SELECT * FROM {original}")
                cursor.execute(
                    "SELECT attname::text FROM pg_attribute WHERE attrelid = %s::regclass "
                    "AND attname IN ('witness', 'last_name', 'text')",
                    [copy],
                )
                for (column,) in cursor.fetchall():
                    cursor.execute(f"UPDATE {copy} SET {column} = 'public'")


@raw_sql("what in `public` looks like the tables of schemas is read here")
def public_digest(db: str) -> dict[str, str]:
    """A digest of the rows of each table in `public`."""
    with connections[db].cursor() as cursor:
        cursor.execute("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'")
        digests = [
            f"SELECT '{name}', md5(string_agg(t::text, '/' ORDER BY t::text)) FROM {qualified('public', name)} t"
            for (name,) in cursor.fetchall()
        ]
        cursor.execute(" UNION ALL ".join(digests) or "SELECT 1 WHERE false")
        return dict(cursor.fetchall())


def _shift_content_types(db: str, schema: str) -> None:
    """Give the content types and permissions of a schema other ids than those of its neighbours."""
    with schema_cursor(db, schema) as cursor:
        cursor.execute("TRUNCATE django_content_type, auth_permission CASCADE")
        cursor.execute("SELECT setval(pg_get_serial_sequence('django_content_type', 'id'), 1000)")
        cursor.execute("SELECT setval(pg_get_serial_sequence('auth_permission', 'id'), 5000)")
    ContentType.objects.clear_cache()
    migrate(db, schema=schema, environment="tenant")
