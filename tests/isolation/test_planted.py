"""Functions and operators that somebody planted, which suit arguments better than PostgreSQL's own: CVE-2018-1058."""

from typing import Any

import pytest
from django.core.checks import run_checks
from django.db import ProgrammingError, connection, transaction
from django.db.models import F, Q, Value
from django.db.models.functions import Concat, Length, Lower, Upper

from tests.apps.garage.models import Owner
from tests.apps.garage.witness import Place

pytestmark = pytest.mark.django_db(databases="__all__")

PLANTED = """
CREATE TABLE {schema}.loot (what text);
CREATE FUNCTION {schema}.steal(what varchar) RETURNS text LANGUAGE sql AS
    $$ INSERT INTO {schema}.loot VALUES (what); SELECT 'stolen' $$;
CREATE FUNCTION {schema}.lower(what varchar) RETURNS text LANGUAGE sql AS $$ SELECT {schema}.steal(what) $$;
CREATE FUNCTION {schema}.upper(what varchar) RETURNS text LANGUAGE sql AS $$ SELECT {schema}.steal(what) $$;
CREATE FUNCTION {schema}.length(what varchar) RETURNS int LANGUAGE sql AS $$ SELECT {schema}.steal(what)::int $$;
CREATE FUNCTION {schema}.same(one varchar, other varchar) RETURNS bool LANGUAGE sql AS
    $$ SELECT {schema}.steal(one) IS NOT NULL $$;
CREATE OPERATOR {schema}.= (LEFTARG = varchar, RIGHTARG = varchar, FUNCTION = {schema}.same);
CREATE OPERATOR {schema}.~~ (LEFTARG = varchar, RIGHTARG = varchar, FUNCTION = {schema}.same);
"""


def names() -> list[Any]:
    """What calls functions and operators on a column of that type."""
    rows = Owner.objects.filter(Q(name=F("witness")) | Q(name__iexact="ADA") | Q(name__contains="d"))
    rows = rows.annotate(low=Lower("name"), high=Upper("name"), size=Length("name"), all=Concat("name", Value("!")))
    return list(rows.order_by("pk").values_list("low", "high", "size", "all"))


@pytest.mark.parametrize("schema", ["acme", "globex"])
def test_in_a_schema(acme: Place, schema: str) -> None:
    """What is planted in a tenant's schema, or in a neighbour's, is never called: none of them is on search_path."""
    with connection.cursor() as cursor:
        cursor.execute(PLANTED.format(schema=schema))
    with acme.active():
        assert names() == [("ada", "ADA", 3, "Ada!")]
        Owner.objects.filter(name__iexact="ada").update(name=Upper("name"))
        assert Owner.objects.filter(name=Upper(Value("ada"))).count() == 1
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {schema}.loot")
        assert cursor.fetchone() == (0,)


def test_in_public(acme: Place) -> None:
    """Where a role may create in `public`, what it plants there is called; there the check warns. PostgreSQL 15 lets
    nobody, and then it is refused.
    """

    def ids() -> list[Any]:
        return [each.id for each in run_checks(tags=["database"], databases=["default"])]

    plant = (
        "SET LOCAL ROLE planter; CREATE FUNCTION public.lower(varchar) RETURNS text LANGUAGE sql AS $$ SELECT 'x' $$"
    )
    with connection.cursor() as cursor:
        cursor.execute("CREATE ROLE planter NOLOGIN")
        with pytest.raises(ProgrammingError, match="permission denied for schema public"), transaction.atomic():
            cursor.execute(plant)
        assert "django_schemas.W027" not in ids()
        cursor.execute("GRANT CREATE ON SCHEMA public TO PUBLIC")
        assert "django_schemas.W027" in ids()
        cursor.execute(f"{plant}; RESET ROLE")
    assert acme(Owner).objects.filter(name="Ada").values_list(Lower("name"), flat=True)[0] == "x"
