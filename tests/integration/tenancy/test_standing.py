"""What the registry knows of how far tenants' schemas are, and what becomes of requests for those that are behind."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.http import HttpRequest, HttpResponse

from django_schemas.migrator import migrate_target
from django_schemas.plans import target_of
from django_schemas.schemas import drop_schema
from tenancy import lifecycle, middleware, registry, standing
from tenancy.exceptions import TenancyError
from tenancy.lifecycle.adoption import adopt_schema
from tenancy.models import Tenant
from tenancy.registry import remembered, tenant_by_slug
from tenancy.standing import is_behind, newest, note, plan, read
from tests.integration.tenancy.test_kill_matrix import small  # noqa: F401  # a fixture
from tests.integration.tenancy.test_middleware import aget, get

FIRST = {"garage": "0001_initial", "signs": "0001_initial"}


def test_what_the_code_has(tenants: Any, db: None) -> None:
    """The newest of each app of the environment, and of no other; a new tenant stands there, as its records say."""
    found = newest()
    assert (found["garage"], found["signs"]) == ("0002_ledger", "0002_first_signs")
    assert {"platform", "depot", "tenancy"}.isdisjoint(found)
    assert {label for label, _ in plan()} == found.keys()
    hooli = Tenant.objects.get(slug="hooli")
    assert hooli.migrated_to == found == read("default", ["hooli", "vehement", "nowhere"])["vehement"]
    assert read("default", ["nowhere"]) == {"nowhere": {}}


@pytest.mark.parametrize(
    ("changes", "behind"),
    [
        (None, False),
        ({}, False),
        ({"garage": "0001_initial"}, True),
        ({"garage": None}, True),
        ({"garage": "0003_of_newer_code"}, False),
        ({"garage": "0003_of_newer_code", "signs": "0001_initial"}, True),
        ({"of_newer_code": "0001_initial"}, False),
    ],
)
def test_behind(changes: dict[str, str | None] | None, behind: bool) -> None:
    """One that lacks what this code has is behind; one that is unknown, or has what this code does not know, is not."""
    at = None if changes is None else {k: v for k, v in {**newest(), **changes}.items() if v is not None}
    assert is_behind(Tenant(migrated_to=at)) is behind


@pytest.fixture
def squashed(tmp_path: Path, monkeypatch: Any, settings: Any) -> None:
    """Crates have had 0001 to 0003, of which 0001_squashed_0003 takes the place, and 0004 comes behind."""
    package = tmp_path / "squashed_crates"
    package.mkdir()
    replaces = "replaces = [('crates', '0001_a'), ('crates', '0002_b'), ('crates', '0003_c')]"
    for name, body in {
        "__init__": "",
        "0001_a": migration(""),
        "0002_b": migration("0001_a"),
        "0003_c": migration("0002_b"),
        "0001_squashed_0003": migration("", replaces),
    }.items():
        (package / f"{name}.py").write_text(body)
    monkeypatch.syspath_prepend(str(tmp_path))
    settings.MIGRATION_MODULES = {"crates": "squashed_crates"}
    settings.TENANCY = {**settings.TENANCY, "ENVIRONMENT": "crates"}


def migration(needs: str, more: str = "") -> str:
    dependencies = [("crates", needs)] if needs else []
    return (
        "from django.db import migrations\n\n\nclass Migration(migrations.Migration):\n"
        f"    dependencies = {dependencies}\n    operations = []\n    {more}\n"
    )


def test_squashed(squashed: None) -> None:
    """The last of those that were squashed is as far as what takes their place, an earlier one is not."""
    assert newest() == {"crates": "0001_squashed_0003"}
    found = {
        name: is_behind(Tenant(migrated_to={"crates": name}))
        for name in ("0001_a", "0002_b", "0003_c", "0001_squashed_0003", "0004_d")
    }
    assert found == {"0001_a": True, "0002_b": True, "0003_c": False, "0001_squashed_0003": False, "0004_d": False}


def test_read_knows_the_order(squashed: None, monkeypatch: Any) -> None:
    """The newest of a schema's records is found by the migrations' order; what this code lacks is newer than that."""
    records = {
        "old": [("crates", "0001_a"), ("crates", "0003_c"), ("crates", "0002_b")],
        "squashed": [("crates", "0001_squashed_0003"), ("crates", "0003_c")],
        "ahead": [("crates", "0003_c"), ("crates", "0004_d"), ("crates", "0005_e"), ("other", "0001_x")],
    }
    monkeypatch.setattr(standing, "read_records", lambda db, schemas: records)
    assert read("default", []) == {
        "old": {"crates": "0003_c"},
        "squashed": {"crates": "0001_squashed_0003"},
        "ahead": {"crates": "0005_e", "other": "0001_x"},
    }


def test_noted_for_many(tenants: Any, committed: None, sent: Any) -> None:
    """One statement writes, one tells all processes; what was remembered of them is forgotten, and of no other."""
    rows = list(Tenant.objects.filter(slug__in=("hooli", "umbrella")))
    for slug in ("hooli", "umbrella", "vehement"):
        tenant_by_slug(slug)
    with sent() as statements:
        note(rows, FIRST)
    kinds = [statement.split()[0] for statement in statements]
    known = [remembered(("slug", slug)) for slug in ("hooli", "umbrella", "vehement")]
    found = dict(Tenant.objects.values_list("slug", "migrated_to"))
    note(rows, newest())
    assert (kinds, known) == (["UPDATE", "SELECT"], [False, False, True])
    assert found == {"hooli": FIRST, "umbrella": FIRST, "vehement": newest()}
    with sent() as statements:
        note([], FIRST)
    assert statements == []


def test_other_processes_are_told(tenants: Any, committed: None, settings: Any) -> None:
    """Each tenant is named to those that listen, in the way of a single change."""
    from django_schemas.apart import connect
    from tenancy.listening import heard

    listener = connect("default")
    with listener.cursor() as cursor:
        cursor.execute("LISTEN tenancy_registry")
    rows = list(Tenant.objects.filter(slug__in=("hooli", "umbrella")))
    note(rows, newest())
    told: list[str] = []
    while len(told) < len(rows):
        told += [notice.payload for notice in heard(listener)]
    listener.close()
    assert sorted(told) == sorted(str(row.pk) for row in rows)


def test_only_written_by_its_functions(hooli: Tenant, django_capture_on_commit_callbacks: Any) -> None:
    """An object that was read before takes nothing back, and assigning is an error."""
    old = Tenant.objects.get(pk=hooli.pk)
    note([hooli], FIRST)
    old.name = "Renamed"
    old.save()
    again = Tenant.objects.get(pk=hooli.pk)
    assert (again.name, again.migrated_to) == ("Renamed", FIRST)
    again.migrated_to = newest()
    with pytest.raises(TenancyError, match="migrated_to can't be changed by assigning"):
        again.save()


def test_shown(hooli: Tenant) -> None:
    """`tenant show --json` tells it."""
    note([hooli], FIRST)
    out = StringIO()
    call_command("tenant", "show", "hooli", "--json", stdout=out)
    assert json.loads(out.getvalue())[0]["migrated_to"] == FIRST


class TestRequests:
    @pytest.fixture(autouse=True)
    def _late(self, hooli: Tenant) -> None:
        Tenant.objects.filter(pk=hooli.pk).update(migrated_to=FIRST)

    @pytest.mark.parametrize("ask", [get, aget])
    def test_served_by_default(self, ask: Any, monkeypatch: Any) -> None:
        """Nobody looks how far a tenant is."""
        monkeypatch.setattr(middleware, "is_behind", None)
        assert ask("hooli.saas.test").status_code == 200

    @pytest.mark.parametrize("ask", [get, aget])
    def test_refused(self, settings: Any, ask: Any) -> None:
        """With "refuse" it is 503, with the seconds to wait; others are served, and so is one that is ahead."""
        settings.TENANCY = {**settings.TENANCY, "BEHIND": "refuse", "RETRY_AFTER_S": 7}
        response = ask("hooli.saas.test", "/broken/")
        assert (response.status_code, response.headers["Retry-After"]) == (503, "7")
        assert b"brought up to date" in response.content
        assert ask("vehement.saas.test").status_code == 200
        Tenant.objects.filter(slug="hooli").update(migrated_to={**newest(), "garage": "0003_of_newer_code"})
        assert ask("hooli.saas.test").status_code == 200
        Tenant.objects.filter(slug="hooli").update(migrated_to=None)
        assert ask("hooli.saas.test").status_code == 200

    def test_view(self, settings: Any) -> None:
        """A project answers by a view of its own."""
        views = {"migrating": f"{__name__}.come_back"}
        settings.TENANCY = {**settings.TENANCY, "BEHIND": "refuse", "REFUSAL_VIEWS": views}
        response = get("hooli.saas.test")
        assert (response.status_code, response.content) == (503, b"Come back.")

    def test_suspended_is_suspended(self, settings: Any) -> None:
        """A tenant that is not served anyway is refused for that."""
        settings.TENANCY = {**settings.TENANCY, "BEHIND": "refuse"}
        Tenant.objects.filter(slug="hooli").update(status="suspended")
        assert get("hooli.saas.test").status_code == 403


def come_back(request: HttpRequest) -> HttpResponse:
    return HttpResponse("Come back.")


def test_request_tenant_has_its_own(tenants: Any, committed: None) -> None:
    """What a view does to the standing, or the settings, of request.tenant is not seen by the next request."""
    registry.forget()
    for value in ({"flat": 1}, {"deep": {"er": [1]}}):
        Tenant.objects.filter(slug="hooli").update(settings=value)
        registry.forget()
        tenant_by_slug("hooli")
        tenant = tenant_by_slug("hooli")
        assert tenant is not None
        tenant.migrated_to.clear()
        tenant.settings.get("deep", {"er": []})["er"].append(2)
        tenant.settings["more"] = 1
        again = tenant_by_slug("hooli")
        assert again is not None
        assert (again.settings, again.migrated_to) == (value, newest())
    Tenant.objects.filter(slug="hooli").update(settings={})


@pytest.mark.filterwarnings("ignore:Overriding setting DATABASES")
def test_copies_stand_where_their_source_did(small: None, tmp_path: Path) -> None:  # noqa: F811
    """A clone is as far as its source; what is imported is brought up to date; what is adopted is where it was."""
    first = {"crates": "0001_initial"}
    source = Tenant.objects.create(name="Late Source", db="default")
    lifecycle.export(source, tmp_path / "late.zip")
    drop_schema("default", "late-source")
    migrate_target(target_of(source.alias), [("crates", "0001_initial")], owner=str(source.pk))
    migrate_target(target_of(Tenant(db="default", schema_name="late_adopted").alias), [("crates", "0001_initial")])
    clone = lifecycle.clone(source, "Late Clone")
    imported = lifecycle.import_(tmp_path / "late.zip", "Late Import")
    adopted = Tenant(name="Late Adopted", db="default", schema_name="late_adopted")
    with connection.cursor() as cursor:
        cursor.execute("COMMENT ON SCHEMA late_adopted IS NULL")
    adopt_schema(adopted)
    made = Tenant.objects.filter(name__startswith="Late").order_by("name")
    found = {tenant.name: tenant.migrated_to for tenant in made}
    for tenant in made:
        lifecycle.delete(tenant)
        lifecycle.purge(tenant)
    assert (clone.migrated_to, imported.migrated_to, adopted.migrated_to) == (first, newest(), first)
    assert found == {
        "Late Adopted": first,
        "Late Clone": first,
        "Late Import": newest(),
        "Late Source": newest(),
    }
