"""`manage.py tenant ...`: the whole life of tenants from the command line, in the classes of `management.tenant`."""

import argparse
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from django_schemas.exceptions import SchemasError

from ...events import acting, shell_user
from ...exceptions import TenancyError
from ..tenant import SUBCOMMANDS

__all__ = ["Command"]

_EXAMPLES = """
examples:
  manage.py tenant create "Acme Inc." --slug acme --domain help.acme.example
  manage.py tenant list --json
  manage.py tenant migrate --all
  manage.py tenant run acme -- loaddata customers.json
  manage.py tenant delete acme --yes-really=acme
"""


class Command(BaseCommand):
    """One command; each subcommand is a class."""

    help = "Create, list, migrate, suspend, delete ... tenants."
    requires_system_checks: Any = ()

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Make the parser, with examples below its help."""
        kwargs |= {"epilog": _EXAMPLES, "formatter_class": argparse.RawDescriptionHelpFormatter}
        return super().create_parser(prog_name, subcommand, **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the subcommands."""
        subparsers = parser.add_subparsers(dest="subcommand", required=True, metavar="SUBCOMMAND")
        for subcommand in SUBCOMMANDS:
            subcommand(self).add_arguments(subparsers.add_parser(subcommand.name, help=subcommand.help))

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what the subcommand does; what it can't do is an error, told without a traceback."""
        (chosen,) = [subcommand for subcommand in SUBCOMMANDS if subcommand.name == options["subcommand"]]
        try:
            with acting(shell_user()):
                chosen(self).handle(options)
        except (TenancyError, SchemasError) as error:
            raise CommandError(str(error)) from error
        except ValidationError as error:
            raise CommandError("; ".join(error.messages)) from error
