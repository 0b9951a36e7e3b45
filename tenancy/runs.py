"""The journal of fleets: what `tenant migrate` was asked to do, how far it came, and which tenants it could not do.

Whether a schema is migrated stands in the schema itself. The journal tells people what was going on, also of a run
whose process was killed, and has the next one go on with the same tenants.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

from django.db import InterfaceError, OperationalError, connections, models, router
from django.utils import timezone

from django_schemas.fleet import Outcome

from .conf import REGISTRY
from .events import actor

__all__ = ["FleetRun", "Journal", "last_run"]

_EVERY_S = 1.0
"""How often the journal is written while a run lasts."""
_MOST_REASONS = 1_000


class FleetRun(models.Model):
    """A run of `tenant migrate`.

    Attributes:
        started_at: when it began.
        seen_at: when it was last known to be at work: when it was done with a tenant, to the second.
        ended_at: when it ended; None: it did not yet, or its process died.
        actor: who began it.
        selection: which tenants were asked for, as the command's options.
        goal: app and migration that they were to be brought to; None: the newest.
        total: how many tenants these were.
        counts: how many of them became what: see `django_schemas.fleet.State`.
        reasons: why those that were not done were not, by slug; the first thousand.
    """

    started_at = models.DateTimeField(auto_now_add=True)
    seen_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True)
    actor = models.CharField(max_length=200, blank=True, default="")
    selection = models.JSONField(default=dict)
    goal = models.JSONField(null=True)
    total = models.IntegerField()
    counts = models.JSONField(default=dict)
    reasons = models.JSONField(default=dict)

    class Meta:
        db_environment = REGISTRY
        ordering = ("pk",)
        verbose_name = "run of the fleet"
        verbose_name_plural = "runs of the fleet"

    def __str__(self) -> str:
        counted = ", ".join(f"{number} {state}" for state, number in sorted(self.counts.items()))
        return f"{self.started_at:%Y-%m-%d %H:%M}: {counted or 'nothing'} of {self.total}"


def last_run() -> FleetRun | None:
    """The newest run; None if there was none."""
    return FleetRun.objects.using(router.db_for_write(FleetRun)).order_by("pk").last()


class Journal:
    """What is written down of a run."""

    def __init__(self, run: FleetRun) -> None:
        self._run = run
        self._counts: Counter[str] = Counter()
        self._written_s = monotonic()

    @classmethod
    @contextmanager
    def of(cls, selection: dict[str, Any], goal: tuple[str, str | None] | None, total: int) -> Iterator["Journal"]:
        """Write down that a run begins, and when it ends, however that comes."""
        run = FleetRun(actor=actor(), selection=selection, goal=goal, total=total)
        run.save(using=router.db_for_write(FleetRun))
        journal = cls(run)
        try:
            yield journal
        finally:
            run.ended_at = timezone.now()
            journal._write()

    def note(self, slug: str, outcome: Outcome) -> None:
        """Write down what became of a tenant; with those of the same second."""
        self._counts[outcome.state] += 1
        if outcome.error and len(self._run.reasons) < _MOST_REASONS:
            self._run.reasons[slug] = outcome.error
        if monotonic() - self._written_s >= _EVERY_S:
            self._write()

    def _write(self) -> None:
        self._written_s = monotonic()
        self._run.counts = dict(self._counts)
        self._run.seen_at = self._run.ended_at or timezone.now()
        fields = ("seen_at", "ended_at", "counts", "reasons")
        connection = connections[router.db_for_write(FleetRun)]
        try:
            self._run.save(update_fields=fields)
        except (OperationalError, InterfaceError):
            if connection.in_atomic_block:
                raise
            # Its session was ended while tenants were migrated in others.
            connection.close()
            self._run.save(update_fields=fields)
