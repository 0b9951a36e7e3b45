"""The app's declaration."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_delete, post_save


class HelpdeskConfig(AppConfig):
    """The help desk; its models belong to the environment `tenant`."""

    name = "example_project.helpdesk"
    label = "helpdesk"
    verbose_name = "Help desk"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Have pages that are open hear of tickets that are saved or deleted."""
        for signal in (post_save, post_delete):
            signal.connect(tell, sender="helpdesk.Ticket", dispatch_uid="helpdesk.tell")


def tell(using: str, **kwargs: Any) -> None:
    """Tell of a change; a receiver of model signals."""
    from .. import notices  # It needs Django to be set up.

    notices.tell(using)
