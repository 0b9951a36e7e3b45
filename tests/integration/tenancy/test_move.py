"""Moving a tenant to another database: what it takes along, what it leaves, what it refuses."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import ProgrammingError, connections, transaction
from django.db.backends.signals import connection_created

from django_schemas import Placement, allow_two_databases, schema_cursor
from django_schemas.schemas import schema_exists, schemas_of
from tenancy import lifecycle, signals, tenant_context
from tenancy.exceptions import IllegalTransition, MoveFailed, MoveRefused, TenantExists
from tenancy.models import Tenant, TenantEvent
from tests.apps.garage.models import Car, Owner, Tag

pytestmark = pytest.mark.usefixtures("committed")


def contents(tenant: Tenant) -> dict[str, list[str]]:
    """All rows of a tenant, by table, and the values its sequences go on from."""
    with schema_cursor(tenant.db, tenant.schema_name) as cursor:
        cursor.execute(
            "SELECT relname::text, relkind FROM pg_class "
            "WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'S')"
        )
        found = {}
        for name, kind in cursor.fetchall():
            what = "t::text" if kind == "r" else "last_value::text || is_called"
            cursor.execute(f'SELECT {what} FROM "{name}" t ORDER BY 1')
            found[name] = [row for (row,) in cursor.fetchall()]
    return found


def leave(tenant: Tenant) -> None:
    """Drop all of a tenant."""
    lifecycle.drop_leftovers(tenant)
    lifecycle.delete(tenant)
    lifecycle.purge(tenant)


@pytest.fixture
def nomad(committed: None) -> Iterator[Tenant]:
    """A tenant on default that is dropped behind the test, wherever it is then."""
    tenant = Tenant.objects.create(name="Nomad", db="default")
    with tenant_context(tenant):
        owner = Owner.objects.create(name="Ada", witness="nomad")
        car = Car.objects.create(name="Beetle", owner=owner, witness="nomad")
        car.tags.add(Tag.objects.create(name="red", witness="nomad"))
    yield tenant
    tenant.refresh_from_db()
    leave(tenant)


def test_rows_and_sequences_go_along(nomad: Tenant) -> None:
    """All rows are at the new place with their keys, what is written next gets the next one, and a neighbour is left
    alone.
    """
    neighbour = Tenant.objects.create(name="Neighbour", db="default")
    before, beside = contents(nomad), contents(neighbour)
    moved = lifecycle.move(nomad, "shard2")
    assert (moved.old, moved.new) == (Placement("default", "nomad"), Placement("shard2", "nomad"))
    found = Tenant.objects.get(slug="nomad")
    assert (found.status, found.db, found.work) == ("active", "shard2", None)
    assert (contents(found), contents(neighbour)) == (before, beside)
    with tenant_context(found):
        assert Owner.objects.create(name="Bob", witness="nomad").pk == Owner.objects.get(name="Ada").pk + 1
    leave(neighbour)


def test_old_objects_fail(nomad: Tenant) -> None:
    """Whoever still holds the old placement can neither read nor write there."""
    with tenant_context(nomad):
        tag = Tag.objects.get(name="red")
    lifecycle.move(Tenant.objects.get(pk=nomad.pk), "shard2")
    with tenant_context(nomad):
        with pytest.raises(ProgrammingError):
            Tag.objects.create(name="late", witness="nomad")
        with pytest.raises(ProgrammingError):
            tag.save()
        with pytest.raises(ProgrammingError):
            Tag.objects.count()
    nomad.refresh_from_db()
    with tenant_context(nomad):
        assert Tag.objects.filter(name="late").count() == 0


def test_is_logged_and_told(nomad: Tenant) -> None:
    """Receivers hear of a move once it is committed, with both placements; events tell where the tenant was."""
    heard: list[Any] = []

    def hear(tenant: Tenant, old: Placement, new: Placement, **kwargs: Any) -> None:
        heard.append((Tenant.objects.get(pk=tenant.pk).db, old, new))

    signals.tenant_moved.connect(hear)
    moved = lifecycle.move(nomad, "shard2")
    signals.tenant_moved.disconnect(hear)
    assert heard == [("shard2", moved.old, moved.new)]
    events = TenantEvent.objects.filter(tenant_id=str(nomad.pk)).values_list("kind", "old", "new", "data")
    *_, begun, ended, told = events
    assert told[3].pop("gap_s") == moved.gap_s > 0
    assert [begun, ended, told] == [
        ("status", "active", "moving", {"reason": "to shard2"}),
        ("status", "moving", "active", {}),
        ("moved", "default.nomad", "shard2.nomad", {"aside": f"default._moved_{nomad.pk.hex}_1"}),
    ]


def test_suspended_stays_suspended(nomad: Tenant) -> None:
    """A suspended tenant is moved, and is suspended there."""
    lifecycle.suspend(nomad)
    lifecycle.move(nomad, "shard2")
    nomad.refresh_from_db()
    assert (nomad.status, nomad.db) == ("suspended", "shard2")


def test_back_and_forth(nomad: Tenant) -> None:
    """What earlier moves left is in nobody's way, and is dropped when that is asked for, and nothing else."""
    before = contents(nomad)
    for to in ("shard2", "default", "shard2", "default"):
        lifecycle.move(nomad, to)
        assert contents(nomad) == before
    left = f"_moved_{nomad.pk.hex}_"
    assert [each.placement for each in lifecycle.leftovers(nomad)] == [
        Placement(db, f"{left}{number}") for db in ("default", "shard2") for number in (1, 2)
    ]
    assert lifecycle.leftovers(nomad)[0].size.rows == sum(
        len(rows) for name, rows in before.items() if not name.endswith("_seq")
    )
    neighbours = {db: schemas_of(db, "tenant") for db in ("default", "shard2")}
    assert len(lifecycle.drop_leftovers(nomad)) == 4
    assert {db: schemas_of(db, "tenant") for db in ("default", "shard2")} == {
        db: [name for name in names if not name.startswith(left)] for db, names in neighbours.items()
    }
    assert contents(nomad) == before


