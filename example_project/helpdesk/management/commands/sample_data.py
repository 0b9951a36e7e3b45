"""`manage.py sample_data WITNESS`: fill an empty help desk with plausible rows."""

from typing import Any

from django.core.management import BaseCommand, CommandError, CommandParser

from ....accounts import PASSWORD, owner_of
from ...models import Customer
from ...sample_data import fill


class Command(BaseCommand):
    """Fill the help desk at hand; with tenants: `manage.py tenant run SLUG -- sample_data SLUG`."""

    help = "Fill an empty help desk with plausible rows, the same ones at every run."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("witness", help="A word of which each row's text holds a copy.")
        parser.add_argument("--password", default=PASSWORD, help="The owner's and the team's.")

    def handle(self, *args: Any, witness: str, password: str, **options: Any) -> str:
        if Customer.objects.exists():
            raise CommandError("There are customers already: sample data is for an empty help desk.")
        filled = fill(witness, password)
        return (
            f"{filled.customers} customers, {filled.tickets} tickets, {filled.comments} comments. "
            f"Log in as {owner_of(witness)}, password {password}."
        )
