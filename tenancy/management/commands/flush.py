"""`manage.py flush`, which does not empty the registry by accident: the schemas of tenants would be left with none."""

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import connections
from django.template.defaultfilters import pluralize

from django_schemas.management.wrapping import command_behind

from ...registry import tenant_model
from ...states import Status

__all__ = ["Command"]

_Behind: Any = command_behind("flush", "tenancy")

# What Django's test cases tell the command, and nobody can type.
_BY_TESTS = "inhibit_post_migrate"


class Command(_Behind):  # type: ignore[misc]  # known when it runs
    """Django's, or that of an app that has its own."""

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the arguments."""
        super().add_arguments(parser)
        parser.add_argument(
            "--forget-tenants", action="store_true", help="Empty the registry too: schemas stay, and are no tenant's."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Flush.

        Raises:
            CommandError: that would empty a registry that has tenants; nothing was done.
        """
        if not options["forget_tenants"] and _BY_TESTS not in options:
            count = _tenants_lost(options["database"])
            if count:
                raise CommandError(
                    f"This would empty the registry, which has {count:,} tenant{pluralize(count)}, and leave their "
                    "schemas without any. To empty a tenant's tables: `manage.py tenant run SLUG -- flush`. To delete "
                    "tenants: `manage.py tenant delete` and `tenant purge`. To do it all the same: --forget-tenants."
                )
        super().handle(*args, **options)


def _tenants_lost(db: str) -> int:
    """How many tenants are in what would be emptied."""
    model = tenant_model()
    if model._meta.db_table not in connections[db].introspection.django_table_names(only_existing=True):
        return 0
    return model._default_manager.exclude(status=Status.GONE).count()
