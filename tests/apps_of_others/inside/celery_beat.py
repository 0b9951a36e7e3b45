"""django-celery-beat, its tables in the registry and in each tenant."""

from celery import Celery
from django_celery_beat.models import IntervalSchedule, PeriodicTask, PeriodicTasks
from django_celery_beat.schedulers import DatabaseScheduler

from tenancy import tenant_context
from tenancy.models import Tenant


def test_schedule(acme: Tenant, globex: Tenant, initech: Tenant) -> None:
    """A scheduler reads what is scheduled where it runs: within a tenant that one's, else the registry's."""

    def planned() -> set[str]:
        scheduler = DatabaseScheduler(app=Celery(set_as_current=False), lazy=True)
        return {task.name for task in scheduler.enabled_models() if not task.name.startswith("celery.")}

    for tenant in (None, acme, initech):
        with tenant_context(tenant) if tenant else _nobody():
            every, _ = IntervalSchedule.objects.get_or_create(every=10, period=IntervalSchedule.SECONDS)
            PeriodicTask.objects.create(name=tenant.slug if tenant else "platform", task="t", interval=every)
            assert PeriodicTasks.last_change() is not None
    found = []
    for tenant in (None, acme, globex, initech):
        with tenant_context(tenant) if tenant else _nobody():
            found.append(planned())
    assert found == [{"platform"}, {"acme"}, set(), {"initech"}]


def _nobody():  # type: ignore[no-untyped-def]
    from contextlib import nullcontext

    return nullcontext()
