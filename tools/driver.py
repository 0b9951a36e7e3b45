"""Choose the driver that Django takes: the one that `DRIVER` names, psycopg2 if it names none.

Django prefers psycopg 3 where that can be imported. The tests need both drivers in one environment, so their settings,
and those of Django's suite and of the measurements, call this before anything imports Django's backend.
"""

import os
import sys

__all__ = ["choose_driver"]

_DRIVERS = ("psycopg2", "psycopg3")


def choose_driver() -> str:
    """Make Django take the driver, in this process, and return its name.

    Raises:
        RuntimeError: `DRIVER` names no driver, or psycopg 3 was imported already, though psycopg2 is to be used.
    """
    driver = os.environ.get("DRIVER") or _DRIVERS[0]
    if driver not in _DRIVERS:
        raise RuntimeError(f"DRIVER is {driver!r}: say {' or '.join(_DRIVERS)}.")
    if driver == "psycopg2":
        if sys.modules.get("psycopg"):
            raise RuntimeError("psycopg 3 is imported already: choose psycopg2 before Django's backend is imported.")
        # Importing it fails from here on, as if it were not installed.
        sys.modules["psycopg"] = None  # type: ignore[assignment]
    return driver
