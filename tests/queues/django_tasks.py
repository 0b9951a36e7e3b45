"""The files of a project that uses Django's tasks, with the newest Django or, before Django 6, with the backport."""

from tests.queues.page import block

__all__ = ["FILES"]

_SETTINGS = """
import os
import environ
from tests.audit.processes import audit_process
from tools.driver import choose_driver

choose_driver()
ENGINE = "django_schemas.backends.postgres.wrapper"
_DATABASE = {**environ.Env.db_url_config(os.environ["DATABASE_URL"]), "ENGINE": ENGINE}
DATABASES = {
    "default": {**_DATABASE, "ENVIRONMENTS": ["registry", "tenant"]},
    "other": {**_DATABASE, "ENVIRONMENTS": ["tenant"]},
}
DATABASES["other"]["NAME"] += "_other"
DATABASE_ENVIRONMENTS = {"registry": {"SCHEMA_NAME": "registry", "APPS": ["django_tasks_db"]}, "tenant": {}}
DATABASE_ROUTERS = ["django_schemas.routers.ExplicitRouter"]
INSTALLED_APPS = ["django_schemas", "tenancy", "django_tasks_db", "jobs"]
TENANCY = {"TASKS_RETRY": {"moving": 1}, "LISTEN": False}
TASKS = {
    "default": {"BACKEND": "jobs.backends.DatabaseBackend"},
    "now": {"BACKEND": "jobs.backends.ImmediateBackend"},
    "plain": {"BACKEND": "jobs.backends.PlainBackend"},
}
SECRET_KEY = "for tests only"
USE_TZ = True
audit_process()
"""

_BACKENDS = (
    block("Django's tasks")
    + """

try:
    from django.tasks.backends.immediate import ImmediateBackend as PlainBackend
except ImportError:
    from django_tasks.backends.immediate import ImmediateBackend as PlainBackend


class ImmediateBackend(TenantBackend, PlainBackend):
    pass
"""
)

_MODELS = """
from django_schemas import models


class Job(models.Model):
    name = models.CharField(max_length=40)
    witness = models.CharField(max_length=40)

    class Meta:
        db_environment = "tenant"
"""

_TASKS = """
from jobs.models import Job
from django_schemas import active_placement
from tenancy import current_tenant

try:
    from django.tasks import task
except ImportError:
    from django_tasks import task


def who():
    tenant, placement = current_tenant(), active_placement()
    assert (tenant and tenant.placement) == placement
    return tenant and tenant.slug


@task
def write(name, **more):
    Job.objects.create(name=name, witness=who())
    return [who(), more]


@task(takes_context=True)
def spread(context, name):
    write.enqueue(name=f"{name} spread", attempt=context.attempt)
    return who()


@task
async def awrite(name):
    await Job.objects.acreate(name=name, witness=who())
    return who()


@task
def platform():
    return who()


@task(backend="now")
def now(name):
    Job.objects.create(name=name, witness=who())
    return who()


@task(backend="plain")
def plain():
    return who()
"""

FILES = {
    "settings.py": _SETTINGS,
    "jobs/__init__.py": "",
    "jobs/backends.py": _BACKENDS,
    "jobs/models.py": _MODELS,
    "jobs/tasks.py": _TASKS,
    "jobs/migrations/__init__.py": "",
}
