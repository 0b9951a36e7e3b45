"""The app in a worker's process: with the test databases, and the settings that a variable names."""

from tests.apps.site.starting import set_up

set_up()

from tests.queues.app import app  # noqa: E402

__all__ = ["app"]
