"""`tenant run`: any other command, inside a tenant."""

import argparse
from typing import Any

from django.core.management import call_command, get_commands, load_command_class
from django.core.management.base import BaseCommand, CommandError, CommandParser

from ...context import tenant_context
from .subcommand import Subcommand

__all__ = ["SUBCOMMANDS"]


class Run(Subcommand):
    """Run another command inside a tenant, with its arguments passed through."""

    name = "run"
    help = "Run another command inside a tenant."
    json = False

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", metavar="SLUG")
        parser.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND ARGS...")

    def handle(self, options: dict[str, Any]) -> None:
        words = [word for index, word in enumerate(options["command"]) if (index, word) != (0, "--")]
        if not words:
            raise CommandError("Say what to run: tenant run SLUG -- COMMAND ARGS...")
        name, *args = words
        (tenant,) = self.find([options["slug"]])
        command = _load(name)
        # It would use `default` otherwise.
        if _takes_database(command, name) and not any(word.startswith("--database") for word in args):
            args.append(f"--database={tenant.db}")
        # Django looks for records of migrations in `public`, where a tenant has none.
        command.requires_migrations_checks = False
        with tenant_context(tenant):
            # The streams themselves: a wrapper around ours would end every piece of output with a new line.
            call_command(command, *args, stdout=self.stdout._out, stderr=self.stderr._out)


SUBCOMMANDS = (Run,)


def _load(name: str) -> BaseCommand:
    app = get_commands().get(name)
    if app is None:
        raise CommandError(f"There is no command {name!r}.")
    return load_command_class(app, name) if isinstance(app, str) else app


def _takes_database(command: BaseCommand, name: str) -> bool:
    """Tell whether a command can be told which database to use."""
    return any(action.dest == "database" for action in command.create_parser("manage.py", name)._actions)
