"""Connections apart from Django's own, for threads in the background: what watches replicas, and what listens.

They are made by the driver alone: a pool, a role and receivers of `connection_created` are for the project's queries.
"""

from collections.abc import Callable
from typing import Any

from django.db import connections

__all__ = ["connect", "hang_up", "hung_up_by"]

# Unless OPTIONS say otherwise. A host that vanished says nothing any more: it is given up, and looked for anew.
_BOUNDS = {
    "connect_timeout": 2,
    "tcp_user_timeout": 2000,
    "keepalives_idle": 1,
    "keepalives_interval": 1,
    "keepalives_count": 2,
}
_stops: list[Callable[[], None]] = []


def connect(alias: str) -> Any:
    """A connection of the driver's to a database, in autocommit."""
    wrapper: Any = connections.create_connection(alias)
    connection = wrapper.Database.connect(**{**_BOUNDS, **wrapper.get_connection_params()})
    connection.autocommit = True
    return connection


def hung_up_by(stop: Callable[[], None]) -> None:
    """Have a function called when connections would be in the way: it closes those it made."""
    _stops.append(stop)


def hang_up() -> None:
    """Close all these connections; what needs one makes it anew."""
    for stop in _stops:
        stop()