def test_drop_source(nomad: Tenant) -> None:
    """The old schema is dropped at once if that is asked for; what an earlier move left is not."""
    lifecycle.move(nomad, "shard2")
    moved = lifecycle.move(nomad, "default", drop_source=True)
    assert moved.aside is None
    assert [each.placement.db for each in lifecycle.leftovers(nomad)] == ["default"]


def test_looking_changes_nothing(nomad: Tenant) -> None:
    """What a move would do is told, and not done."""
    before = contents(nomad)
    seen = lifecycle.outlook(nomad, "shard2")
    rows = sum(len(rows) for name, rows in before.items() if not name.endswith("_seq"))
    assert (seen.old, seen.new, seen.aside) == (
        Placement("default", "nomad"),
        Placement("shard2", "nomad"),
        f"_moved_{nomad.pk.hex}_1",
    )
    assert (seen.size.rows, seen.size.size > 0) == (rows, True)
    assert (Tenant.objects.get(pk=nomad.pk).status, schema_exists("shard2", "nomad")) == ("active", False)


def by_hand(db: str, *statements: str) -> None:
    with connections[db].cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def refused(tenant: Tenant, to: str = "shard2") -> str:
    """Why a tenant is not moved; it is as it was."""
    before = Tenant.objects.filter(pk=tenant.pk).values().get()
    with pytest.raises(MoveRefused) as raised:
        lifecycle.move(tenant, to)
    assert Tenant.objects.filter(pk=tenant.pk).values().get() == before
    return str(raised.value).partition(": ")[2]


def test_no_such_target(nomad: Tenant) -> None:
    """Only writable databases of the environment will do, and not the one that it is in."""
    assert refused(nomad, "default-read1").startswith("that is no writable database of environment 'tenant'")
    assert refused(nomad, "default") == "it is there: default.nomad."


