"""A process that migrates as it is told: for each line of JSON that it reads, it does what that says and answers.

A request names a way, and the point to be reached, null for the newest; of ours, the schemas as well. The answer is
null, or what was raised. The way `plan` answers with the course instead: all points, in Django's order.
"""

import json
import sys
from collections.abc import Callable
from typing import Any

import django
from django.conf import settings
from django.core.management import call_command
from django.db import connections


def _django(point: list[str] | None) -> None:
    """Django's own command."""
    call_command("migrate", *(point or ()), verbosity=0, interactive=False)


def _plan() -> list[list[str]]:
    from django.db import connection
    from django.db.migrations.loader import MigrationLoader

    graph = MigrationLoader(connection).graph
    return [list(key) for key in graph._generate_plan(graph.leaf_nodes(), at_end=True)]


def _ways() -> dict[str, Callable[..., Any]]:
    if "django_schemas" not in settings.INSTALLED_APPS:
        return {"django": _django, "plan": _plan}
    from tests.battery.ways import WAYS

    return dict(WAYS)


def _answer(way: Callable[..., Any], arguments: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"result": way(**arguments)}
    except Exception as error:
        return {"raised": f"{type(error).__name__}: {error}".strip()}
    finally:
        # Databases with connections can't be copied.
        connections.close_all()


if __name__ == "__main__":
    django.setup()
    ways = _ways()
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(_answer(ways[request.pop("way")], request)), flush=True)
