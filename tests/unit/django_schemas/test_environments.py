"""Environments: what the settings declare, and what is no answer."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import override_settings

from django_schemas import environments
from django_schemas.environments import Environment
from django_schemas.exceptions import ConfigError, InvalidSchemaName, SchemasError

DATABASES = {
    "default": {"ENVIRONMENTS": ["registry", "tenant"]},
    "eu": {"ENVIRONMENTS": ["tenant"]},
    "eu-read1": {},
    "neu": {"ENVIRONMENTS": ["tenant", "depot"]},
    "neu-read1": {"ENVIRONMENTS": ["registry"]},
    "neu-read12": {},
    "neu-readme": {"ENVIRONMENTS": []},
    "plain": {},
}
ENVIRONMENTS = {
    "registry": {"SCHEMA_NAME": "registry", "APPS": ["django.contrib.auth"]},
    "tenant": {"ADDITIONAL_SCHEMAS": ["public"]},
    "depot": {},
    "nowhere": {"SCHEMA_NAME": "nowhere"},
    "site": {"SCHEMA_NAME": "public"},
}


@pytest.fixture(autouse=True)
def _settings() -> Iterator[None]:
    with declared():
        yield


def declared(databases: Any = DATABASES, names: Any = ENVIRONMENTS) -> override_settings:
    return override_settings(DATABASES=databases, DATABASE_ENVIRONMENTS=names)


# Django warns of overriding DATABASES since connections don't follow; nothing here connects.
pytestmark = pytest.mark.filterwarnings("ignore:Overriding setting DATABASES")


def test_environments_as_declared() -> None:
    """Each declared environment is a value with all its options, in the order of the settings."""
    assert environments.environments() == {
        "registry": Environment("registry", "registry", ("django.contrib.auth",), ()),
        "tenant": Environment("tenant", None, (), ("public",)),
        "depot": Environment("depot"),
        "nowhere": Environment("nowhere", "nowhere"),
        "site": Environment("site", "public"),
    }
    assert [name for name, each in environments.environments().items() if each.single_schema] == [
        "registry",
        "nowhere",
        "site",
    ]


def test_unknown_environment() -> None:
    """One that is not declared is a ConfigError, which names those that are."""
    with pytest.raises(ConfigError) as caught:
        environments.environment("tennant")
    assert str(caught.value) == (
        "Environment 'tennant' is not in DATABASE_ENVIRONMENTS "
        "(declared: registry, tenant, depot, nowhere, site): add it there."
    )


def test_no_environment_declared() -> None:
    """Where none is declared the message says so."""
    with declared(names={}), pytest.raises(ConfigError, match=r"\(declared: none\)"):
        environments.environment("tenant")


def test_settings_are_looked_up_anew_when_they_change() -> None:
    """What is remembered of the settings is forgotten when a test changes them, and again when it ends."""
    with declared({"default": {"ENVIRONMENTS": ["other"]}}, {"other": {}}):
        assert list(environments.environments()) == ["other"]
        assert environments.environments_on("default") == ("other",)
    assert environments.environments_on("default") == ("registry", "tenant")


@pytest.mark.parametrize(
    ("alias", "primary"),
    [
        ("default", "default"),
        ("eu-read1", "eu"),
        ("neu-read1", "neu"),
        ("neu-read12", "neu"),
        ("neu-readme", "neu-readme"),
        ("neu-read", "neu-read"),
        ("neu-read1x", "neu-read1x"),
        ("-read1", "-read1"),
        ("read1", "read1"),
        ("a-read1-read2", "a-read1"),
        ("eu-read1\n", "eu-read1\n"),
    ],
)
def test_primary_of_an_alias(alias: str, primary: str) -> None:
    """A replica is `<primary>-read<number>`, as a whole; everything else is its own primary."""
    assert environments.primary_of(alias) == primary


def test_replicas_are_matched_on_the_whole_alias() -> None:
    """`eu` owns `eu-read1` and not `neu-read1`, which only ends like it."""
    assert environments.replicas_of("eu") == ("eu-read1",)
    assert environments.replicas_of("neu") == ("neu-read1", "neu-read12")
    assert environments.replicas_of("default") == ()


def test_a_replica_hosts_what_its_primary_hosts() -> None:
    """ENVIRONMENTS of a replica is ignored; a database without the key hosts nothing."""
    assert environments.environments_on("neu-read1") == ("tenant", "depot")
    assert environments.environments_on("plain") == ()
    assert environments.environments_on("unknown") == ()


def test_databases_of_an_environment() -> None:
    """Only writable databases host an environment."""
    assert environments.databases_of("tenant") == ("default", "eu", "neu")
    assert environments.databases_of("registry") == ("default",)
    assert environments.databases_of("nowhere") == ()


def test_home() -> None:
    """A single-schema environment has one place; a multi-schema one has none."""
    home = environments.home("registry")
    assert repr(home) == "<SchemaAlias default.registry (registry)>"
    assert environments.home("tenant") is None


def test_single_schema_environment_without_a_database() -> None:
    """Where no database hosts it, its rows have no place: an error that says what to set."""
    with pytest.raises(ConfigError) as caught:
        environments.home("nowhere")
    assert str(caught.value) == (
        "Single-schema environment 'nowhere' is hosted by no database: "
        "name it in ENVIRONMENTS of exactly one writable database."
    )


def test_single_schema_environment_with_two_databases() -> None:
    """Where two writable databases host it, the error names both, and replicas don't count."""
    two = {"default": {"ENVIRONMENTS": ["registry"]}, "eu": {"ENVIRONMENTS": ["registry"]}, "eu-read1": {}}
    with declared(two), pytest.raises(ConfigError, match="'registry' is hosted by default, eu: name it in"):
        environments.home("registry")
    one = {"default": {"ENVIRONMENTS": ["registry"]}, "default-read1": {"ENVIRONMENTS": ["registry"]}}
    with declared(one):
        assert repr(environments.home("registry")) == "<SchemaAlias default.registry (registry)>"


