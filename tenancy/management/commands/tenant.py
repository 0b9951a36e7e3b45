"""`manage.py tenant ...`: the whole life of tenants from the command line, in the classes of `management.tenant`."""

import argparse
import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, NoReturn

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from django_schemas.exceptions import SchemasError

from ...events import acting, shell_user
from ...exceptions import TenancyError
from ..tenant import SUBCOMMANDS
from ..tenant.failing import told

__all__ = ["Command"]

_EXAMPLES = (
    'create "Acme Inc." --slug acme --domain help.acme.example',
    "list --json",
    "migrate --all",
    "run acme -- loaddata customers.json",
    "delete acme --yes-really=acme",
)


class _Parser(CommandParser):
    """Suggests the nearest subcommand for one that there is not."""

    def error(self, message: str) -> NoReturn:
        wrong = re.search(r"argument SUBCOMMAND: invalid choice: '([^']*)'", message)
        if wrong:
            near = get_close_matches(wrong[1], [subcommand.name for subcommand in SUBCOMMANDS], n=1, cutoff=0.7)
            hint = f"Did you mean `tenant {near[0]}`?" if near else "`tenant --help` lists them."
            message = f"There is no subcommand {wrong[1]!r}. {hint}"
        super().error(message)
        raise AssertionError("unreachable")  # The stubs do not say that it never returns.


class Command(BaseCommand):
    """One command; each subcommand is a class."""

    help = "Create, list, migrate, suspend, delete ... tenants. Exits with 1 if anything failed, 2 if asked wrongly."
    requires_system_checks: Any = ()

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Make the parser, with examples below its help."""
        kwargs |= _with_examples(_EXAMPLES)
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        parser.__class__ = _Parser
        return parser

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the subcommands."""
        subparsers = parser.add_subparsers(
            dest="subcommand", required=True, metavar="SUBCOMMAND", parser_class=CommandParser
        )
        for subcommand in SUBCOMMANDS:
            subcommand(self).configure(
                subparsers.add_parser(
                    subcommand.name,
                    help=subcommand.help,
                    description=subcommand.help,
                    parents=[_usual_options()],
                    **_with_examples(subcommand.examples),
                )
            )

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what the subcommand does; what it can't do is an error, told without a traceback."""
        (chosen,) = [subcommand for subcommand in SUBCOMMANDS if subcommand.name == options["subcommand"]]
        try:
            with acting(shell_user()):
                chosen(self).run(options)
        except (TenancyError, SchemasError) as error:
            raise CommandError(str(error)) from error
        except ValidationError as error:
            raise CommandError(told(error)) from error


def _usual_options() -> CommandParser:
    """Django's own options, to be taken behind a subcommand as they are before it."""
    parser = CommandParser(add_help=False, argument_default=argparse.SUPPRESS)
    parser.add_argument("-v", "--verbosity", type=int, choices=(0, 1, 2, 3), help=argparse.SUPPRESS)
    for option in ("--settings", "--pythonpath"):
        parser.add_argument(option, help=argparse.SUPPRESS)
    for option in ("--traceback", "--no-color", "--force-color"):
        parser.add_argument(option, action="store_true", help=argparse.SUPPRESS)
    return parser


def _with_examples(examples: Iterable[str]) -> dict[str, Any]:
    lines = "".join(f"\n  manage.py tenant {example}" for example in examples)
    return {
        "epilog": f"examples:{lines}" if lines else None,
        "formatter_class": argparse.RawDescriptionHelpFormatter,
    }
