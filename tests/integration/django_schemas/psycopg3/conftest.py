"""Tests of what psycopg 3 alone can do: they are there if it is the driver (`make test DRIVER=psycopg3`)."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connections
from django.db.backends.postgresql.psycopg_any import is_psycopg3

collect_ignore_glob = [] if is_psycopg3 else ["test_*.py"]

Reconnect = Callable[..., None]


@pytest.fixture
def reconnect(committed: None) -> Iterator[Reconnect]:
    """Has all connections opened anew with other OPTIONS, for the time of a test."""
    with pytest.MonkeyPatch.context() as patch:

        def use(**options: Any) -> None:
            connections.close_all()
            for connection in connections.all():
                patch.setitem(connection.settings_dict, "OPTIONS", options)
                patch.setitem(connection.settings_dict, "CONN_HEALTH_CHECKS", True)

        yield use
        connections.close_all()
        for connection in connections.all():
            connection.close_pool()  # type: ignore[attr-defined]