def test_alias_of_a_place() -> None:
    """The environment follows from the database, from the schema if it is a declared one, or from the candidates."""
    assert repr(environments.alias_for("default", "acme")) == "<SchemaAlias default.acme (tenant)>"
    assert repr(environments.alias_for("default", "registry")) == "<SchemaAlias default.registry (registry)>"
    assert repr(environments.alias_for("neu", "acme", ("depot",))) == "<SchemaAlias neu.acme (depot)>"


@pytest.mark.parametrize(
    ("db", "schema", "candidates", "message"),
    [
        ("eus", "acme", None, "Database 'eus' is not in DATABASES (default, eu, eu-read1, neu, "),
        ("eu-read1", "acme", None, "Database 'eu-read1' is a replica: name its primary, 'eu'; reads find replicas."),
        ("plain", "acme", None, "Database 'plain' does not host any environment: add it to ENVIRONMENTS in "),
        ("eu", "acme", ("depot", "registry"), "Database 'eu' does not host 'depot' or 'registry': add it to "),
        ("neu", "acme", None, "Schema 'acme' on 'neu' could be of tenant or depot: say which environment."),
        ("default", "acme", ("registry",), "Schema 'acme' on 'default' belongs to no environment there: it hosts "),
    ],
)
def test_alias_of_no_place(db: str, schema: str, candidates: tuple[str, ...] | None, message: str) -> None:
    """What names no place, or more than one, is an error that names the database and the remedy."""
    with pytest.raises(ConfigError) as caught:
        environments.alias_for(db, schema, candidates)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("name", ["public", "pg_catalog", "Acme", "", "a" * 64])
def test_alias_of_an_invalid_schema(name: str) -> None:
    """No alias can be had for an invalid name; `public` is one, unless this very database's environment declares it."""
    with pytest.raises(InvalidSchemaName):
        environments.alias_for("eu", name)


def test_alias_of_a_declared_public() -> None:
    """`public` is a schema like others for the environment that declares it."""
    with declared({"default": {"ENVIRONMENTS": ["site", "tenant"]}}):
        assert repr(environments.alias_for("default", "public")) == "<SchemaAlias default.public (site)>"
        with pytest.raises(InvalidSchemaName):
            environments.alias_for("default", "public", ("tenant",))


def test_the_declared_schema_of_another_environment_is_refused() -> None:
    """A multi-schema environment can't take the schema that a single-schema one of the same database declares."""
    with pytest.raises(SchemasError):
        environments.alias_for("default", "registry", ("tenant",))
