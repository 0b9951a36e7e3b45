"""The app: connects provisioning and the registry's cache to the signals they listen to, and confines transactions."""

from django.apps import AppConfig
from django.conf import settings
from django.db.models.signals import post_delete, post_save, pre_delete

from django_schemas.membership import refuse_unprepared
from django_schemas.remedies import Remedies

from .conf import conf

__all__ = ["TenancyConfig"]

# Migrations name swappable models by these settings, so they must be there even in a project that keeps the defaults.
for _name, _label in (("TENANCY_TENANT_MODEL", conf.tenant_model), ("TENANCY_DOMAIN_MODEL", conf.domain_model)):
    setattr(settings, _name, _label)


class TenancyConfig(AppConfig):
    """Put `"tenancy"` into INSTALLED_APPS, behind `"django_schemas"`."""

    name = "tenancy"
    verbose_name = "Tenancy"
    default_auto_field = "django.db.models.BigAutoField"

    def import_models(self) -> None:
        """Import the models, which no Django without `django_schemas` understands."""
        refuse_unprepared()
        super().import_models()

    def ready(self) -> None:
        """Connect the receivers, register the checks."""
        from django_schemas import confining, remarks, remedies, roles

        from . import checks, privileges, registry, sharing, signals  # noqa: F401  # checks register themselves
        from .atomicity import confine_transactions
        from .blueprints import use_registry
        from .contrib.comments import comment_maker
        from .limits import has_limits
        from .models import refuse_deletion
        from .provisioning import on_created

        tenant_model, domain_model = registry.tenant_model(), registry.domain_model()
        use_registry()
        roles.serve(conf.serving_login)
        confining.timed(has_limits)
        remarks.use(comment_maker)
        remedies.use(_remedies)
        confine_transactions()
        signals.tenant_created.connect(on_created, sender=tenant_model, dispatch_uid="tenancy.provisioning")
        pre_delete.connect(refuse_deletion, sender=tenant_model, dispatch_uid="tenancy.refuse_deletion")
        for model in (tenant_model, domain_model):
            for signal in (post_save, post_delete):
                signal.connect(registry.tell_of_change, sender=model, dispatch_uid=f"tenancy.tell.{model._meta.label}")


def _remedies(environment: str) -> Remedies | None:
    """What to type for tenants."""
    if environment != conf.environment:
        return None
    return Remedies(migrate="`manage.py tenant migrate`", run="`manage.py tenant run SLUG -- COMMAND`")
