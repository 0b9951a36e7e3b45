"""The app's declaration."""

from django.apps import AppConfig


class HelpdeskConfig(AppConfig):
    """The help desk; its models belong to the environment `tenant`."""

    name = "example_project.helpdesk"
    label = "helpdesk"
    verbose_name = "Help desk"
    default_auto_field = "django.db.models.BigAutoField"
