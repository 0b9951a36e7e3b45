"""Connections apart from Django's own, for threads in the background: what watches replicas, and what listens.

They are made by the driver alone: a pool, a role and receivers of `connection_created` are for the project's queries.
"""

import atexit
import os
from collections.abc import Callable
from typing import Any

from django.core.signals import setting_changed
from django.db import connections

__all__ = ["connect", "hang_up", "hung_up_by", "in_background"]

# Unless OPTIONS say otherwise. A host that vanished says nothing any more: it is given up, and looked for anew.
_BOUNDS = {
    "connect_timeout": 2,
    "tcp_user_timeout": 2000,
    "keepalives_idle": 1,
    "keepalives_interval": 1,
    "keepalives_count": 2,
}
_stops: list[Callable[[], None]] = []
_stops_of_threads: list[Callable[[], None]] = []


def connect(alias: str) -> Any:
    """A connection of the driver's to a database, in autocommit."""
    wrapper: Any = connections.create_connection(alias)
    connection = wrapper.Database.connect(**{**_BOUNDS, **wrapper.get_connection_params()})
    connection.autocommit = True
    return connection


def hung_up_by(stop: Callable[[], None]) -> None:
    """Have a function called when connections would be in the way: it closes those it made."""
    _stops.append(stop)


def in_background(stop: Callable[..., None], forked: Callable[[], None]) -> None:
    """See to it that threads, and the connections they made, end with the interpreter, and when databases change.

    Args:
        stop: ends them; what needs them begins them anew. Called by `hang_up` too.
        forked: forgets them in a copy of this process, which has none of its threads.
    """
    hung_up_by(stop)
    atexit.register(stop)
    os.register_at_fork(after_in_child=forked)
    _stops_of_threads.append(stop)


def _settings_changed(*, setting: str, **kwargs: object) -> None:
    if setting == "DATABASES":
        for stop in _stops_of_threads:
            stop()


setting_changed.connect(_settings_changed, dispatch_uid="django_schemas.apart")


def hang_up() -> None:
    """Close all these connections; what needs one makes it anew."""
    for stop in _stops:
        stop()
