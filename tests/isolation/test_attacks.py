"""What SQL injections reach, by what was done against them: as the table in docs/isolation.md says, cell by cell."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, connections, transaction

from django_schemas import bind, schema_cursor
from django_schemas.confining import statement_timeout
from django_schemas.roles import name_of_role
from tenancy import lifecycle, tenant_context
from tenancy.models import Tenant
from tenancy.privileges import give_login
from tests.apps.garage.models import Tag
from tests.audit.capture import raw_sql
from tests.isolation.attacks import ATTACKS, SECRET, Attack, Attempt
from tests.isolation.logins import KEEPER, SERVER, keeper, logged_in, with_roles

PAGE = Path(__file__).parents[2] / "docs" / "roles.md"
MODES = ("no roles", "roles", "roles, hardened")
FUNCTION = "FUNCTION pg_catalog.set_config(text, text, boolean)"
HARD = f"REVOKE EXECUTE ON {FUNCTION} FROM PUBLIC; GRANT EXECUTE ON {FUNCTION} TO {SERVER}, {KEEPER}"
SOFT = f"GRANT EXECUTE ON {FUNCTION} TO PUBLIC; REVOKE EXECUTE ON {FUNCTION} FROM {SERVER}, {KEEPER}"


def as_documented() -> dict[str, dict[str, bool]]:
    """For each attack what the page says: whether it works, by mode."""
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in PAGE.read_text().splitlines()
        if line.startswith("|") and line.rstrip("|").rstrip().endswith(("stopped", "works"))
    ]
    return {name: {mode: cell == "works" for mode, cell in zip(MODES, cells, strict=True)} for name, *cells in rows}


def by_psycopg() -> bool:
    """Whether the driver is psycopg 3."""
    return str(connections["default"].Database.__name__) == "psycopg"


@dataclass
class Scene:
    """Two tenants of a database, seen by a process that serves.

    Attributes:
        mode: what was done against attacks.
        own: the tenant whose view is attacked.
        other: the other one.
    """

    mode: str
    own: Tenant
    other: Tenant

    @property
    def role(self) -> str:
        """What statements of the other tenant run as."""
        database = str(connections["default"].settings_dict["NAME"])
        return KEEPER if self.mode == "no roles" else name_of_role(SERVER, database, self.other.schema_name)

    def worked(self, attack: Attack) -> bool:
        """Attack, look, and take back what was done, on a new connection."""
        connections["default"].close()
        limit = statement_timeout(1) if self.mode == "roles, hardened" else nullcontext()
        with transaction.atomic(using="default"), limit:
            transaction.set_rollback(True, using="default")
            connections["default"].needs_rollback = False
            try:
                attempt = self._attempt(self.filled(attack.typed))
                with suppress(DatabaseError):
                    return attack.worked(attempt)
                return False
            finally:
                connections["default"].needs_rollback = True

    def filled(self, text: str) -> str:
        for name, value in {"a": self.own.schema_name, "b": self.other.schema_name, "role": self.role}.items():
            text = text.replace(f"{{{name}}}", value)
        return text

    def _attempt(self, typed: str) -> Attempt:
        began = monotonic()
        try:
            shown, failed = repr(self._view(typed)), False
        except DatabaseError as error:
            shown, failed = str(error), True
        return Attempt(shown, failed, monotonic() - began, self._ask, self._orm, self._raw)

    def _view(self, typed: str) -> list[Any]:
        """What must not be written: it pastes what was typed into its statement."""
        with tenant_context(self.own), connections["default"].cursor() as cursor:
            typed = typed.replace("%", "%%")
            cursor.execute(
                f"SELECT name, witness FROM \"{self.own.schema_name}\".garage_tag WHERE id > %s AND name = '{typed}'",
                [0],
            )
            # With psycopg there is one result for each statement; say that all are shown.
            rows = cursor.fetchall() if cursor.description else []
            while by_psycopg() and cursor.nextset():
                rows += cursor.fetchall() if cursor.description else []
            return rows

    def _ask(self, sql: str) -> bool:
        with connections["default"].connection.cursor() as cursor:
            cursor.execute("RESET ROLE")
            if "{b}" in sql:
                cursor.execute(f'SET LOCAL ROLE "{self.role}"')
            cursor.execute(self.filled(sql))
            return bool(cursor.fetchone() is not None)

    def _orm(self) -> str:
        return str(list(bind(Tag, "default", self.own.schema_name).objects.values_list("witness")))

    def _raw(self) -> str:
        with schema_cursor("default", self.other.schema_name) as cursor:
            cursor.execute("SELECT witness FROM garage_tag")
            return str(cursor.fetchall())


@contextmanager
def victim(login: str) -> Iterator[None]:
    """Somebody else's session, of the same login, whose last statement holds a secret."""
    connection = connections["default"].copy()
    try:
        connection.settings_dict["USER"] = login
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT '{SECRET} of the victim'")
        yield
    finally:
        connection.close()


# Only psycopg 3 has the server bind parameters.
@pytest.fixture(params=MODES if by_psycopg() else MODES[:-1])
def scene(request: Any, committed: None) -> Iterator[Scene]:
    mode = request.param
    login = KEEPER if mode == "no roles" else SERVER
    hard = mode == "roles, hardened"
    # The order of what follows is that of its end: tenants are purged while their roles are known.
    with keeper(), nullcontext() if mode == "no roles" else with_roles():
        for db in ("default", "shard2") if mode != "no roles" else ():
            give_login(db)
        with logged_in(KEEPER):
            own, other = (Tenant.objects.create(name=name, slug=name.lower(), db="default") for name in ("Own", SECRET))
        user = User.objects.create(username="chief", password=f"{SECRET} hash")
        try:
            for tenant, witness, number in ((own, "own", 1), (other, SECRET, 50)):
                with tenant_context(tenant):
                    Tag.objects.all().delete()
                    Tag.objects.bulk_create(Tag(name="red", witness=witness) for _ in range(number))
            with connections["default"].cursor() as cursor:
                cursor.execute(f'ANALYZE "{other.schema_name}".garage_tag')
                if hard:
                    cursor.execute(HARD)
            with logged_in(login, **({"server_side_binding": True} if hard else {})), victim(login):
                yield Scene(mode, own, other)
        finally:
            user.delete()
            if hard:
                with connections["default"].cursor() as cursor:
                    cursor.execute(SOFT)
            for tenant in (own, other):
                lifecycle.delete(tenant)
                lifecycle.purge(tenant)


def test_attacks(scene: Scene) -> None:
    """Each attack works or is stopped as the page says."""
    with raw_sql("attacks"):
        found = {attack.name: scene.worked(attack) for attack in ATTACKS}
    assert found == {name: cells[scene.mode] for name, cells in as_documented().items()}
    assert len(found) >= 30
