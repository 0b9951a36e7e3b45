"""The entry point of pytest: brings the fixtures into projects that have this app and pytest-django.

pytest imports it before any settings are known, so it imports nothing of Django's itself.
"""

import pytest

__all__ = ["pytest_sessionstart"]


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Offer the fixtures."""
    plugins = session.config.pluginmanager
    if not plugins.hasplugin("django"):
        return
    from django.apps import apps

    if apps.ready and apps.is_installed("tenancy"):
        from . import fixtures

        plugins.register(fixtures, "tenancy.fixtures")
