"""Metrics in the text format of Prometheus: a view for the public host, and the text for a view of your own.

All figures are read from the databases as they are asked for, so every process tells the same and none keeps any; a
client library would only wrap these lines. None names a tenant: how many figures there are does not grow with them.
"""

import hmac
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from ..conf import conf
from ..decorators import public_only
from ..runs import FleetRun
from ..stats import Stats, stats

__all__ = ["CONTENT_TYPE", "text", "view"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@require_safe
@public_only
def view(request: HttpRequest) -> HttpResponse:
    """Answer whoever shows `TENANCY["METRICS_TOKEN"]`, as `Authorization: Bearer <token>`, with the metrics.

    Raises:
        ImproperlyConfigured: there is no such token.
    """
    if not conf.metrics_token:
        raise ImproperlyConfigured("TENANCY['METRICS_TOKEN'] is not set: nobody may see the metrics. Set a long one.")
    shown = request.headers.get("Authorization", "")
    if not hmac.compare_digest(shown.encode(), f"Bearer {conf.metrics_token}".encode()):
        return HttpResponse("A token is needed.", status=401, headers={"WWW-Authenticate": "Bearer"})
    return HttpResponse(text(), content_type=CONTENT_TYPE, headers={"Cache-Control": "no-store"})


def text() -> str:
    """The metrics of this moment."""
    return "".join(f"{line}\n" for metric in _metrics(stats()) for line in metric.lines())


@dataclass(frozen=True, slots=True)
class _Metric:
    """A gauge.

    Attributes:
        name: without the prefix.
        help: what it tells, and in which unit.
        values: what it is, by the values of its labels.
        labels: their names.
    """

    name: str
    help: str
    values: Mapping[tuple[str, ...], float]
    labels: tuple[str, ...] = field(default=())

    def lines(self) -> Iterator[str]:
        """It, as Prometheus reads it."""
        name = f"tenancy_{self.name}"
        yield f"# HELP {name} {self.help}"
        yield f"# TYPE {name} gauge"
        for values, number in self.values.items():
            pairs = ",".join(f'{label}="{_escaped(value)}"' for label, value in zip(self.labels, values, strict=True))
            yield f"{name}{{{pairs}}} {number}" if pairs else f"{name} {number}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


_DATABASE = ("database",)


def _metrics(found: Stats) -> Iterator[_Metric]:
    databases = found.databases.items()
    tenants: dict[tuple[str, ...], float]
    tenants = {(db, status): number for db, each in databases for status, number in each.tenants.items()}
    yield _Metric("tenants", "Tenants by database and status.", tenants, ("database", "status"))
    behind = _by(((db, each.behind) for db, each in databases))
    yield _Metric("tenants_behind", "Active or suspended tenants that lack a migration.", behind, _DATABASE)
    yield _Metric(
        "status_seconds", "How long the tenant has had its status that has had it longest.", _by(found.since_s.items()),
        ("status",),
    )  # fmt: skip
    yield _Metric("unfinished_work", "Tenants with work that is not finished.", _by(found.work.items()), ("kind",))
    up = _by((db, int(each.answers)) for db, each in databases)
    yield _Metric("database_up", "Whether the database answers.", up, _DATABASE)
    given = {
        ("connections", "Connections that the database has."): "connections",
        ("server_connections_max", "Connections that the database's server takes in all."): "max_connections",
        ("process_connections_max", "Connections that each process may open."): "connections_per_process",
        ("connection_schemas_max", "Schemas that a connection may see before it ends."): "schemas_per_connection",
    }
    for (name, told), attribute in given.items():
        numbers = ((db, getattr(each, attribute)) for db, each in databases)
        yield _Metric(name, told, _by((db, number) for db, number in numbers if number is not None), _DATABASE)
    held = [(db, each.held) for db, each in databases if each.held is not None]
    sizes = _by((db, each.size) for db, each in held)
    yield _Metric("schemas_bytes", "What tenants' schemas hold, indexes included.", sizes, _DATABASE)
    largest = _by((db, each.largest_size) for db, each in held)
    yield _Metric("largest_schema_bytes", "What the largest schema of a tenant holds.", largest, _DATABASE)
    pool = _by((db, each.pool) for db, each in databases if each.pool is not None)
    yield _Metric("pool_ready", "Schemas that are ready for new tenants.", pool, _DATABASE)
    yield _Metric("pool_size", "Schemas that are to be ready in each database.", {(): conf.pool})
    if found.run is not None:
        yield from _of_run(found.run)


def _of_run(run: FleetRun) -> Iterator[_Metric]:
    started, ended = run.started_at.timestamp(), run.ended_at.timestamp() if run.ended_at else 0
    yield _Metric("fleet_run_started_timestamp_seconds", "When `tenant migrate` was begun last.", {(): started})
    yield _Metric("fleet_run_ended_timestamp_seconds", "When that ended; 0: it did not yet, or died.", {(): ended})
    yield _Metric("fleet_run_seen_timestamp_seconds", "When that was last at work.", {(): run.seen_at.timestamp()})
    yield _Metric("fleet_run_wanted", "Tenants that it is for.", {(): run.total})
    counts = {"failed": 0, **run.counts}
    yield _Metric("fleet_run_tenants", "What became of tenants in it.", _by(counts.items()), ("state",))


def _by(pairs: Iterable[tuple[str, float]]) -> dict[tuple[str, ...], float]:
    return {(label,): number for label, number in pairs}
