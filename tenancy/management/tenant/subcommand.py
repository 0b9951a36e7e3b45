"""What every subcommand is made of: choosing tenants, asking before data go, telling what was done."""

import json
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from time import monotonic
from typing import IO, Any, ClassVar, cast

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, ProgressColumn, Task, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from ...lifecycle.sizes import size_of
from ...models import AbstractTenant
from ...ownership import schemas_owned
from . import selecting
from .facts import facts_of
from .failing import UsageError
from .workers import Outcome, do_all

__all__ = ["Subcommand", "positive"]


class Subcommand(ABC):
    """One word behind `manage.py tenant`.

    With `--json` there is one document on stdout and nothing else: what `say` says goes to stderr.

    Attributes:
        name: the word.
        help: what it does, in a sentence.
        examples: of what may be typed behind `manage.py tenant`.
        everyone: statuses of the tenants that `--all` means; None: all tenants. No selectors but slugs if empty.
        destructive: whether it asks for each slug to be typed, or takes `--yes-really`.
        json: whether it takes `--json`.
        parallel: whether it takes `--parallel`.
        anywhere: whether it may be asked of tenants whose database is not in DATABASES.
    """

    name: ClassVar[str]
    help: ClassVar[str]
    examples: ClassVar[Sequence[str]] = ()
    everyone: ClassVar[Collection[str] | None] = ()
    destructive: ClassVar[bool] = False
    json: ClassVar[bool] = True
    parallel: ClassVar[bool] = False
    anywhere: ClassVar[bool] = False

    def __init__(self, command: BaseCommand) -> None:
        self.command = command
        self.stdout, self.stderr, self.style = command.stdout, command.stderr, command.style
        self.for_machines = False
        self.processes = 1
        self._bar: Progress | None = None

    @abstractmethod
    def add_arguments(self, parser: CommandParser) -> None:
        """Add what it takes."""

    @abstractmethod
    def handle(self, options: dict[str, Any]) -> None:
        """Do it."""

    def configure(self, parser: CommandParser) -> None:
        """Add what it takes, and what all take."""
        self.add_arguments(parser)
        if self.json and "--json" not in parser._option_string_actions:
            parser.add_argument("--json", action="store_true", help="For machines: one document on stdout.")
        if self.parallel:
            parser.add_argument(
                "--parallel", type=positive, default=1, metavar="N", help="Work on N tenants at a time, in processes."
            )

    def run(self, options: dict[str, Any]) -> None:
        """Do it as the options that all take say."""
        refuse_no_text(options)
        self.for_machines = options.get("json", False)
        self.processes = options.get("parallel", 1)
        self.handle(options)

    def add_selectors(self, parser: CommandParser) -> None:
        """Add the arguments that choose tenants, and that say yes to what is asked."""
        parser.add_argument("slugs", nargs="*", metavar="SLUG")
        if self.everyone is None or self.everyone:
            selecting.add_selectors(parser)
        if self.destructive:
            parser.add_argument(
                "--yes-really",
                action="append",
                default=[],
                metavar="SLUG",
                help="Do it without asking for SLUG; ALL: for any that --all and the like choose.",
            )

    def selected(self, options: dict[str, Any]) -> list[AbstractTenant]:
        """The tenants that were chosen.

        Raises:
            UsageError: none was chosen, or one that is not there, or whose database is not.
        """
        return self._in_settings(selecting.choose(options, self.everyone))

    def selected_or_all(self, options: dict[str, Any]) -> tuple[list[AbstractTenant], bool]:
        """The tenants that were chosen, all if none were; and whether these are all."""
        chosen = bool(options["slugs"]) or selecting.selects(options)
        everyone = not chosen or (options["all"] and not selecting.narrows(options))
        return self.selected(options if chosen else {**options, "all": True}), everyone

    def find(self, slugs: Iterable[str]) -> list[AbstractTenant]:
        """The tenants with these slugs, in their order.

        Raises:
            UsageError: one is not there, or its database is not.
        """
        return self._in_settings(selecting.by_slugs(list(slugs)))

    def _in_settings(self, tenants: list[AbstractTenant]) -> list[AbstractTenant]:
        lost = next((tenant for tenant in tenants if tenant.db not in connections.settings), None)
        if lost is not None and not self.anywhere:
            raise UsageError(
                f"Tenant {lost.slug!r} is in database {lost.db!r}, which is not in DATABASES, so nothing was done: "
                "put it back. `tenant databases` tells how many are there; --db NAME chooses those of another."
            )
        return tenants

    def confirm(self, tenants: Sequence[AbstractTenant], options: dict[str, Any], consequence: str) -> None:
        """Have each tenant's slug typed, or the number of those that were chosen otherwise; unless `--yes-really` did.

        Raises:
            UsageError: it was not, or nobody is there to ask.
        """
        yes, chosen = options["yes_really"], selecting.selects(options)
        # No slug is upper case.
        asked = [tenant for tenant in tenants if tenant.slug not in yes and not (chosen and "ALL" in yes)]
        if not asked:
            return
        if not sys.stdin.isatty():
            wanted = " ".join(f"--yes-really={tenant.slug}" for tenant in asked)
            raise UsageError(f"Nobody is here to ask: say {wanted}" + (", or --yes-really=ALL." if chosen else "."))
        for tenant in asked:
            self.say(f"Tenant {tenant.slug} ({tenant.name}, {tenant.placement}): {_held(tenant)}. {consequence}")
            if not chosen and self._typed("Type its slug to go on: ") != tenant.slug:
                raise UsageError("That is not its slug: nothing was done.")
        if chosen and self._typed(f"Type how many tenants these are to go on ({len(asked)}): ") != str(len(asked)):
            raise UsageError("That is not their number: nothing was done.")

    def each(self, tenants: Sequence[AbstractTenant], function: Callable[[AbstractTenant], str | None]) -> None:
        """Do something to each tenant, tell of each what the function returns, or its status.

        Raises:
            CommandError: any failed; the others were done.
        """
        outcomes = []
        with self.progress(len(tenants)) as advance:
            for outcome in do_all(tenants, function, self.processes):
                outcomes.append(self.tell(outcome))
                advance()
        self.conclude(outcomes)

    def tell(self, outcome: Outcome) -> Outcome:
        """Tell people what became of one tenant."""
        if outcome.error:
            self.stderr.write(self.style.ERROR(f"{outcome.slug}: {outcome.error}"))
        elif not self.for_machines:
            self.say(f"{outcome.slug}: {outcome.done}")
        return outcome

    def told(self, tenant: AbstractTenant, what: str) -> None:
        """Tell people what was done to a tenant, and machines what it is now."""
        if self.for_machines:
            self.dump(facts_of([tenant])[0])
        else:
            self.say(what)

    def conclude(self, outcomes: Sequence[Outcome]) -> None:
        """Tell machines what became of all.

        Raises:
            CommandError: any failed.
        """
        if self.for_machines:
            self.dump([asdict(outcome) for outcome in sorted(outcomes, key=lambda each: each.slug)])
        elif not outcomes:
            self.say("No tenant matches.")
        failed = sorted(outcome.slug for outcome in outcomes if outcome.error)
        if failed:
            raise CommandError(f"Not done for {', '.join(failed)}.")

    @contextmanager
    def progress(self, total: int) -> Iterator[Callable[[], None]]:
        """A bar on stderr with rate and time left; call what it yields for each. Where no terminal is, and it takes
        long, a line now and then.
        """
        if total < 2 or not self.stderr.isatty():
            yield partial(next, _lines(self.name, total, self.stderr.write))
            return
        columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
        console = Console(file=cast(IO[str], self.stderr._out))
        with Progress(*columns, console=console, transient=True, redirect_stdout=False) as bar:
            task = bar.add_task(self.name, total=total)
            self._bar = bar if self.stdout.isatty() else None
            try:
                yield lambda: bar.advance(task)
            finally:
                self._bar = None

    def table(self, header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
        """Write a table for people: drawn on a terminal, in columns elsewhere."""
        if self.stdout.isatty():
            table = Table(*header, box=None, header_style="bold", pad_edge=False)
            for row in rows:
                table.add_row(*map(Text, row))
            Console(file=cast(IO[str], self.stdout._out)).print(table)
            return
        lines = [header, *rows]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        for line in lines:
            self.say("  ".join(map(str.ljust, line, widths)).rstrip())

    def dump(self, value: Any) -> None:
        """Write JSON for machines."""
        self.stdout.write(json.dumps(value, indent=2))

    def say(self, text: str) -> None:
        """Write a line for people."""
        if self._bar is not None:
            self._bar.console.print(Text.from_ansi(text))
        else:
            (self.stderr if self.for_machines else self.stdout).write(text)

    def _typed(self, question: str) -> str:
        # Not by input(): that would ask on stdout, which may be for machines.
        self.stderr.write(question, self.style.NOTICE, ending="")
        self.stderr.flush()
        return sys.stdin.readline().strip()


class _Rate(ProgressColumn):
    """How many are done in a second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.1f}/s" if task.speed else "")


_EACH_S = 10.0
"""How often a line tells how far it came, where there is no terminal."""


def _lines(name: str, total: int, write: Callable[[str], object]) -> Iterator[None]:
    """Write a line now and then; a step for each that is done."""
    begun_s = told_s = monotonic()
    for done in range(1, total + 1):
        now_s = monotonic()
        if now_s - told_s >= _EACH_S:
            told_s = now_s
            rate = done / (now_s - begun_s)
            write(f"{name}: {done:,} of {total:,}, {rate:,.1f} a second, {(total - done) / rate:,.0f} s left")
        yield
    while True:
        yield


def positive(text: str) -> int:
    """An argument that is a number from 1 on."""
    value = int(text)
    if value < 1:
        raise ValueError(text)
    return value


def refuse_no_text(options: dict[str, Any]) -> None:
    """Raise CommandError if a word that was typed can't be in a database: bytes that are no UTF-8, or a NUL."""
    for value in options.values():
        for word in value if isinstance(value, list | tuple) else [value]:
            if isinstance(word, str) and ("\0" in word or word != word.encode(errors="replace").decode()):
                raise CommandError(f"{word!r} is no text: PostgreSQL takes neither bytes that are no UTF-8 nor NUL.")


def _held(tenant: AbstractTenant) -> str:
    """What a tenant's schemas hold, in words: its own, and what a move left."""
    return " + ".join(str(size_of(place)) for place in schemas_owned(tenant)) or "no schema"
