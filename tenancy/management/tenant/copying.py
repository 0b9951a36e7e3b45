"""`tenant clone`, `export` and `import`: a tenant is copied, to another one or to a file and back."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any

from django.core.management.base import CommandParser
from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from django_schemas.streams import Progress

from ... import lifecycle
from .subcommand import Subcommand

__all__ = ["SUBCOMMANDS"]


class Clone(Subcommand):
    """Make a tenant with the rows of another."""

    name = "clone"
    help = "Make a tenant with the rows of another, without its sessions and tokens."
    examples = ('clone acme "Acme Staging"', 'clone acme "Acme Staging" --slug staging --db shard2')

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("source", metavar="SLUG")
        parser.add_argument("name", metavar="NAME")
        parser.add_argument("--slug", default="", help="Made from the name if left out.")
        parser.add_argument("--schema", default="", help="Made from the slug if left out.")
        parser.add_argument("--db", default="", help="Alias of the database; that of SLUG if left out.")

    def handle(self, options: dict[str, Any]) -> None:
        started_s = perf_counter()
        (source,) = self.find([options["source"]])
        with _bars() as progress:
            tenant = lifecycle.clone(
                source,
                options["name"],
                slug=options["slug"],
                db=options["db"],
                schema_name=options["schema"],
                progress=progress,
            )
        done = self.style.SUCCESS(f"Tenant {tenant.slug} is a clone of {source.slug}")
        self.told(tenant, f"{done}: {tenant.placement}, {perf_counter() - started_s:.2f} s")


class Export(Subcommand):
    """Write a tenant to an archive."""

    name = "export"
    help = "Write a tenant, with all its rows, to a file."
    examples = ("export acme --output acme.zip",)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", metavar="SLUG")
        parser.add_argument("--output", required=True, metavar="FILE")
        parser.add_argument("--json", action="store_true", help="For machines: the manifest.")

    def handle(self, options: dict[str, Any]) -> None:
        started_s = perf_counter()
        (tenant,) = self.find([options["slug"]])
        with _bars() as progress:
            manifest = lifecycle.export(tenant, options["output"], progress=progress)
        if self.for_machines:
            self.dump(manifest)
            return
        rows = sum(table["rows"] for table in manifest["tables"])
        done = self.style.SUCCESS(f"Tenant {tenant.slug} is in {options['output']}")
        self.say(f"{done}: {rows:,} rows, {perf_counter() - started_s:.2f} s")


class Import(Subcommand):
    """Make a tenant of an archive."""

    name = "import"
    help = "Make a tenant of a file that `export` wrote."
    examples = ("import acme.zip", 'import acme.zip --name "Acme Restored" --db shard2')

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", metavar="FILE")
        parser.add_argument("--name", default=None, help="As it was exported if left out.")
        parser.add_argument("--slug", default="", help="As it was exported, or made from --name.")
        parser.add_argument("--schema", default="", help="Made from the slug if left out.")
        parser.add_argument("--db", default="", help="Alias of the database; chosen by TENANCY['PLACING'] if left out.")

    def handle(self, options: dict[str, Any]) -> None:
        started_s = perf_counter()
        with _bars() as progress:
            tenant = lifecycle.import_(
                options["file"],
                options["name"],
                slug=options["slug"],
                db=options["db"],
                schema_name=options["schema"],
                progress=progress,
            )
        done = self.style.SUCCESS(f"Tenant {tenant.slug} is {tenant.status}")
        self.told(tenant, f"{done}: {tenant.placement}, {perf_counter() - started_s:.2f} s")


SUBCOMMANDS = (Clone, Export, Import)


@contextmanager
def _bars() -> Iterator[Progress | None]:
    """A line that tells how far each table is, on a terminal; nothing elsewhere."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:,} rows"))
    with Bars(*columns, TimeElapsedColumn(), console=console, transient=True) as bars:
        task = bars.add_task("", total=None)
        yield lambda table, rows, size: bars.update(task, description=table, completed=rows)
