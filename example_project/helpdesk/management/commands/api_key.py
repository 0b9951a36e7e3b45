"""`manage.py api_key NAME`: make a key for the JSON endpoint."""

from typing import Any

from django.core.management import BaseCommand, CommandParser

from ...models import ApiKey


class Command(BaseCommand):
    """Make a key in the help desk at hand; with tenants: `manage.py tenant run SLUG -- api_key NAME`."""

    help = "Make a key for the JSON endpoint and print it. A key of the same name ends."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="Who uses the key.")

    def handle(self, *args: Any, name: str, **options: Any) -> str:
        return ApiKey.issue(name)
