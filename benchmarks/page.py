"""Writes docs/benchmarks.md and its plots from the figures of a run. The text here holds no figures: those change."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from . import fleet, plots
from .figures import LIMIT, OURS, PEERS, Figure
from .report import Report

__all__ = ["write_page"]

_INTRODUCTION = """# Benchmarks

What this package costs, beside [django-tenants](https://github.com/django-tenants/django-tenants),
[django-pgschemas](https://github.com/lorinkoz/django-pgschemas), plain Django, and PostgreSQL itself. This page is
written by `make bench BENCH_ARGS=--page`, from one run:

{facts}
```console
$ make bench                     # all of it: half an hour, and 20 GB of disk until it ends
$ make bench BENCH_ARGS=--quick  # does it work? Minutes, and rough figures
$ make bench BENCH_ARGS="--only fleet --schemas 200 --repeats 3 --json fleet.json"
```

## How to read it

- **Ratios, not milliseconds.** All contenders take turns within one run, on the same machine and server, so that what
  else the machine does meets them alike. A figure is the median of its repetitions. Compare within a row: another
  machine has other milliseconds.
- **The limit** is the same work in SQL sent by hand, without a library. For a new schema: its final DDL and its first
  rows, in one message. For a fleet: one transaction for each schema, of the statements that Django sends for that
  migration, and its record; where there is nothing to do, one `SELECT` that sees whether the newest migrations are
  recorded. It is what PostgreSQL needs.
- **A tenant** is a shop of 10 models and 16 migrations on top of Django's content types, users, sessions and admin:
  25 tables, 90 indexes, 34 migrations. All contenders serve this same app, unchanged (`benchmarks/shop`).
- **The others** are configured as their documentation advises, and in their fastest mode as well: cloning a template,
  and two processes (django-tenants) or as many threads as it takes by itself (django-pgschemas).
- Each contender is a process and has a database of its own; the limit works in ours. A fleet is migrated by the
  command, called within a process that has started, over a new session; what starting adds is measured apart.
- The server has `fsync` off, as a development server may. It hardly matters here: making a schema is work for the
  processor.
"""

_PROVISIONING = """## Making a tenant

From the call (`Tenant.objects.create()`, the others' `save()`) to a tenant that can be served; milliseconds, and times
the limit. *Blueprint* is what happens by itself; *pool* takes one of the ready schemas (`TENANCY["POOL"]`), which are
made before or after; *migrating* runs every migration, as the others do without a template.
"""
_PROVISIONING_NOTE = """
What the others ask the catalog looks through all of it, so their time grows with the number of schemas.
"""
_FLEET = """## Migrating the fleet

`manage.py tenant migrate --all`, the others' `migrate_schemas` and `migrateschema`; milliseconds for each tenant, and
times the limit of as many sessions. *AddField* is a column that is not null and has a default; *RunPython* changes a
row.
"""
_FLEET_NOTE = """
Where there are more than {many} schemas, {sample} of them are the others' tenants: all would take them many minutes.
What one takes there depends on all the schemas in the database. PostgreSQL 15 itself looks through all indexes for
each `ADD COLUMN ... DEFAULT`, so there the limit grows too.
"""
_STARTING = """## Starting

The whole command in a new process, with nothing to do, beside Django's own `migrate` of a database without tenants;
seconds.
"""
_MEMORY = """## Memory

What the process that migrates grows by at its peak, in megabytes, beyond what it is after starting.
"""
_GROWTH = """## Growing

What becomes of PostgreSQL as schemas are added, each with the shop's 25 tables. A backend keeps what it has read of the
catalog until its session ends, so sessions are [recycled](connections.md#what-a-session-keeps).
"""
_LARGE = """## A large environment

One tenant of 200 tables that 300 migrations make, in an otherwise empty database; milliseconds, and times the limit.
"""
_REQUESTS = """## Requests

The same request with one query, a hundred tenants in turn, or always the same one; microseconds, times plain Django,
and statements sent. *The shop* is served by each library in a process and a database of its own, as its documentation
advises, and in the others' mode `LIMIT_SET_CALLS` too; what is below it, by one process that has both databases. Of
what a hundred tenants cost more than one, most is PostgreSQL's own: it finds one table, which is all that plain Django
has, sooner than a hundred in turn. *Its statement by hand* is that alone, without Django.

Tenants are remembered for an hour here (`CACHE_TTL_S`), so that requests alone are measured. With the usual five
seconds each process reads a tenant's row again that often, by one to three statements, whatever comes.
"""
_ORM = """## Queries

The same query without a request, over the same session; microseconds, times plain Django, and statements sent.
"""

_REST = """## Where the rest goes

What is over the limit, as profiles of these measurements tell:

- **A fleet.** Reading what each schema has recorded, in a session that has seen none of them: PostgreSQL builds what it
  keeps of each table first, which takes four tenths of the limit for a column. Plan and states, made once, and the
  command itself: about a tenth of a second, whatever the number. Python for each schema: a fifth of the limit. Of
  several processes each begins a session of its own, which builds all that anew, while one reads the records.
- **A blueprint.** PostgreSQL takes no longer for its scripts than for the limit's. The other statements, of 31, are for
  the registry, the locks and the migration that runs live, half of them by the ORM, whose Python takes longer than
  PostgreSQL does; and there are four commits where the limit has one.
- **A request.** About 110 function calls more than the 1,250 of plain Django: half of them find the tenant and make it
  current, half give the query its schema. No single one is a tenth of that.
"""


def write_page(path: Path, facts: Mapping[str, str], figures: Sequence[Figure]) -> None:
    """Write the page, and the plots into a folder of its name beside it. What was not measured is left out.

    Args:
        path: of the page.
        facts: under which circumstances it was measured.
        figures: all of one run.
    """
    report, folder = Report(figures), path.with_suffix("")
    introduction = _INTRODUCTION.format(facts=_table(("", ""), list(facts.items())))
    sections = [section(report, folder) for section in _SECTIONS]
    path.write_text("\n".join([introduction, *filter(None, sections), _REST]))


def _provisioning(report: Report, folder: Path) -> str:
    sizes = report.sizes("provisioning")
    if not sizes:
        return ""
    ways = list(dict.fromkeys((figure.contender, figure.task) for figure in report.having(part="provisioning")))
    ways.sort(key=lambda way: [LIMIT, OURS, *PEERS].index(way[0]))
    panels: dict[str, list[plots.Bar]] = {}
    rows = []
    for name, task in ways:
        row = [_called(name, task)]
        for size in sizes:
            wanted = {"part": "provisioning", "schemas": size}
            value = report.median(**wanted, contender=name, task=task)
            row += [_with_ratio(value, report.best([LIMIT], **wanted))]
            if value is not None:
                panels.setdefault(_schemas(size), []).append((_called(name, task), name, value))
        rows.append(row)
    plots.bars(folder / "provisioning.svg", panels, "milliseconds")
    heads = ["", *(f"{_schemas(size)} in the database" for size in sizes)]
    picture = _picture("Milliseconds to make a tenant", "provisioning")
    return "\n".join([_PROVISIONING, picture, _table(heads, rows), _PROVISIONING_NOTE])


def _fleet(report: Report, folder: Path) -> str:
    sizes = report.sizes("fleet")
    if not sizes:
        return ""
    rows = []
    for task in fleet.TASKS.values():
        for size in sizes:
            rows += [[task, f"{size:,}", processes, *_of_all(report, task, size, processes)] for processes in (1, 2)]
    panels = {task: list(_fleet_curves(report, task)) for task in fleet.TASKS.values()}
    plots.curves(folder / "fleet.svg", panels, "milliseconds for each tenant", logarithmic=True)
    heads = ["", "schemas", "processes", "limit", "ours", *PEERS.values(), "the faster of these, times ours"]
    notes = [_FLEET_NOTE.format(many=fleet.MANY, sample=fleet.SAMPLE), *_missed(report)]
    picture = _picture("Milliseconds for each tenant by number of schemas", "fleet")
    return "\n".join([_FLEET, picture, _table(heads, rows), *notes])


def _missed(report: Report) -> Iterator[str]:
    for figure in report.having(part="fleet missed"):
        often = f"{sum(map(bool, figure.values))} of {len(figure.values)} runs"
        yield (
            f"In {often} of *{figure.task}* with {_schemas(figure.schemas)}, {PEERS[figure.contender]} left up to "
            f"{max(figure.values):.0f} tenants as they were, and ended without an error.\n"
        )


def _of_all(report: Report, task: str, schemas: int, processes: int) -> Iterator[str]:
    wanted = {"part": "fleet", "task": task, "schemas": schemas, "processes": processes}
    limit, ours = (report.median(**wanted, contender=name) for name in (LIMIT, OURS))
    for name in (LIMIT, OURS, *PEERS):
        yield _with_ratio(report.median(**wanted, contender=name), limit)
    faster = report.best(PEERS, **wanted)
    yield f"{_number(faster / ours)} x" if faster and ours else ""


def _fleet_curves(report: Report, task: str) -> Iterator[plots.Curve]:
    chosen: list[tuple[str, str, dict[str, int]]] = [(name, name, {"processes": 1}) for name in _BOTH]
    chosen += [("ours, two processes", OURS, {"processes": 2})]
    chosen += [(f"{label}, faster mode", name, {}) for name, label in PEERS.items()]
    for label, name, wanted in chosen:
        if points := _over_schemas(report, part="fleet", task=task, contender=name, **wanted):
            yield label, name, points


def _starting(report: Report, folder: Path) -> str:
    rows = []
    for size in report.sizes("starting"):
        plain, ours = (report.median(part="starting", schemas=size, contender=name) or 0 for name in ("plain", OURS))
        rows.append([f"{size:,}", _number(plain), _number(ours), f"{ours - plain:+.2f}"])
    heads = ["schemas", "`migrate`", "`tenant migrate --all`", "difference"]
    return "\n".join([_STARTING, _table(heads, rows)]) if rows else ""


def _memory(report: Report, folder: Path) -> str:
    rows = []
    for size in report.sizes("fleet memory"):
        for task in fleet.TASKS.values():
            wanted = {"part": "fleet memory", "schemas": size, "task": task}
            rows.append([f"{size:,}", task, *(_median(report, **wanted, contender=name) for name in _LIBRARIES)])
    for size in report.sizes("many"):
        ours = _median(report, part="many", schemas=size, task="memory")
        rows.append([f"{size:,}, of one table", "nothing to do", ours, *[""] * len(PEERS)])
    bound = [
        f"Reading a row in each of {figure.schemas:,} schemas by `{figure.task}` adds {_number(figure.median)} MB."
        for figure in report.having(part="memory")
    ]
    bound += [
        f"A session that reads {figure.schemas:,} schemas of 25 tables, {figure.task}, has "
        f"{_number(figure.median)} MB at its peak."
        for figure in report.having(part="backends")
    ]
    table = _table(["schemas", "", OURS, *PEERS.values()], rows)
    return "\n".join([_MEMORY, table, *bound]) if rows or bound else ""


def _growth(report: Report, folder: Path) -> str:
    sizes = report.sizes("growth")
    if not sizes:
        return ""
    rows = []
    for size in sizes:
        wanted = {"part": "growth", "schemas": size}
        limit = report.median(**wanted, task="provisioning", contender=LIMIT)
        ours = report.median(**wanted, task="provisioning", contender=OURS)
        others = (_median(report, **wanted, task=task) for task in ("catalog", "backend, for each schema touched"))
        rows.append([f"{size:,}", _with_ratio(limit, limit), _with_ratio(ours, limit), *others])
    curves = [(name, name, _over_schemas(report, part="growth", task="provisioning", contender=name)) for name in _BOTH]
    plots.curves(folder / "growth.svg", {"Making one more tenant": curves}, "milliseconds", logarithmic=False)
    heads = ["schemas", "limit, ms", "ours, ms", "catalog, MB", "a backend, kB for each schema touched"]
    picture = _picture("Milliseconds to make one more tenant by number of schemas", "growth")
    return "\n".join([_GROWTH, picture, _table(heads, rows)])


def _large(report: Report, folder: Path) -> str:
    found = report.having(part="large")
    limit = report.best([LIMIT], part="large")
    rows = [[_called(figure.contender, figure.task), _with_ratio(figure.median, limit)] for figure in found]
    return "\n".join([_LARGE, _table(["", "ms"], rows)]) if rows else ""


def _beside_plain(part: str, text: str) -> Callable[[Report, Path], str]:
    """A section that compares tasks with plain Django."""

    def section(report: Report, folder: Path) -> str:
        sides = list(dict.fromkeys(figure.contender for figure in report.having(part=part)))
        rows = []
        for task in dict.fromkeys(figure.task for figure in report.having(part=part)):
            plain = report.median(part=part, task=task, contender="plain")
            sent = [_median(report, part=f"{part}, statements", task=task, contender=side) for side in sides]
            times = [_with_ratio(report.median(part=part, task=task, contender=side), plain) for side in sides]
            rows.append([task, *times, " / ".join(filter(None, sent))])
        heads = ["", *({"plain": "plain Django", **PEERS}.get(side, side) for side in sides), "statements"]
        return "\n".join([text, _table(heads, rows)]) if rows else ""

    return section


_BOTH = (LIMIT, OURS)
_LIBRARIES = (OURS, *PEERS)
_SECTIONS: Sequence[Callable[[Report, Path], str]] = (
    _provisioning,
    _fleet,
    _starting,
    _memory,
    _growth,
    _large,
    _beside_plain("requests", _REQUESTS),
    _beside_plain("orm", _ORM),
)


def _over_schemas(report: Report, **wanted: Any) -> dict[int, float]:
    """The smallest medians by number of schemas."""
    found: dict[int, float] = {}
    for figure in report.having(**wanted):
        found[figure.schemas] = min(figure.median, found.get(figure.schemas, figure.median))
    return found


def _called(name: str, task: str) -> str:
    return LIMIT if name == LIMIT else f"{PEERS.get(name, name)}, {task}"


def _schemas(size: int) -> str:
    return "1 schema" if size == 1 else f"{size:,} schemas"


def _picture(text: str, name: str) -> str:
    return f"![{text}](benchmarks/{name}.svg)\n"


def _median(report: Report, **wanted: Any) -> str:
    value = report.median(**wanted)
    return "" if value is None else _number(value)


def _with_ratio(value: float | None, base: float | None) -> str:
    if value is None:
        return ""
    return f"{_number(value)} ({value / base:.2f} x)" if base and value != base else _number(value)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str | int]]) -> str:
    lines = [list(heads), ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines) + "\n"
