"""Sends the SQL by hand: a schema's whole script in one message; a migration's statements in one transaction."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.core.management import call_command
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper

from ..contender import Contender

__all__ = ["Worker"]

_RECORD = "INSERT INTO django_migrations (app, name, applied) VALUES ('shop', '{}', now())"
# What Django sends for the migrations in shop/later, and the record of each.
LATER = {
    "add_field": (
        'ALTER TABLE "shop_product" ADD COLUMN "weight" integer DEFAULT 0 NOT NULL',
        'ALTER TABLE "shop_product" ALTER COLUMN "weight" DROP DEFAULT',
        _RECORD.format("0017_product_weight"),
    ),
    "run_python": (
        """UPDATE "shop_warehouse" SET "city" = 'Berlin' WHERE "shop_warehouse"."city" = ''""",
        _RECORD.format("0017_warehouse_city"),
    ),
}


# Has the newest migration of each app been recorded?
DONE = """
SELECT count(*) = 5 FROM "{}".django_migrations WHERE (app, name) IN (
    ('contenttypes', '0002_remove_content_type_name'), ('sessions', '0001_initial'), ('shop', '0016_order_note'),
    ('auth', '0012_alter_user_first_name_max_length'), ('admin', '0003_logentry_add_action_flag_choices'))
"""


class Worker(Contender):
    """The limit of each measurement."""

    ways = ("script",)

    def __init__(self) -> None:
        self.names: Sequence[str] = ()
        self.script = self.template = ""
        self.sessions: list[BaseDatabaseWrapper] = []

    def set_up(self) -> None:
        """Need nothing."""

    def learn(self, script: str, template: str) -> None:
        """Take the script that makes a schema, in which `template` stands for the schema's name."""
        self.script, self.template = script, template

    def prepare(self, way: str, number: int) -> None:
        """Need nothing."""

    def provision(self, name: str) -> None:
        """Send a schema's script in one message."""
        with connection.cursor() as cursor:
            cursor.execute(self.script.replace(self.template, name))

    def open(self, names: Sequence[str]) -> list[str]:
        """Be plain Django, with one set of tables, whatever the host."""
        call_command("migrate", interactive=False, verbosity=0)
        return super().open(names)

    def register(self, names: Sequence[str]) -> None:
        """Remember them."""
        self.names = names

    def ready(self, processes: int) -> None:
        """Open as many sessions."""
        for session in self.sessions:
            session.close()
        self.sessions = [connection.copy() for _ in range(processes)]
        for session in self.sessions:
            session.connect()
            session.inc_thread_sharing()

    def migrate(self, processes: int) -> None:
        """Send the statements, schema after schema; over several sessions, each schema over one of them.

        By threads: what takes time is the server, for which the driver waits without holding the interpreter.
        """
        with ThreadPoolExecutor(processes) as pool:
            shares = [(session, self.names[number::processes]) for number, session in enumerate(self.sessions)]
            list(pool.map(_migrate, *zip(*shares, strict=True)))


def _migrate(session: BaseDatabaseWrapper, names: Sequence[str]) -> None:
    # The driver's own cursor.
    with session.connection.cursor() as cursor:
        later = LATER.get(os.environ.get("BENCH_LATER", ""))
        for name in names:
            if later:
                _send(cursor, name, later)
            else:
                cursor.execute(DONE.format(name))
                assert cursor.fetchone() == (True,), f"{name} lacks migrations"


def _send(cursor: Any, name: str, statements: Sequence[str]) -> None:
    for statement in ("BEGIN", f'SET LOCAL search_path TO "{name}"', *statements, "COMMIT"):
        cursor.execute(statement)
