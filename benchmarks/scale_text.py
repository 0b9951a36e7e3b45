"""What docs/scale.md says, for `scale_page` to write. Figures of a run come as names in braces."""

__all__ = [
    "ADVICE",
    "COPIES",
    "FLEET",
    "INTRODUCTION",
    "LIMITS",
    "LIMIT_ROWS",
    "LOOKING",
    "MAKING",
    "POSTGRESQL_18",
    "REGISTRY",
    "REQUESTS",
    "REST",
    "SERVERS",
    "SESSIONS",
]

INTRODUCTION = """# At scale

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

MAKING = """## One tenant more

Milliseconds for the newest {sample} tenants in the median, in turn with [the limit](benchmarks.md#how-to-read-it), and
times that. The very first of all took {first} ms: it runs the migrations and records [the blueprint](provisioning.md).
"""
FLEET = """## The whole fleet

`manage.py tenant migrate --all`, within a process that has started: seconds in all, milliseconds for each tenant, and
what the process grew by. *AddField* is a column that is not null and has a default.
"""
REQUESTS = """## A request

A page with one query; microseconds, and times plain Django, which was asked in turn. *Remembered* are the same {sample}
tenants, whatever the number of others. *Looked up each time*: nothing is remembered of them (`CACHE_TTL_S` of 0), which
takes three statements more. *For the first time*: {strangers} others, one request each, of a process and over sessions
that have not met them. The process looks the tenant up, and PostgreSQL reads what its catalog says of that table.
"""
REGISTRY = """## The registry

Milliseconds. The look-ups ask the database. The commands are called within a process that has started. *The admin's
list* is its first page, of up to a hundred tenants with the size and the backlog of each.
"""
SERVERS = """## A server

The median of the servers. *Connecting* includes a first answer. *At rest* is what a server does while nobody asks it
for anything, with `autovacuum` on, after all was vacuumed. *Starting anew* is one server's `fast` stop, and its start.
"""
SESSIONS = """## A session's memory

What a server's process has taken once one connection has read a row of each table in so many schemas, by the ORM; in
megabytes, beside connections that see {recycled} at most (`MAX_SCHEMAS_PER_CONNECTION`).
"""
COPIES = """## Copies

Of one tenant, and of a whole server. `pg_dump -n` reads the catalog of all schemas first.
"""

LIMITS = """## Where the limits lie

It is the number of *tables on a server* that costs, more than that of tenants, and whatever the number of rows. Here it
was up to {tables} on each: {per_server} tenants of 25 tables.
"""

LIMIT_ROWS = (
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
        "{list_before_ms} ms: they looked through the catalog of all.",
        "Nothing: [it is less by now](#looking-at-tenants). Machines ask for [figures](observability.md#figures).",
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

ADVICE = """
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
4. **[Citus](citus.md)** puts schemas on many servers behind one address. It takes over the placing; what tables cost
   each server stays, and its coordinator knows those of all servers. It was not measured here.

From these figures: with {tables_before} tables on a server nothing was felt. With {tables} a request of a
remembered tenant took no longer than before; what looks through the whole catalog took ten times as long, or more. So
let the next server come in between, or see first whether anybody waits for these. [A database that grew to
125,000](benchmarks.md#growing) tables still made tenants; nothing else was tried there.
"""

# What was measured beside, once, by other commands. It does not come from the figures of a run.
LOOKING = """## Looking at tenants

`tenant status` and the admin's list looked through the catalog of all tenants when the above was measured. Now they
look up what they show. A size is found by what depends on its schema (`pg_depend` has an index for that, `pg_class`
has none), the table of records by its name and schema. So a page costs what its tenants cost, most of it looking at
their files; and `status`, which shows no sizes, reads what each schema has recorded of its migrations.

Measured apart, by hand: 2,000 tenants of 25 tables in a database of PostgreSQL 15.20, with 302,000 rows in
`pg_class`, the former statements in turn with those of now, on a machine that had three to four times more to do than
processors. *Five*: over five aliases of that database, as if they were five servers with as many tables. Milliseconds
in the median, and of the first call over new sessions.

|  | before | now | first, before | first, now |
| --- | --- | --- | --- | --- |
| the admin's list, 100 tenants of one database | 396 | 246 | 751 | 517 |
| the admin's list, 100 tenants of five | 799 | 329 | 1,450 | 558 |
| `tenant status`, one database | 981 | 611 | 1,996 | 1,402 |
| `tenant status`, five | 824 | 733 | 2,438 | 768 |
"""

POSTGRESQL_18 = """## PostgreSQL 18

2,000 tenants on one server of PostgreSQL 18.6, measured on the same day by
`PG_BIN=wheel make bench BENCH_ARGS="--only scale --tenants 2000 --clusters 1"`, beside one of the five servers of 15.20
with as many. The load was 3.9 to 5. Five servers shared the machine there and one had it here, which explains a part.

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

For a column with a default PostgreSQL 15 looks through all indexes of the database; 18 does not. By hand, with 184,000
indexes there: 19 ms for `ADD COLUMN ... DEFAULT 0 NOT NULL` in 15.20, 0.2 ms in 18.6; 0.3 and 0.2 ms for a column that
may be null and has no default. The versions in between were not tried.
"""

REST = """## What was not measured

- Several machines, a network, real disks, `fsync`; crash recovery.
- Rows. What large tables cost is PostgreSQL's usual story, in a schema as elsewhere.
- Many clients at once, and poolers; replicas, which replay the same catalog; logical decoding of so many tables.
- Years of migrations, and what they leave in the catalog; a wraparound; `pg_upgrade`, which dumps the definition of
  every table and makes it anew.
- Databases of different size, and tenants that are moved while others are made.
"""
