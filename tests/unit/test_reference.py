"""The reference lists all that users can name."""

import re
from pathlib import Path

import pytest
from django.core.management import find_commands

import django_schemas
from django_schemas import checks, exceptions, moves
from tenancy import checks as tenancy_checks
from tenancy import credentials, sharing
from tenancy import exceptions as tenancy_exceptions

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = (ROOT / "docs" / "reference.md").read_text()


def ids(*modules: object) -> list[str]:
    """The ids of the checks in modules."""
    sources = "".join(Path(module.__file__).read_text() for module in modules)  # type: ignore[attr-defined]
    return sorted(set(re.findall(r'["\.]([EW]\d{3})"', sources)))


@pytest.mark.parametrize("id_", ids(checks, moves))
def test_checks(id_: str) -> None:
    """Each check has a row that says what is wrong and what to do."""
    row = next(line for line in REFERENCE.splitlines() if re.match(rf"\| `(django_schemas\.)?{id_}` \|", line))
    assert all(cell.strip() for cell in row.split("|")[1:4])


@pytest.mark.parametrize("id_", ids(tenancy_checks, credentials, sharing))
def test_tenancy_checks(id_: str) -> None:
    """Each check of tenancy is named."""
    assert f"`tenancy.{id_}`" in REFERENCE


@pytest.mark.parametrize(
    "name", [*set(exceptions.__all__) - {"SchemasError"}, *set(tenancy_exceptions.__all__) - {"TenancyError"}]
)
def test_errors(name: str) -> None:
    """Each error is named."""
    assert f"`{name}`" in REFERENCE


@pytest.mark.parametrize("name", sorted(set(django_schemas.__all__) - {"__version__", "Placement"}))
def test_functions(name: str) -> None:
    """Each function of the package has a row with its arguments."""
    assert f"| `django_schemas.{name}(" in REFERENCE


@pytest.mark.parametrize("name", find_commands(str(Path(django_schemas.__file__).parent / "management")))
def test_commands(name: str) -> None:
    """Each command that this app has, or changes, is named."""
    assert re.search(rf"`{name}\b", REFERENCE)


@pytest.mark.parametrize(
    "key",
    [
        *sorted(checks._KEYS),
        "CITUS",
        "ENVIRONMENTS",
        "MAX_CONNECTIONS",
        "MAX_LAG_S",
        "MAX_SCHEMAS_PER_CONNECTION",
        "Meta.db_environment",
    ],
)
def test_settings(key: str) -> None:
    """Each setting is named."""
    assert key in REFERENCE
