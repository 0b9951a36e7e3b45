"""`manage.py makemigrations`, which looks for gaps in the records of migrations where these are."""

import warnings
from typing import Any

from django.db import OperationalError, connections

from ...environments import environments_on, primary_of
from ...history import check_history
from ...plans import targets_on
from ...target import records_unread
from ..wrapping import command_behind

__all__ = ["Command"]

_Behind: Any = command_behind("makemigrations")


class Command(_Behind):  # type: ignore[misc]  # known when it runs
    """Django takes the records in `public` for those of all apps, and finds gaps where there are none."""

    def handle(self, *args: Any, **options: Any) -> None:
        """Check what each database holds once, then make migrations."""
        for db in connections:
            if primary_of(db) == db and environments_on(db):
                self._check(db)
        with records_unread():
            super().handle(*args, **options)

    def _check(self, db: str) -> None:
        try:
            for target in targets_on(db):
                check_history(target)
        except OperationalError as error:
            # As Django: migrations can be made while a database is down.
            message = f"The records of migrations in {db!r} can't be checked: {error}"
            warnings.warn(message, RuntimeWarning, stacklevel=2)
