"""Writes docs/scale.md from the figures of a run: what was measured in tables, and what follows where the limits lie.

A limit that was not reached is left out. What it says is in `scale_text`.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from . import scale_text as text
from .figures import LIMIT, OURS
from .report import Report, number, table, with_ratio
from .scale import COMMANDS, PAGES, RECYCLED, STRANGERS

__all__ = ["write_scale_page"]

_REGISTRY_MS = (*COMMANDS, *PAGES)
_OF_A_SERVER = (
    ("tables", ""),
    ("pg_class rows", ""),
    ("pg_attribute rows", ""),
    ("catalog", "MB"),
    ("database", "MB"),
    ("files", ""),
    ("connecting", "ms"),
    ("VACUUM (ANALYZE)", "s"),
    ("processor in a minute at rest", "s"),
    ("starting anew", "s"),
)
TABLES, SEQUENCES = 25, 24
"""Of a tenant."""


def write_scale_page(path: Path, facts: Mapping[str, str], report: Report) -> None:
    """Write the page.

    Args:
        path: of the page.
        facts: under which circumstances it was measured.
        report: the figures of one run.
    """
    values = _values(report)
    facts = {**facts, "load": _loads(report)}
    facts.pop("django-tenants", None)
    facts.pop("django-pgschemas", None)
    sections = (
        text.INTRODUCTION.format(facts=table(("", ""), list(facts.items())), **values),
        text.MAKING.format(**values) + "\n" + table(*_making(report)),
        text.FLEET + "\n" + table(*_fleet(report)),
        text.REQUESTS.format(**values) + "\n" + table(*_requests(report)),
        text.REGISTRY + "\n" + table(*_registry(report)),
        text.SERVERS + "\n" + table(*_servers(report)),
        text.SESSIONS.format(**values) + "\n" + table(*_sessions(report)),
        text.COPIES + "\n" + table(*_copies(report)),
        text.LIMITS.format(**values) + "\n" + table(("", "measured", "what to do"), list(_limits(values))),
        text.ADVICE.strip().format(**values) + "\n",
        text.LOOKING,
        text.POSTGRESQL_18,
        text.REST,
    )
    path.write_text("\n".join(sections))


def _values(report: Report) -> dict[str, str]:
    """The figures that the text speaks of, as it writes them; those alone that were measured."""
    sizes = report.sizes("scale server")
    *_, before, last = sizes

    def of(part: str, task: str, schemas: int = last, processes: int = 1) -> float | None:
        return report.median(part=f"scale {part}", task=task, schemas=schemas, processes=processes)

    clusters = len(report.having(part="scale server", task="tables")[0].values)
    kept = report.having(part="scale session", task="kept")
    recycled = report.having(part="scale session", task="recycled")
    locked = report.median(part="scale locks", task="tables before it is refused")
    rooms = report.having(part="scale locks", task="max_locks_per_transaction")
    per_server = last / clusters
    kept_kb = (kept[-1].median - kept[0].median) / (kept[-1].schemas - kept[0].schemas) * 1e3
    catalog_kb, database_kb = (
        _growth(report, task, sizes[0], last) * clusters / (last - sizes[0]) * 1e3 for task in ("catalog", "database")
    )
    making = "on average since the last stage"
    numbers = {
        "tenants": last,
        "sample": sizes[0],
        "strangers": STRANGERS,
        "clusters": clusters,
        "per_server": per_server,
        "first": of("making", "the very first", sizes[0]),
        "tables": of("server", "tables"),
        "locked": locked,
        "locked_tenants": locked and locked / (TABLES + SEQUENCES),
        "needed": rooms[-1].median if rooms else None,
        "dump_s": of("copies", "pg_dump of a server"),
        "dump_before_s": of("copies", "pg_dump of a server", before),
        "tables_before": of("server", "tables", before),
        "dump_mb": of("copies", "pg_dump of a server, memory"),
        "export_ms": of("copies", "tenant export"),
        "one_ms": of("copies", "pg_dump of one schema"),
        "kept_kb": kept_kb,
        "kept_mb": kept[-1].median,
        "kept_schemas": kept[-1].schemas,
        "fifty_gb": kept[-1].median * 50 / 1e3,
        "recycled": RECYCLED,
        "recycled_mb": max(figure.median for figure in recycled),
        "cold_ms": report.median(part="scale session", task="kept, a schema"),
        "warm_ms": report.median(part="scale session", task="kept, a schema again"),
        "catalog_kb": catalog_kb,
        "database_kb": database_kb,
        "catalog_mb": of("server", "catalog"),
        "vacuum_s": of("server", "VACUUM (ANALYZE)"),
        "vacuum_before_s": of("server", "VACUUM (ANALYZE)", before),
        "rest_s": of("server", "processor in a minute at rest"),
        "add_s": of("fleet", "AddField", processes=2),
        "connecting_ms": of("server", "connecting"),
        "connecting_before_ms": of("server", "connecting", before),
        "add_ms": (of("fleet", "AddField") or 0) / last * 1e3,
        "add_before_ms": (of("fleet", "AddField", before) or 0) / before * 1e3,
        "made_ms": of("making", making, processes=2),
        "made_before_ms": of("making", making, before, processes=2),
        "status_ms": of("registry", "tenant status"),
        "status_before_ms": of("registry", "tenant status", before),
        "list_ms": of("registry", "the admin's list"),
        "list_before_ms": of("registry", "the admin's list", before),
        "files": of("server", "files"),
        "start_s": of("server", "starting anew"),
        "hundred_gb": database_kb / 10,
        "hundred_servers": 100_000 / per_server,
    }
    return {name: number(value) for name, value in numbers.items() if value is not None}


def _growth(report: Report, task: str, first: int, last: int) -> float:
    at = [report.median(part="scale server", task=task, schemas=size) or 0 for size in (first, last)]
    return at[1] - at[0]


def _loads(report: Report) -> str:
    """What the machine had to do, this run included."""
    before, *then = (f"{figure.median:.1f}" for figure in report.having(part="scale load"))
    return f"{before} before; {', '.join(then)} with it"


def _making(report: Report) -> tuple[Sequence[str], list[list[str]]]:
    rows = []
    for size in report.sizes("scale making"):
        wanted = {"part": "scale making", "schemas": size}
        limit, ours = (report.median(**wanted, task="one tenant", contender=name) for name in (LIMIT, OURS))
        both = report.median(**wanted, processes=2)
        rows.append([f"{size:,}", with_ratio(limit, limit), with_ratio(ours, limit), number(both) if both else ""])
    return ("tenants", LIMIT, OURS, "since the stage before, by two processes"), rows


def _fleet(report: Report) -> tuple[Sequence[str], list[list[str]]]:
    rows = []
    for task in ("nothing to do", "AddField"):
        for size in report.sizes("scale fleet"):
            wanted = {"part": "scale fleet", "schemas": size}
            row = [task, f"{size:,}"]
            for processes in (1, 2):
                seconds = report.median(**wanted, task=task, processes=processes) or 0
                row += [number(seconds), number(seconds / size * 1e3)]
            grown = report.median(**wanted, task=f"{task}, memory") or 0
            rows.append([*row, number(grown)])
    return ("", "tenants", "s", "ms each", "two processes, s", "ms each", "memory, MB"), rows


def _requests(report: Report) -> tuple[Sequence[str], list[list[str]]]:
    rows = []
    for size in report.sizes("scale requests"):
        wanted = {"part": "scale requests", "schemas": size}
        plain = report.median(**wanted, contender="plain")
        ours = [
            report.median(**wanted, contender=OURS, task=task)
            for task in ("remembered", "looked up each time", "for the first time")
        ]
        rows.append([f"{size:,}", with_ratio(plain, plain), *(with_ratio(value, plain) for value in ours)])
    return ("tenants", "plain Django", "remembered", "looked up each time", "for the first time"), rows


def _over_sizes(report: Report, part: str, tasks: Mapping[str, str], scale: float = 1) -> list[list[str]]:
    """A row for each task, with a column for each stage."""
    rows = []
    for task, label in tasks.items():
        found = (report.median(part=part, task=task, schemas=size) for size in report.sizes("scale server"))
        rows.append([label, *("" if value is None else number(value * scale) for value in found)])
    return rows


def _heads(report: Report, first: str = "") -> list[str]:
    return [first, *(f"{size:,} tenants" for size in report.sizes("scale server"))]


def _registry(report: Report) -> tuple[Sequence[str], list[list[str]]]:
    look_ups = {f"a look-up by {way}": f"a look-up by {way}" for way in ("slug", "host")}
    commands = {task: f"`manage.py {task}`" if task.startswith("tenant") else task for task in _REGISTRY_MS}
    rows = _over_sizes(report, "scale registry", look_ups, 1e-3) + _over_sizes(report, "scale registry", commands)
    return _heads(report), rows


def _servers(report: Report) -> tuple[Sequence[str], list[list[str]]]:
    tasks = {task: f"{task}, {unit}" if unit else task for task, unit in _OF_A_SERVER}
    return _heads(report, "each server"), _over_sizes(report, "scale server", tasks)


def _sessions(report: Report) -> tuple[Sequence[str], list[list[str]]]:
    rows = []
    for kept in report.having(part="scale session", task="kept"):
        recycled = report.median(part="scale session", task="recycled", schemas=kept.schemas)
        rows.append([f"{kept.schemas:,}", number(kept.median), number(recycled or 0)])
    heads = ("schemas", "any number, MB", f"{RECYCLED} at most, MB")
    return heads, rows


def _copies(report: Report) -> tuple[Sequence[str], list[list[str]]]:
    tasks = {
        "tenant export": "`tenant export`, ms",
        "pg_dump of one schema": "`pg_dump -n`, ms",
        "pg_dump of a server": "`pg_dump` of a server, s",
        "pg_dump of a server, memory": "memory of that, MB",
    }
    return _heads(report), _over_sizes(report, "scale copies", tasks)


def _limits(values: Mapping[str, str]) -> Iterator[Sequence[str]]:
    for name, *texts in text.LIMIT_ROWS:
        try:
            yield [name, *(each.format(**values) for each in texts)]
        except KeyError:
            continue
