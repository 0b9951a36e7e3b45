"""Places Django's test project: which environment, which schema, on which databases. For the settings and the command.

In mode `multi` the environment has many schemas, and one of them is active on each database in every thread and task.
In mode `single` its one schema is declared, which one database alone may host.
"""

import os
from contextvars import ContextVar
from enum import StrEnum
from pathlib import Path

__all__ = ["ENVIRONMENT", "SCHEMA", "Mode", "activate_everywhere", "apps_below", "databases", "mode"]

ENVIRONMENT = "suite"
SCHEMA = "django_suite"


class Mode(StrEnum):
    """The two kinds of environments."""

    MULTI = "multi"
    SINGLE = "single"


def mode() -> Mode:
    """The mode of this process."""
    return Mode(os.environ["DJANGO_SUITE_MODE"])


def databases() -> list[str]:
    """Aliases of the databases that host the environment."""
    return ["default", "other"] if mode() is Mode.MULTI else ["default"]


def apps_below(folder: Path) -> set[str]:
    """Every name that an app below a folder could have: those of all packages there, and their last parts."""
    packages = [path.parent.relative_to(folder).parts for path in folder.rglob("__init__.py")]
    # Some tests put the folder of a nested app on sys.path.
    return {".".join(parts) for parts in packages} | {parts[-1] for parts in packages if parts}


def activate_everywhere() -> None:
    """Make the schema active in each context there will be; `default` is the innermost."""
    from django_schemas import context
    from django_schemas.alias import SchemaAlias

    # Threads begin with an empty context, so nothing but the variable's default reaches all of those the tests start.
    active = tuple(SchemaAlias(db, SCHEMA, ENVIRONMENT) for db in reversed(databases()))
    context.places._stack = ContextVar("suite_active", default=active)
