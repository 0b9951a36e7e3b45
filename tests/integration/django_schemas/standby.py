"""The streaming replica of database `default`."""

import time

from django.db import connections

from django_schemas.freshness import fresh

__all__ = ["REPLICA", "catch_up", "until_read"]

REPLICA = "default-read1"


def catch_up(timeout_s: float = 10) -> None:
    """Wait until the replica has what the primary has committed."""
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT pg_current_wal_lsn()::text")
        (position,) = cursor.fetchone()
    deadline = time.monotonic() + timeout_s
    with connections[REPLICA].cursor() as cursor:
        while time.monotonic() < deadline:
            cursor.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", [position])
            if cursor.fetchone() == (True,):
                return
            time.sleep(0.005)
    raise TimeoutError("The replica does not follow.")


def until_read(timeout_s: float = 10) -> None:
    """Wait until reads go to the replica."""
    deadline = time.monotonic() + timeout_s
    while not fresh("default"):
        if time.monotonic() > deadline:
            raise TimeoutError("The replica is not read.")
        time.sleep(0.005)
