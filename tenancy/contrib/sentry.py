"""Events of Sentry that tell whose they are: the tags `tenant`, `tenant_id` and `schema`.

Needs the extra `sentry`. Whose an event is, is asked as it is made, where it is made. A transaction, by which Sentry
tells how long a request took, ends when the tenant is not current any more: it is tagged beforehand, by `tag_request`.
"""

from collections.abc import Callable
from typing import Any

import sentry_sdk
from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest
from django.utils.decorators import sync_and_async_middleware
from sentry_sdk.integrations import Integration
from sentry_sdk.scope import add_global_event_processor

from .identity import current_identity

__all__ = ["TenantIntegration", "tag_request"]


class TenantIntegration(Integration):
    """Tags each event: `sentry_sdk.init(integrations=[TenantIntegration()])`."""

    identifier = "django-schemas-tenancy"

    @staticmethod
    def setup_once() -> None:
        """Have events tagged in this process."""
        add_global_event_processor(_tag)


def _tag(event: Any, hint: Any) -> Any:
    if sentry_sdk.get_client().get_integration(TenantIntegration) is not None:
        event["tags"] = {**event.get("tags", {}), **_tags()}
    return event


@sync_and_async_middleware
def tag_request(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Tag the transaction of a request: a middleware, to stand behind `TenantMiddleware`."""
    middleware: Callable[[HttpRequest], Any]
    if iscoroutinefunction(get_response):

        async def middleware(request: HttpRequest) -> Any:
            _tag_transaction()
            return await get_response(request)

    else:

        def middleware(request: HttpRequest) -> Any:
            _tag_transaction()
            return get_response(request)

    return middleware


def _tag_transaction() -> None:
    # Not the scope: where nobody forks it for each request, the next one would have the tags too.
    transaction = sentry_sdk.get_current_scope().transaction
    for name, value in _tags().items() if transaction is not None else ():
        transaction.set_tag(name, value)


def _tags() -> dict[str, str]:
    found = current_identity()
    tags = {"tenant": found.tenant, "tenant_id": found.tenant_id, "schema": found.schema}
    return {name: value for name, value in tags.items() if value}
