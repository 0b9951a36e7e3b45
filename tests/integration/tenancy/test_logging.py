"""Log records tell whose they are, wherever they are made."""

import asyncio
import logging
import logging.config
import threading
from collections.abc import Iterator
from logging.handlers import QueueHandler, QueueListener
from queue import SimpleQueue
from typing import Any

import pytest
from asgiref.sync import async_to_sync

from django_schemas import schema_context, wrap_context
from tenancy import registry, tenant_context
from tenancy.contrib.logging import TenantFilter
from tenancy.models import Tenant
from tests.integration.tenancy.test_middleware import aget, get

pytestmark = pytest.mark.django_db(databases="__all__")

NOBODY = ("", "", "", "")


class Kept(logging.Handler):
    """Keeps what was logged, as it was formatted where it was logged."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.records: list[logging.LogRecord] = []
        self.setFormatter(logging.Formatter("{levelname} tenant={tenant} {schema}@{db} {message}", style="{"))

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))
        self.records.append(record)

    def whose(self) -> list[tuple[str, ...]]:
        return [whose(record) for record in self.records]


def whose(record: Any) -> tuple[str, ...]:
    return record.tenant, record.tenant_id, record.db, record.schema


def at_home(tenant: Tenant) -> tuple[str, ...]:
    return tenant.slug, str(tenant.pk), tenant.db, tenant.schema_name


@pytest.fixture
def kept() -> Iterator[Kept]:
    """A handler with the filter, of the logger `desk` and of Django's."""
    handler = Kept()
    handler.addFilter(TenantFilter())
    loggers = [logging.getLogger(name) for name in ("desk", "django.request", "tenancy.requests")]
    for logger in loggers:
        logger.addHandler(handler)
    yield handler
    for logger in loggers:
        logger.removeHandler(handler)


LOG = logging.getLogger("desk")


def test_each_record_is_its_tenants(kept: Kept, hooli: Tenant, umbrella: Tenant) -> None:
    """Nested or not, a record names the tenant that is current where it is made; outside of all it is nobody's."""
    LOG.warning("outside")
    with tenant_context(hooli):
        LOG.warning("in")
        with tenant_context(umbrella):
            LOG.warning("further in")
        LOG.warning("back")
    LOG.warning("out")
    assert kept.whose() == [NOBODY, at_home(hooli), at_home(umbrella), at_home(hooli), NOBODY]
    assert kept.lines[2] == "WARNING tenant=umbrella umbrella@shard2 further in"


def test_the_schema_that_is_asked_is_named(kept: Kept, hooli: Tenant) -> None:
    """Where somebody steps into another schema, that one is named: it is the one whose rows are worked on."""
    with tenant_context(hooli), schema_context("default", "vehement"):
        LOG.warning("there")
    with schema_context("default", "vehement"):
        LOG.warning("there")
    assert kept.whose() == [("hooli", str(hooli.pk), "default", "vehement"), ("", "", "default", "vehement")]


def test_tasks_and_threads(kept: Kept, hooli: Tenant, vehement: Tenant) -> None:
    """Tasks that take turns keep their own; a thread has what it was given, and nothing if it was given nothing."""

    async def work(tenant: Tenant) -> None:
        async with tenant_context(tenant):
            for _ in range(3):
                LOG.warning(tenant.slug)
                await asyncio.sleep(0)

    async def both() -> None:
        await asyncio.gather(work(hooli), work(vehement))

    async_to_sync(both)()
    with tenant_context(hooli):
        for function in (wrap_context(LOG.warning), LOG.warning):
            thread = threading.Thread(target=function, args=["thread"])
            thread.start()
            thread.join()
    assert [record.getMessage() for record in kept.records[:6]] == ["hooli", "vehement"] * 3
    assert kept.whose() == [*[at_home(hooli), at_home(vehement)] * 3, at_home(hooli), NOBODY]


def test_a_queue(hooli: Tenant, vehement: Tenant) -> None:
    """What a listener handles in its thread is whose it was where it was queued, though it filters again."""
    queue: SimpleQueue[logging.LogRecord] = SimpleQueue()
    first, second = QueueHandler(queue), Kept()
    for handler in (first, second):
        handler.addFilter(TenantFilter())
    listener = QueueListener(queue, second)
    LOG.addHandler(first)
    try:
        with tenant_context(hooli):
            LOG.warning("queued")
        with tenant_context(vehement):
            listener.start()
            listener.stop()
    finally:
        LOG.removeHandler(first)
    assert second.whose() == [at_home(hooli)]


def test_extra_is_left(kept: Kept, hooli: Tenant) -> None:
    """Who logs of another tenant says so."""
    with tenant_context(hooli):
        LOG.warning("billed", extra={"tenant": "globex"})
    assert (kept.records[0].tenant, kept.records[0].schema) == ("globex", "hooli")  # type: ignore[attr-defined]


@pytest.mark.parametrize("ask", [get, aget])
def test_requests(kept: Kept, hooli: Tenant, vehement: Tenant, ask: Any) -> None:
    """Django's own records of requests are the tenant's: of an error in a view, and of a 404 behind the middleware."""
    for slug in ("hooli", "vehement"):
        assert ask(f"{slug}.saas.test", "/broken/").status_code == 500
        assert ask(f"{slug}.saas.test", "/nowhere/").status_code == 404
    assert kept.whose() == [each for tenant in (hooli, vehement) for each in (at_home(tenant),) * 2]


@pytest.mark.parametrize("ask", [get, aget])
def test_refusals(kept: Kept, hooli: Tenant, ask: Any) -> None:
    """What was refused was nobody's, and is logged with the same format."""
    Tenant.objects.filter(pk=hooli.pk).update(status="suspended")
    registry.forget()
    assert ask("hooli.saas.test").status_code == 403
    assert ask("nobody.saas.test").status_code == 404
    assert kept.whose() == [NOBODY, NOBODY]


def test_other_requests(kept: Kept) -> None:
    """Other packages log other things as requests."""
    LOG.warning("of a socket", extra={"request": object()})
    assert kept.whose() == [NOBODY]


def test_configured_by_a_dict(hooli: Tenant, capfd: Any) -> None:
    """`LOGGING` names the filter by its path."""
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "filters": {"tenant": {"()": "tenancy.contrib.logging.TenantFilter"}},
            "formatters": {"line": {"format": "{name} {tenant} {message}", "style": "{"}},
            "handlers": {
                "console": {"class": "logging.StreamHandler", "filters": ["tenant"], "formatter": "line"},
            },
            "loggers": {"desk.mail": {"handlers": ["console"]}},
        }
    )
    with tenant_context(hooli):
        logging.getLogger("desk.mail").warning("sent")
    assert capfd.readouterr().err == "desk.mail hooli sent\n"
