"""`manage.py migrate_schema DB --environment E --schema S [app [migration]]`: migrate schemas of an environment."""

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections

from ...alias import SchemaAlias
from ...big_ints import widen_integers
from ...environments import alias_for, environment, environments_on, home
from ...exceptions import SchemasError
from ...plans import target_of
from ..reporting import Reporter

__all__ = ["Command"]


class _Parser(CommandParser):
    """Takes options between positional arguments, of which some may be left out: `DB --schema acme app`."""

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        return self.parse_intermixed_args(args, namespace)


class Command(BaseCommand):
    """Migrates one schema after the other; stops at the first that fails, which then is as it was."""

    help = "Migrates schemas of an environment, and makes those that do not exist yet."
    requires_migrations_checks = False

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Make the parser."""
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        parser.__class__ = _Parser
        return parser

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the arguments."""
        parser.add_argument("db", choices=tuple(connections), metavar="DB", help="Alias of a writable database.")
        parser.add_argument("app_label", nargs="?", metavar="app", help="Migrate this app only.")
        parser.add_argument(
            "migration_name", nargs="?", metavar="migration", help="Up or down to this one; 'zero' takes all back."
        )
        parser.add_argument("--environment", help="Needed where the database hosts several that could be meant.")
        parser.add_argument("--schema", action="append", default=[], help="Name of the schema; may be repeated.")
        parser.add_argument("--big-ints", action="store_true", help="Make 32-bit integer columns 64-bit afterwards.")
        parser.add_argument("--plan", action="store_true", help="Show what would be done, and do nothing.")
        parser.add_argument("--check", action="store_true", help="Do nothing; exit with 1 if anything is to be done.")
        parser.add_argument("--fake", action="store_true", help="Record migrations without running them.")
        parser.add_argument("--adopt", action="store_true", help="Take over a schema that was not made here.")
        parser.add_argument("--lock-timeout", metavar="TIME", help="Give up waiting for a table's lock: '5s', '200ms'.")
        parser.add_argument("--noinput", "--no-input", action="store_false", dest="interactive", help="Ask nothing.")

    def get_check_kwargs(self, options: dict[str, Any]) -> Any:
        """Have the checks of the database run too, as `migrate` does."""
        kwargs: Any = super().get_check_kwargs(options)
        return {**kwargs, "databases": [options["db"]]}

    def handle(self, *args: Any, **options: Any) -> None:
        """Migrate each schema."""
        try:
            aliases = list(self._aliases(options["db"], options["environment"], options["schema"]))
            reporter = Reporter(self, options)
            pending = [reporter.migrate(target_of(alias)) for alias in aliases]
            if options["big_ints"] and not (options["plan"] or options["check"]):
                for alias in aliases:
                    self._widen(alias)
        except SchemasError as error:
            raise CommandError(str(error)) from error
        if options["check"] and any(pending):
            sys.exit(1)

    def _aliases(self, db: str, name: str | None, schemas: list[str]) -> Any:
        candidates = None if name is None else (environment(name).name,)
        if not schemas:
            singles = [home(each) for each in (candidates or environments_on(db))]
            if None in singles or not singles:
                raise CommandError(f"Say which schema of {name or 'the environment'} to migrate: --schema NAME.")
            schemas = [alias.schema for alias in singles if alias is not None]
        for schema in schemas:
            yield alias_for(db, schema, candidates)

    def _widen(self, alias: SchemaAlias) -> None:
        widened = widen_integers(alias)
        self.stdout.write(f"64-bit integers in {alias.placement}: {len(widened)} changed")
        for one in widened:
            self.stdout.write(f"  {one}")
