"""Writes docs/scale.md from the figures of a run: what was measured in tables, and what follows where the limits lie.

A sentence that needs a figure which was not measured is left out.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from .figures import LIMIT, OURS
from .report import Report, number, table, with_ratio
from .scale import COMMANDS, PAGES, RECYCLED, STRANGERS

__all__ = ["write_scale_page"]

_INTRODUCTION = """# At scale

{tenants} tenants on {clusters} PostgreSQL servers: what they cost, and where a schema for each stops being a good idea.
This page is written by `make bench BENCH_ARGS="--only scale --page"`, from one run:

{facts}
```console
$ make bench BENCH_ARGS="--only scale --json scale.json"           # an hour, and 25 GB of disk until it ends
$ make bench BENCH_ARGS="--only scale --tenants 300 --clusters 2"  # does it work? Minutes, and rough figures
$ make bench BENCH_ARGS="--read scale.json --page"                 # this page anew
```

- A tenant is [the shop of the benchmarks](benchmarks.md#how-to-read-it): 25 tables and 90 indexes, and hardly a row.
  Nothing was made smaller for the disk. Each was made by `Tenant.objects.create()`, and placed where there were fewest.
- Each server is a process with a data folder of its own, on the loopback interface, as PostgreSQL comes (128 MB of
  `shared_buffers`), but with 200 connections and `fsync` off. The registry is in the first.
- **All of them, and the client, share one machine.** So what is told is how costs *grow* with the number of tenants.
  Five real servers have five times the processors; a network adds its round trips.
- The *load* says what the machine had to do in the last five minutes, before this began and at the end of each stage:
  beyond two or three it was others' work. Compare within a table, and rather ratios than times.
"""

_MAKING = """## One tenant more

Milliseconds for the newest {sample} tenants in the median, in turn with [the limit](benchmarks.md#how-to-read-it), and
times that. The very first of all took {first} ms: it runs the migrations and records [the blueprint](provisioning.md).
"""
_FLEET = """## The whole fleet

`manage.py tenant migrate --all`, within a process that has started: seconds in all, milliseconds for each tenant, and
what the process grew by. *AddField* is a column that is not null and has a default.
"""
_REQUESTS = """## A request

A page with one query; microseconds, and times plain Django, which was asked in turn. *Remembered* are the same {sample}
tenants, whatever the number of others. *Looked up each time*: nothing is remembered of them (`CACHE_TTL_S` of 0), which
takes three statements more. *For the first time*: {strangers} others, one request each, of a process and over sessions
that have not met them. The process looks the tenant up, and PostgreSQL reads what its catalog says of that table.
"""
_REGISTRY = """## The registry

Milliseconds. The look-ups ask the database. The commands are called within a process that has started. *The admin's
list* is its first page, of up to a hundred tenants with the size and the backlog of each.
"""
_SERVERS = """## A server

The median of the servers. *Connecting* includes a first answer. *At rest* is what a server does while nobody asks it
for anything, with `autovacuum` on, after all was vacuumed. *Starting anew* is one server's `fast` stop, and its start.
"""
_SESSIONS = """## A session's memory

What a server's process has taken once one connection has read a row of each table in so many schemas, by the ORM; in
megabytes, beside connections that see {recycled} at most (`MAX_SCHEMAS_PER_CONNECTION`).
"""
_COPIES = """## Copies

Of one tenant, and of a whole server. `pg_dump -n` reads the catalog of all schemas first.
"""

_LIMITS = """## Where the limits lie

It is the number of *tables on a server* that costs, more than that of tenants, and whatever the number of rows. Here it
was up to {tables} on each: {per_server} tenants of 25 tables.
"""

_LIMIT_ROWS = (
    (
        "locks",
        "One transaction could lock {locked} tables: `max_locks_per_transaction` is 64, and counts for each of 200 "
        "connections. `pg_dump` locks the sequences too; it was refused until that was {needed}.",
        "Raise it before some {locked_tenants} tenants of this size are on a server, or half as many with the usual "
        "100 connections. It takes a restart, and some memory for each lock.",
    ),
    (
        "`pg_dump` of a server",
        "{dump_s} s and {dump_mb} MB for {tables} tables, all but empty; {dump_before_s} s for {tables_before}.",
        "Physical backups (`pg_basebackup`, snapshots) do not mind tables. One tenant: `tenant export` took "
        "{export_ms} ms, `pg_dump -n` {one_ms} ms.",
    ),
    (
        "memory of sessions",
        "{kept_kb} kB for each schema all of whose tables were read: {kept_mb} MB after {kept_schemas}, kept until the "
        "session ends. 50 such sessions would take {fifty_gb} GB.",
        "[Recycling](connections.md#what-a-session-keeps): {recycled_mb} MB at most with "
        "`MAX_SCHEMAS_PER_CONNECTION` of {recycled}. The next reading of a schema's tables then takes {cold_ms} ms, "
        "not {warm_ms}. Or fewer sessions (a pooler), or processes that serve some of the tenants only.",
    ),
    (
        "the catalog",
        "{catalog_kb} kB for each tenant, of {database_kb} kB in all, before it has rows: {catalog_mb} MB on a server.",
        "Memory for it, since each new session and schema is read from there. Fewer tables for each tenant.",
    ),
    (
        "vacuum",
        "{vacuum_s} s to look at each table of a server, {vacuum_before_s} s when there were {tables_before}; left "
        "alone, {rest_s} s of processor in a minute.",
        "More `autovacuum_max_workers`. A wraparound's vacuum visits every table, changed or not: watch "
        "`age(relfrozenxid)`.",
    ),
    (
        "a column with a default",
        "{add_ms} ms for each tenant, {add_before_ms} ms when there were a tenth of them; {add_s} s for all, in two "
        "processes.",
        "[PostgreSQL 18](#postgresql-18). Or a column that may be null, and its rows filled later. And [deploy so that "
        "it does not matter](fleet.md#deploying-without-downtime).",
    ),
    (
        "making a tenant",
        "{made_ms} ms each by two processes, {made_before_ms} ms up to a tenth of them.",
        "A [pool](provisioning.md#a-pool-of-ready-schemas), so that nobody waits for it.",
    ),
    (
        "what looks at all tenants",
        "`tenant status` {status_ms} ms, {status_before_ms} with a tenth; the admin's list {list_ms} and "
        "{list_before_ms} ms: for sizes PostgreSQL looks through all tables.",
        "Nothing, by hand. Machines ask for [figures](observability.md#figures).",
    ),
    (
        "connecting",
        "{connecting_ms} ms; {connecting_before_ms} with a tenth of the tables.",
        "Nothing: what a session reads as it begins does not grow with the tables.",
    ),
    (
        "files",
        "{files} in one folder of a server, which stopped and started again in {start_s} s.",
        "Inodes; file systems and backups that do well with many small files. After a crash PostgreSQL syncs each of "
        "them (`recovery_init_sync_method`), which was not measured.",
    ),
)

_ADVICE = """
What to do, in this order:

1. **Fewer tables for each tenant.** Half the tables are half of nearly all of the above. Apps whose rows are no
   tenant's own belong into the registry's environment.
2. **More databases on more servers.** Nothing above looks across servers but the registry, and that is small. [To add
   one](databases.md#to-add-a-database) takes settings and a restart; [moving](moving.md) takes tenants there while they
   work. Two databases on *one* server halve what is each one's own (the catalog, a dump, a column with a default), and
   share the rest (locks, files, memory).
3. **A shared table** with a column for the tenant, where tenants are very many and tiny. A hundred thousand of this
   size would be {hundred_gb} GB of empty tables, and {hundred_servers} servers like these, for what some tables with an
   index hold. That is for other packages: this one is for tenants that are worth a schema. Both go together in one
   project: trials in shared tables of the registry, a schema for who pays.
4. **Citus** puts schemas on many servers behind one address. It takes over the placing; what tables cost each server
   stays, and its coordinator knows those of all servers. It was not measured here.

From these figures: with {tables_before} tables on a server nothing was felt. With {tables} a request of a
remembered tenant took no longer than before; what looks through the whole catalog took ten times as long and more. So
let the next server come in between, or see first whether anybody waits for these. [A database that grew to
125,000](benchmarks.md#growing) tables still made tenants; nothing else was tried there.
"""

# What was measured beside, by another command, once. It does not come from the figures of a run.
_POSTGRESQL_18 = """## PostgreSQL 18

2,000 tenants on one server of PostgreSQL 18.6, measured on the same day by
`PG_BIN=wheel make bench BENCH_ARGS="--only scale --tenants 2000 --clusters 1"`, beside one of the five servers of 15.20
with as many. The load was 3.9 to 5; one server had the machine here that five shared there, which explains a part.

|  | 15.20 | 18.6 |
| --- | --- | --- |
| AddField, ms for each tenant, one process | 23.3 | 2.07 |
| `pg_dump` of the server, s | 32.5 | 20.3 |
| memory of that, MB | 702 | 737 |
| `pg_dump -n` of a schema, ms | 5,600 | 5,983 |
| `VACUUM (ANALYZE)`, s | 47.5 | 24.5 |
| tables that one transaction could lock | 23,200 | 24,700 |
| catalog, MB | 1,025 | 1,217 |
| a session that read all 2,000 schemas, MB | 1,025 | 1,149 |

For a column with a default PostgreSQL 15 looks through `pg_index`, with all indexes of the database; 18 does not. By hand,
with 184,000 indexes there: 19 ms for `ADD COLUMN ... DEFAULT 0 NOT NULL` in 15.20, 0.2 ms in 18.6; 0.3 and 0.2 ms for a
column that may be null and has no default. The versions in between were not tried.
"""

_REST = """## What was not measured

- Several machines, a network, real disks, `fsync`; crash recovery.
- Rows. What large tables cost is PostgreSQL's usual story, in a schema as elsewhere.
- Many clients at once, and poolers; replicas, which replay the same catalog; logical decoding of so many tables.
- Years of migrations, and what they leave in the catalog; a wraparound; `pg_upgrade`, which dumps the definition of
  every table and makes it anew.
- Databases of different size, and tenants that are moved while others are made.
"""

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
        _INTRODUCTION.format(facts=table(("", ""), list(facts.items())), **values),
        _MAKING.format(**values) + "\n" + table(*_making(report)),
        _FLEET + "\n" + table(*_fleet(report)),
        _REQUESTS.format(**values) + "\n" + table(*_requests(report)),
        _REGISTRY + "\n" + table(*_registry(report)),
        _SERVERS + "\n" + table(*_servers(report)),
        _SESSIONS.format(**values) + "\n" + table(*_sessions(report)),
        _COPIES + "\n" + table(*_copies(report)),
        _LIMITS.format(**values) + "\n" + table(("", "measured", "what to do"), list(_limits(values))),
        _ADVICE.strip().format(**values) + "\n",
        _POSTGRESQL_18,
        _REST,
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
    for name, *texts in _LIMIT_ROWS:
        try:
            yield [name, *(text.format(**values) for text in texts)]
        except KeyError:
            continue
