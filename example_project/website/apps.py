"""The app's declaration."""

from django.apps import AppConfig


class WebsiteConfig(AppConfig):
    """The public site. It has no models: what it makes are tenants."""

    name = "example_project.website"
    label = "website"
    verbose_name = "Public site"
