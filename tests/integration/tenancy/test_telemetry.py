"""Spans of OpenTelemetry and events of Sentry tell whose they are: with the real packages, which send to nowhere."""

from collections.abc import Iterator
from io import BytesIO
from threading import Thread
from typing import Any

import pytest
import sentry_sdk
from asgiref.sync import async_to_sync
from django.db import connection, connections
from opentelemetry.instrumentation.django import DjangoInstrumentor
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sentry_sdk.envelope import Envelope
from sentry_sdk.integrations.django import DjangoIntegration
from sentry_sdk.transport import Transport

from django_schemas import wrap_context
from tenancy import tenant_context
from tenancy.contrib.opentelemetry import TenantSpanProcessor, response_hook
from tenancy.contrib.sentry import TenantIntegration
from tenancy.models import Tenant
from tests.integration.tenancy.test_middleware import aget, get


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def provider(exporter: InMemorySpanExporter) -> TracerProvider:
    made = TracerProvider()
    made.add_span_processor(TenantSpanProcessor())
    made.add_span_processor(SimpleSpanProcessor(exporter))
    return made


@pytest.fixture
def instrumented(provider: TracerProvider, committed: None, settings: Any) -> Iterator[None]:
    """Django and the driver instrumented, as their packages do it."""
    if connection.Database.__name__ == "psycopg2":
        from opentelemetry.instrumentation.psycopg2 import Psycopg2Instrumentor as DriverInstrumentor
    else:
        from opentelemetry.instrumentation.psycopg import PsycopgInstrumentor as DriverInstrumentor  # type: ignore
    settings.MIDDLEWARE = [*settings.MIDDLEWARE]
    instrumentors: list[Any] = [DjangoInstrumentor(), DriverInstrumentor()]
    connections.close_all()
    instrumentors[0].instrument(tracer_provider=provider, response_hook=response_hook)
    instrumentors[1].instrument(tracer_provider=provider, skip_dep_check=True)
    yield
    for instrumentor in instrumentors:
        instrumentor.uninstrument()
    connections.close_all()


def named(span: ReadableSpan) -> tuple[Any, Any]:
    attributes = span.attributes or {}
    return attributes.get("tenant.slug"), attributes.get("tenant.id")


def of(tenant: Tenant) -> tuple[str, str]:
    return tenant.slug, str(tenant.pk)


@pytest.mark.parametrize("ask", [get, aget])
def test_spans_of_requests(
    tenants: dict[str, Tenant], exporter: InMemorySpanExporter, instrumented: None, ask: Any
) -> None:
    """Each span of a request is its tenant's: the request's own, and those of its statements. No other's is."""
    for slug in ("hooli", "umbrella"):
        exporter.clear()
        assert ask(f"{slug}.saas.test", "/").json()["tenant"] == slug
        spans = exporter.get_finished_spans()
        (root,) = [span for span in spans if span.kind.name == "SERVER"]
        children = [span for span in spans if f'"{slug}"."garage_tag"' in str(span.attributes)]
        assert children
        assert {named(span) for span in (root, *children)} == {of(tenants[slug])}
    exporter.clear()
    assert ask("nobody.saas.test", "/").status_code == 404
    assert {named(span) for span in exporter.get_finished_spans()} == {(None, None)}


@pytest.mark.django_db(databases="__all__")
def test_spans_elsewhere(
    exporter: InMemorySpanExporter, provider: TracerProvider, hooli: Tenant, vehement: Tenant
) -> None:
    """A span is whose it begins as: nested, in a thread, in a task; around them it is nobody's."""
    tracer = provider.get_tracer("desk")

    def work() -> None:
        with tracer.start_as_current_span("work"):
            pass

    async def awork() -> None:
        async with tenant_context(vehement):
            work()

    with tracer.start_as_current_span("job"):
        for tenant in (hooli, vehement):
            with tenant_context(tenant):
                thread = Thread(target=wrap_context(work))
                thread.start()
                thread.join()
        with tenant_context(hooli):
            async_to_sync(awork)()
            work()
    found = [named(span) for span in exporter.get_finished_spans()]
    assert found == [of(hooli), of(vehement), of(vehement), of(hooli), (None, None)]


