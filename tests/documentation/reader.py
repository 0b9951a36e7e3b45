"""What a reader has in mind where a page begins, and what they do before and behind a block."""

from collections.abc import Callable
from typing import Any

from django.utils.module_loading import import_string

__all__ = ["AFTERWARDS", "BEFORE", "RUN_ELSEWHERE", "START", "names"]

RUN_ELSEWHERE = {
    "apps.md": "tests/apps_of_others compares it with its project, which has the apps",
    "live.md": "tests/integration/tenancy/test_channels runs it",
    "testing.md": "tests/testkit runs it, as tests",
}
"""Pages whose blocks are run by other tests, and by which."""

START = {"adopting.md": "saas.before", "tutorial.md": "saas.before"}
"""The settings that a page's blocks of settings go on from, where they are not `saas.settings`."""

BEFORE = {
    "background.md-2": """
app.conf.update(task_always_eager=True, task_eager_propagates=True)
app.set_default()
with tenant_context(acme):
    Ticket.objects.create(pk=7, subject='Waiting')
""",
    "background.md-7": """
def render(ticket):
    return current_tenant().slug
def tried(pool_map):
    return pool_map
outer = tenant_context(acme)
outer.__enter__()
tickets = list(Ticket.objects.all())
""",
    "credentials.md-3": "from tenancy.lifecycle import export\nexport(acme, 'acme.zip')",
    "provisioning.md-1": """
from celery import Celery
app = Celery("desk", task_always_eager=True, task_eager_propagates=True)
app.set_default()
""",
}
"""What was done before, by the id of the block that relies on it."""

AFTERWARDS = {
    "background.md-2": """
with tenant_context(acme):
    assert Ticket.objects.get(pk=7).reminded
""",
    "background.md-6": """
class Queue:
    def enqueue(self, function, *args):
        self.did = function(*args)
queue = Queue()
with tenant_context(globex):
    enqueue_here(queue, lambda *args: (current_tenant().slug, *args), 7)
assert queue.did == ('globex', 7) and current_tenant() is None
""",
    "background.md-7": """
outer.__exit__(None, None, None)
assert tickets
""",
    "README.md-3": "assert ticket.schema_name == 'acme' and Ticket.set_db('default', 'globex').objects.count() == 1",
    "across.md-1": "assert {slug for slug, in tickets.values_list('tenant')} == {'acme', 'globex', 'initech'}",
    "across.md-2": "assert Ticket.across(Tenant.objects.all()).filter(status='waiting', reminded=False).count() == 0",
    "admin.md-1": "assert platform_admin.is_registered(Tenant)",
    "connections.md-3": "assert not Order.inherit_db(order).objects.filter(pk=order.pk)",
    "connections.md-4": "assert order.pk and Order.inherit_db(order).objects.get(pk=order.pk) and plan.pk",
    "copying.md-1": """
with tenant_context(sandbox):
    assert {each.email for each in User.objects.all()} == {'somebody@acme.example'}
with tenant_context(restored):
    assert restored.db == 'shard2' and {each.email for each in User.objects.all()} == {'ada@acme.example'}
""",
    "copying.md-2": """
with tenant_context(acme):
    mask(acme, globex)
    assert {each.email for each in User.objects.all()} == {f'user{each.pk}@example.com' for each in User.objects.all()}
with tenant_context(globex):
    assert {each.email for each in User.objects.all()} == {'gina@globex.example'}
""",
    "credentials.md-3": """
with tenant_context(Tenant.objects.get(name='Acme as of May')):
    assert ApiKey.objects.count() == 0 and Ticket.objects.count() == 2
with tenant_context(acme):
    assert ApiKey.objects.count() == 1
""",
    "fleet.md-1": "assert outcome.state == 'current', outcome",
    "observability.md-3": """
with tenant_context(acme):
    span = trace.get_tracer('desk').start_span('work')
assert span.attributes['tenant.slug'] == 'acme', span.attributes
""",
    "provisioning.md-1": """
from django.conf import settings
from django.test import override_settings
with override_settings(TENANCY={**settings.TENANCY, 'PROVISIONING': enqueue}):
    Tenant.objects.create(name='Hooli')
assert Tenant.objects.get(slug='hooli').status == 'active'
""",
    "settings-per-tenant.md-2": """
from django.db import transaction
globex.settings['account'] = account.pk
with transaction.atomic():
    assert quota(globex) is None
    Tenant.objects.update(settings={'account': account.pk})
    assert quota(globex) == 'Ada has three already.'
    transaction.set_rollback(True)
""",
    "settings-per-tenant.md-3": """
with tenant_context(acme):
    assert new_ticket(request) is None
    request.tenant.settings['most_tickets'] = 1
    assert new_ticket(request).status_code == 402
""",
    "settings-per-tenant.md-5": """
from django.http import Http404
assert reports(request) is None
request.tenant = globex
try:
    reports(request)
except Http404:
    request.tenant = acme
else:
    raise AssertionError('globex has no such feature')
""",
    "settings-per-tenant.md-8": """
from tenancy.contrib.mail import TenantEmailBackend
with tenant_context(tenant):
    backend = TenantEmailBackend()
assert (backend.sender, backend.server.host, backend.server.port) == (
    'Acme <help@acme.example>', 'smtp.acme.example', 587
)
""",
}
"""What shows that a block did what its page says, or that runs what it only defines."""


_IMPORTED = (
    "django.contrib.auth.models.User",
    "django.contrib.auth.views.PasswordResetConfirmView",
    "django.contrib.auth.views.PasswordResetView",
    "django.db.transaction",
    "django.shortcuts.render",
    "django.urls.include",
    "django.urls.path",
    "plans.models.Account",
    "tenancy.models.Tenant",
    "tenancy.tenant_context",
    "tickets.models.ApiKey",
    "tickets.models.Comment",
    "tickets.models.Order",
    "tickets.models.Ticket",
)
"""What a page need not say where it is from: Django's own, and what the reader's project has."""


def names(page: str) -> dict[str, Any]:
    """The names that a page takes as known."""
    known = {**{path.rpartition(".")[2]: import_string(path) for path in _IMPORTED}, **_made()}
    return {**known, **_OF[page](known)} if page in _OF else known


def _made() -> dict[str, Any]:
    from django.contrib.admin import AdminSite
    from django.test import RequestFactory
    from plans.models import Account, Plan

    from tenancy.models import Tenant

    acme, globex, initech = (Tenant.objects.get(slug=slug) for slug in ("acme", "globex", "initech"))
    request = RequestFactory().get("/", HTTP_HOST="acme.saas.example")
    request.tenant = acme
    return {
        "tenant": acme,
        "acme": acme,
        "globex": globex,
        "initech": initech,
        "request": request,
        "platform_admin": AdminSite("platform"),
        "account": Account.objects.get(),
        "plan": Plan.objects.get(),
    }


def _elsewhere(known: dict[str, Any]) -> dict[str, Any]:
    """A tenant that is not in the registry's database."""
    tenant = known["initech"]
    return {"tenant": tenant, "order": known["Order"].set_db(tenant.db, tenant.schema_name)()}


_OF: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {"connections.md": _elsewhere}
"""What else, on some pages."""
