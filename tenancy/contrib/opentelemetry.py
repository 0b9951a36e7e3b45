"""Spans of OpenTelemetry that tell whose they are: `tenant.id` and `tenant.slug`, which are missing where nobody's are.

Needs the extra `opentelemetry`. Whose a span is, is asked as it begins; that of a request begins before its tenant is
known, and is told by `response_hook`.
"""

from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.trace import Span, SpanProcessor

from ..context import current_tenant

__all__ = ["TenantSpanProcessor", "response_hook"]


class TenantSpanProcessor(SpanProcessor):
    """Names the current tenant on each span that begins: `provider.add_span_processor(TenantSpanProcessor())`."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Name it."""
        _name(span, current_tenant())


def response_hook(span: Any, request: Any, response: Any) -> None:
    """Name the tenant of a request on its span: `DjangoInstrumentor().instrument(response_hook=response_hook)`."""
    _name(span, getattr(request, "tenant", None))


def _name(span: Any, tenant: Any) -> None:
    if tenant is not None:
        span.set_attributes({"tenant.id": str(tenant.pk), "tenant.slug": tenant.slug})
