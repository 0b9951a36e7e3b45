"""`tenant run` and `shell`: any other command, and Django's shell, inside of tenants."""

import os
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from typing import IO, Any

from django.core.management import call_command, get_commands, load_command_class
from django.core.management.base import BaseCommand, CommandError, CommandParser

from ...context import tenant_context
from ...models import AbstractTenant
from ...states import Status
from . import selecting
from .failing import UsageError
from .subcommand import Subcommand
from .workers import Outcome

__all__ = ["SUBCOMMANDS"]

_INSTEAD = {
    "dbshell": 'psql knows no tenants: manage.py dbshell --database ALIAS, and there SET search_path TO "SCHEMA"',
    "makemigrations": "migrations are of the code, not of a tenant: manage.py makemigrations",
    "migrate": "manage.py tenant migrate SLUG",
    "migrate_schema": "manage.py tenant migrate SLUG",
    "runserver": "a server serves all tenants: manage.py runserver, and open SLUG.BASE_DOMAIN",
    "tenant": "manage.py tenant SUBCOMMAND",
    "test": "tests make tenants of their own: manage.py test",
    "testserver": "a server serves all tenants: manage.py testserver",
}
"""Commands that make no sense inside of a tenant, and what to say instead."""

_USAGE = "tenant run SLUG... -- COMMAND ARGS..."


class _SplittingParser(CommandParser):
    """Leaves alone what stands behind the first `--`: it is another command's."""

    def parse_known_args(self, args: Any = None, namespace: Any = None, **kwargs: Any) -> Any:
        words = list(args)
        at = words.index("--") if "--" in words else len(words)
        found, rest = super().parse_known_args(words[:at], namespace, **kwargs)
        found.command = words[at + 1 :]
        return found, rest


class Run(Subcommand):
    """Run another command inside of tenants, with its arguments passed through.

    Of one tenant that is named the command has stdin, stdout and the exit code. Of several each line of output begins
    with the tenant's slug, stdin is empty, and the exit code is 1 if the command failed in any.
    """

    name = "run"
    help = "Run another command inside of tenants."
    examples = (
        "run acme -- loaddata customers.json",
        "run acme -- dumpdata auth.user > users.json",
        "run --all --parallel 4 -- clearsessions",
    )
    everyone = (Status.ACTIVE,)
    json = False
    parallel = True

    def add_arguments(self, parser: CommandParser) -> None:
        parser.__class__ = _SplittingParser
        parser.usage = f"manage.py {_USAGE}"
        self.add_selectors(parser)
        parser.add_argument("--allow-inactive", action="store_true", help="Also in tenants that are not served.")

    def handle(self, options: dict[str, Any]) -> None:
        if not options["command"]:
            raise UsageError(f"Say what to run: {_USAGE}")
        name, *args = options["command"]
        if name in _INSTEAD:
            raise UsageError(f"Command {name!r} can't be run inside of a tenant. Instead: {_INSTEAD[name]}.")
        _load(name)
        tenants = self.selected(options)
        work = partial(_run, name=name, args=args, allow_inactive=options["allow_inactive"])
        if len(tenants) == 1 and not selecting.selects(options):
            # The streams themselves: a wrapper around ours would end every piece of output with a new line.
            work(tenants[0], stdout=self.stdout._out, stderr=self.stderr._out)
        elif self.processes > 1:
            self.each(tenants, partial(_run_prefixed, work=work))
        else:
            self.each(tenants, partial(_run_prefixed, work=work, stdout=self.stdout._out, stderr=self.stderr._out))

    def tell(self, outcome: Outcome) -> Outcome:
        """The command told what it did."""
        return super().tell(outcome) if outcome.error else outcome


class Shell(Subcommand):
    """Django's shell, with a tenant current and models imported."""

    name = "shell"
    help = "Django's shell inside of a tenant."
    examples = ("shell acme", "shell acme -c 'print(User.objects.count())'", "shell acme < script.py")
    json = False

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", metavar="SLUG")
        parser.add_argument("-c", "--command", metavar="CODE", help="Run this and exit.")
        parser.add_argument("-i", "--interface", choices=("ipython", "bpython", "python"), help="Which shell.")
        parser.add_argument("--allow-inactive", action="store_true", help="Also in a tenant that is not served.")

    def handle(self, options: dict[str, Any]) -> None:
        (tenant,) = self.find([options["slug"]])
        with tenant_context(tenant, allow_inactive=options["allow_inactive"]):
            call_command(
                "shell",
                command=options["command"],
                interface=options["interface"],
                # What it imported is no output of the code's.
                verbosity=0 if options["command"] else options["verbosity"],
            )


SUBCOMMANDS = (Run, Shell)


class _Prefixed:
    """A stream that begins each line with a tenant's slug, and writes whole lines."""

    def __init__(self, stream: IO[str], slug: str) -> None:
        self.stream, self.slug = stream, slug
        self._begun = ""

    def write(self, text: str) -> int:
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            self.stream.write(f"{self.slug}: {line}\n")
        return len(text)

    def flush(self) -> None:
        self.stream.flush()

    def isatty(self) -> bool:
        return False

    def close(self) -> None:
        if self._begun:
            self.write("\n")
        self.flush()


def _run_prefixed(tenant: AbstractTenant, work: Any, stdout: Any = None, stderr: Any = None) -> str:
    """Run a command with its output prefixed, what it prints by itself included."""
    out, err = _Prefixed(stdout or sys.stdout, tenant.slug), _Prefixed(stderr or sys.stderr, tenant.slug)
    stdin = sys.stdin
    try:
        with open(os.devnull) as nothing, redirect_stdout(out), redirect_stderr(err):
            sys.stdin = nothing
            work(tenant, stdout=out, stderr=err)
    except SystemExit as error:
        if error.code not in (None, 0):
            raise CommandError(f"exited with {error.code}") from error
    finally:
        sys.stdin = stdin
        out.close()
        err.close()
    return "done"


def _run(
    tenant: AbstractTenant, name: str, args: Sequence[str], allow_inactive: bool, stdout: Any, stderr: Any
) -> None:
    """Run a command inside of a tenant."""
    command = _load(name)
    # It would use `default` otherwise.
    if _takes_database(command, name) and not any(word.startswith("--database") for word in args):
        args = [*args, f"--database={tenant.db}"]
    # Django looks for records of migrations in `public`, where a tenant has none.
    command.requires_migrations_checks = False
    with tenant_context(tenant, allow_inactive=allow_inactive):
        call_command(command, *args, stdout=stdout, stderr=stderr)


def _load(name: str) -> BaseCommand:
    app = get_commands().get(name)
    if app is None:
        raise UsageError(f"There is no command {name!r}.")
    return load_command_class(app, name) if isinstance(app, str) else app


def _takes_database(command: BaseCommand, name: str) -> bool:
    """Tell whether a command can be told which database to use."""
    return any(action.dest == "database" for action in command.create_parser("manage.py", name)._actions)