def test_another_name_of_the_same_database(nomad: Tenant) -> None:
    """Two aliases that lead to one database are seen through: there is nowhere to move to."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(connections["shard2"].settings_dict, "NAME", connections["default"].settings_dict["NAME"])
        connections["shard2"].close()
        assert refused(nomad) == "it is there: default.nomad."
        connections["shard2"].close()


def test_name_is_taken(nomad: Tenant) -> None:
    """A schema of that name at the target is not touched, whoever made it, and the tenant is not touched either."""
    by_hand("shard2", 'CREATE SCHEMA "nomad"')
    assert refused(nomad) == "there is a schema shard2.nomad already; rename the tenant's first, or that one."
    by_hand("shard2", 'DROP SCHEMA "nomad"')
    squatter = Tenant.objects.create(name="Squatter", db="shard2", schema_name="nomad")
    assert refused(nomad) == "placement shard2.nomad belongs to tenant 'squatter'."
    leave(squatter)


def test_tables_that_refer_to_others(nomad: Tenant) -> None:
    """What a foreign key of its refers to must be at the target too, and what refers to it would be left behind."""
    by_hand(
        "default",
        "CREATE TABLE registry.country (id int PRIMARY KEY)",
        "ALTER TABLE nomad.garage_owner ADD COLUMN country int CONSTRAINT of_country REFERENCES registry.country",
    )
    assert refused(nomad) == "its garage_owner refers to registry.country (of_country), which is not there."
    by_hand(
        "default",
        "ALTER TABLE nomad.garage_owner DROP COLUMN country",
        "ALTER TABLE registry.country ADD CONSTRAINT of_owner FOREIGN KEY (id) REFERENCES nomad.garage_owner",
    )
    assert refused(nomad) == "registry.country refers to its garage_owner (of_owner), and would be left behind."
    by_hand("default", "DROP TABLE registry.country")


def test_status_forbids_it(nomad: Tenant) -> None:
    """A deleted tenant is not moved."""
    lifecycle.delete(nomad)
    with pytest.raises(IllegalTransition):
        lifecycle.move(nomad, "shard2")
    lifecycle.restore(nomad)


def test_not_within_a_transaction(nomad: Tenant) -> None:
    """A move takes several transactions, so it can be no part of one."""
    with transaction.atomic(), pytest.raises(MoveRefused, match="transaction"):
        lifecycle.move(nomad, "shard2")
    nomad.refresh_from_db()
    assert (nomad.status, nomad.work) == ("active", None)


def test_nothing_to_abort(nomad: Tenant) -> None:
    """Where no move is under way there is nothing to abort or resume."""
    for function in (lifecycle.abort_move, lifecycle.resume_move):
        with pytest.raises(MoveRefused, match="nothing is under way"):
            function(nomad)


def test_command(nomad: Tenant, capsys: pytest.CaptureFixture[str]) -> None:
    """The command tells what it would do, does it, tells what is left, and drops that where it is told to."""
    call_command("tenant", "move", "nomad", "--to", "shard2", "--dry-run")
    told = capsys.readouterr().out
    assert "default.nomad -> shard2.nomad" in told
    assert "Nothing was done." in told
    call_command("tenant", "move", "nomad", "--to", "shard2")
    told = capsys.readouterr().out
    assert told.startswith("nomad: moved to shard2.nomad, ")
    assert f"Left: default._moved_{nomad.pk.hex}_1, until `tenant purge nomad --leftovers`." in told
    with pytest.raises(CommandError, match="--yes-really=nomad"):
        call_command("tenant", "purge", "nomad", "--leftovers")
    call_command("tenant", "purge", "nomad", "--leftovers", "--yes-really=nomad")
    assert capsys.readouterr().out == "nomad: 1 schema dropped\n"
    with pytest.raises(CommandError, match="is not being moved"):
        call_command("tenant", "move", "nomad", "--abort")
    with pytest.raises(CommandError, match="Say where"):
        call_command("tenant", "move", "nomad")
    with pytest.raises(CommandError, match="--yes-really=nomad"):
        call_command("tenant", "move", "nomad", "--to", "default", "--drop-source")


def test_new_place_is_taken_meanwhile(nomad: Tenant) -> None:
    """If another tenant gets the placement while rows are copied, by a way round the guard, the move ends before its
    point of no return.
    """
    before = contents(nomad)
    squatter = Tenant(name="Squatter", slug="squatter", db="shard2", schema_name="nomad", status="failed")

    def squat(execute: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith("CREATE SCHEMA"):
            with allow_two_databases("another process does it"):
                Tenant.objects.bulk_create([squatter], ignore_conflicts=True)
        return execute(sql, *rest)

    with connections["shard2"].execute_wrapper(squat), pytest.raises(MoveFailed, match="tenancy_tenant_placement"):
        lifecycle.move(nomad, "shard2")
    assert (nomad.status, nomad.work, nomad.db, contents(nomad)) == ("active", None, "default", before)
    assert not schema_exists("shard2", "nomad")
    leave(squatter)


def test_promised_place_is_refused(nomad: Tenant) -> None:
    """A new tenant does not get the placement that another is being moved to."""
    Tenant.objects.filter(pk=nomad.pk).update(work={"kind": "move", "to": "shard2", "schema": "nomad"})
    with pytest.raises(TenantExists, match=r"'nomad' is being moved to shard2\.nomad"):
        Tenant.objects.create(name="Squatter", db="shard2", schema_name="nomad")
    assert not Tenant.objects.filter(slug="squatter").exists()
    Tenant.objects.filter(pk=nomad.pk).update(work=None)


def test_what_no_migration_makes(nomad: Tenant) -> None:
    """What is in the schema and in no migration is named before anybody is kept from writing."""
    by_hand("default", "ALTER TABLE nomad.garage_owner ADD COLUMN nick text", "CREATE TABLE nomad.notes (text text)")
    neighbours = schemas_of("shard2", "tenant")
    sent: list[str] = []

    def watch(execute: Any, sql: str, *rest: Any) -> Any:
        sent.append(sql)
        return execute(sql, *rest)

    def watch_all(connection: Any, **kwargs: Any) -> None:
        connection.execute_wrappers.append(watch)

    connection_created.connect(watch_all)
    with pytest.raises(MoveFailed, match=r"is active at default\.nomad as before: .*table notes.*garage_owner\.nick"):
        lifecycle.move(nomad, "shard2")
    connection_created.disconnect(watch_all)
    assert [sql for sql in sent if sql.startswith("LOCK TABLE")] == []
    assert len([sql for sql in sent if sql.startswith("SET TRANSACTION ISOLATION")]) == 2
    nomad.refresh_from_db()
    assert (nomad.status, nomad.work, schemas_of("shard2", "tenant")) == ("active", None, neighbours)


def test_name_was_anothers_just_now(nomad: Tenant, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A placement that another tenant has just left is not moved to before every process has heard of that."""
    monkeypatch.setattr("tenancy.releasing._MARGIN", 1.2)
    settings.TENANCY = {**settings.TENANCY, "CACHE_TTL_S": 3}
    former = Tenant.objects.create(name="Former", db="shard2", schema_name="nomad")
    leave(former)
    lifecycle.move(nomad, "shard2")
    left = TenantEvent.objects.get(tenant_id=str(former.pk), kind="purged")
    moving = TenantEvent.objects.get(tenant_id=str(nomad.pk), new="moving")
    assert (moving.at - left.at).total_seconds() > 3
