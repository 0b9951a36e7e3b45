"""What servers serve that tests start: this site, with the test databases and the settings that a variable names."""

from typing import Any

from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler

from tests.apps.site.starting import set_up

set_up()

from tests.apps.site.views import note_rest  # noqa: E402

_wsgi, _asgi = WSGIHandler(), ASGIHandler()


def wsgi(environ: dict[str, Any], start_response: Any) -> Any:
    """Serve a request; what the one before left in this thread is noted."""
    note_rest()
    return _wsgi(environ, start_response)


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    """The same."""
    note_rest()
    await _asgi(scope, receive, send)