class Kept(Transport):
    """Keeps what would be sent."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[dict[str, Any]] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        for item in envelope.items:
            if item.type in ("event", "transaction"):
                self.events.append(item.payload.json or {})


@pytest.fixture
def sent(settings: Any) -> Iterator[list[dict[str, Any]]]:
    """What Sentry's package would send; its client is taken away again."""
    transport = Kept()
    settings.MIDDLEWARE = [*settings.MIDDLEWARE[:1], "tenancy.contrib.sentry.tag_request", *settings.MIDDLEWARE[1:]]
    with sentry_sdk.isolation_scope(), sentry_sdk.new_scope():
        sentry_sdk.init(
            dsn="http://key@localhost/1",
            transport=transport,
            integrations=[DjangoIntegration(), TenantIntegration()],
            traces_sample_rate=1.0,
        )
        yield transport.events
        sentry_sdk.get_client().close()
        sentry_sdk.Scope.get_global_scope().set_client(None)


def tags(event: dict[str, Any]) -> Any:
    ours = ("tenant", "tenant_id", "schema")
    return {name: value for name, value in (event.get("tags") or {}).items() if name in ours}


def tags_of(tenant: Tenant) -> dict[str, str]:
    return {"tenant": tenant.slug, "tenant_id": str(tenant.pk), "schema": tenant.schema_name}


@pytest.mark.django_db(databases="__all__")
def test_events(sent: list[dict[str, Any]], hooli: Tenant, vehement: Tenant) -> None:
    """An event is whose it was made as; outside of all it has no tag, and another client's has none."""
    sentry_sdk.capture_message("outside")
    with tenant_context(hooli):
        sentry_sdk.capture_message("in")
        with tenant_context(vehement):
            sentry_sdk.capture_message("further in")
    sentry_sdk.capture_message("out")
    assert [tags(event) for event in sent] == [{}, tags_of(hooli), tags_of(vehement), {}]
    sent.clear()
    other = Kept()
    sentry_sdk.init(dsn="http://key@localhost/1", transport=other, default_integrations=False)
    with tenant_context(hooli):
        sentry_sdk.capture_message("in")
    assert [tags(event) for event in other.events] == [{}]


@pytest.mark.django_db(databases="__all__")
@pytest.mark.parametrize("ask", [get, aget])
def test_events_of_requests(sent: list[dict[str, Any]], hooli: Tenant, vehement: Tenant, ask: Any) -> None:
    """The error of a view is its tenant's, one after the other; a refusal's is nobody's."""
    for tenant in (hooli, vehement):
        sent.clear()
        assert ask(f"{tenant.slug}.saas.test", "/broken/").status_code == 500
        assert tags_of(tenant) in [tags(event) for event in sent if "exception" in event]
        assert {tags(event).get("tenant") for event in sent if "exception" in event} == {tenant.slug}
    sentry_sdk.capture_message("behind")
    assert tags(sent[-1]) == {}


def test_transactions(sent: list[dict[str, Any]], tenants: dict[str, Tenant], committed: None) -> None:
    """The transaction of a request is its tenant's, though it ends behind the middleware."""
    from django.core.wsgi import get_wsgi_application

    application = get_wsgi_application()
    for slug in ("hooli", "vehement", "nobody"):
        environ = {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": "/",
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "HTTP_HOST": f"{slug}.saas.test",
            "wsgi.url_scheme": "http",
            "wsgi.input": BytesIO(),
        }
        body: Any = application(environ, lambda *args: None)
        list(body)
        body.close()
    found = [tags(event) for event in sent if event.get("type") == "transaction"]
    assert found == [tags_of(tenants["hooli"]), tags_of(tenants["vehement"]), {}]
