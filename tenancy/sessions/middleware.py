"""The middleware for tenants on one host, told apart by the path: each has a cookie of its own there.

Where each tenant has a host of its own, Django's middleware does.
"""

from django.contrib.sessions import middleware
from django.http import HttpRequest, HttpResponse
from django.urls import get_script_prefix

from ..conf import conf

__all__ = ["SessionMiddleware"]


class SessionMiddleware(middleware.SessionMiddleware):
    """Django's, whose cookie is sent to the tenant's path alone, instead of to `SESSION_COOKIE_PATH`."""

    def process_request(self, request: HttpRequest) -> None:
        """Take the session of this owner out of those that the browser sent: that of the public host is there too."""
        super().process_request(request)
        if request.session.session_key is None:
            stores = map(self.SessionStore, _values(request.META.get("HTTP_COOKIE", ""), conf.session_cookie_name))
            request.session = next((store for store in stores if store.session_key), request.session)

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        """Save the session, and send its cookie."""
        response = super().process_response(request, response)
        if conf.session_cookie_name in response.cookies:
            response.cookies[conf.session_cookie_name]["path"] = get_script_prefix()
        return response


def _values(header: str, name: str) -> list[str]:
    """All that a header of cookies holds by one name. Django keeps the last alone."""
    pairs = (pair.partition("=") for pair in header.split(";"))
    return [value.strip().strip('"') for key, _, value in pairs if key.strip() == name]
