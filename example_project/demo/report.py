"""The table at the end: what each tenant saw."""

from rich.box import SIMPLE_HEAD
from rich.table import Table

from .desks import Desk
from .judging import Judged

WORDS = ("tenant", "database", "schema")
NUMBERS = (
    "provisioned",
    "tickets\nseen",
    "customers\nseen",
    "requests",
    "SQL\nstatements",
    "in a plain\nproject",
    "foreign\nrows seen",
)


def table_of(desks: list[Desk], judged: dict[str, Judged]) -> Table:
    """Return the table, one line for each tenant."""
    table = Table(box=SIMPLE_HEAD, collapse_padding=True, pad_edge=False)
    for word in WORDS:
        table.add_column(word, no_wrap=True)
    for number in NUMBERS:
        table.add_column(number, justify="right", no_wrap=True)
    for desk in desks:
        found = judged[desk.slug]
        table.add_row(
            desk.slug,
            desk.tenant.db,
            desk.tenant.schema_name,
            f"{desk.provisioning_ms:.0f} ms",
            f"{len(found.seen.tickets)} of {desk.filled.tickets}",
            f"{len(found.seen.customers)} of {desk.filled.customers}",
            str(len(found.seen.visits)),
            str(found.statements),
            str(found.plain),
            str(found.foreign),
        )
    return table
