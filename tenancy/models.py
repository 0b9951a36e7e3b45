"""The registry: tenants, each with the placement it owns, and the hosts it is reached by.

Both models are swappable by `TENANCY_TENANT_MODEL` and `TENANCY_DOMAIN_MODEL`: extend the abstract ones. What must
hold is also a constraint in the database, so `bulk_create` and raw SQL can't get round it.
"""

import uuid
from collections.abc import Mapping
from copy import deepcopy
from types import MappingProxyType
from typing import Any, ClassVar, Self

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import IntegrityError, models, router, transaction
from django.utils import timezone
from django.utils.text import slugify

from django_schemas.alias import SchemaAlias
from django_schemas.environments import alias_for
from django_schemas.exceptions import ConfigError, InvalidSchemaName
from django_schemas.identifiers import MAX_BYTES, validate_schema_name
from django_schemas.placement import Placement

from . import signals
from .blueprints import KeptBlueprint
from .conf import REGISTRY, conf
from .events import TenantEvent, record
from .exceptions import TenancyError, TenantExists, TenantNotActive
from .hosts import HOST, canonical_host
from .managers import TenantManager
from .placing import choose_database
from .pool import PooledSchema
from .quotas import refuse_beyond_quota
from .runs import FleetRun
from .states import Status, check_transition

__all__ = [
    "AbstractDomain",
    "AbstractTenant",
    "Domain",
    "FleetRun",
    "KeptBlueprint",
    "PooledSchema",
    "Tenant",
    "TenantEvent",
]

SLUG = r"\A[a-z0-9]([a-z0-9-]*[a-z0-9])?\Z"
_SCHEMA = r"\A[a-z_][a-z0-9_-]*\Z"
_RESERVED_SCHEMA = r"\A(pg_.*|information_schema|public)\Z"

_ACTIVE = Status.ACTIVE.value
_LIFE = ("slug", "db", "schema_name", "status", "status_reason", "status_since", "work", "migrated_to")
"""What changes by the functions of `lifecycle` alone."""

validate_slug = RegexValidator(
    SLUG, "Use lower-case letters, digits and hyphens, with a letter or digit at both ends.", "invalid"
)


class AbstractTenant(models.Model):
    """A customer, who owns one schema in one database.

    Attributes:
        name: for people.
        slug: for machines: unique, a valid label of a host name.
        db: alias of the writable database.
        schema_name: name of the schema there.
        status: see `states.Status`.
        status_reason: why it has this status, if there is something to say: the error of a failed provisioning.
        status_since: since when it has it.
        settings: what the project keeps of this tenant: plan, limits, features.
        work: what is being done to it, and how far that has come, so that it can be resumed: see `work`. None mostly.
        migrated_to: how far its schema has come, as far as is known: see `standing`.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=200)
    slug = models.CharField(max_length=MAX_BYTES, unique=True, validators=[validate_slug], blank=True)
    db = models.CharField("database", max_length=MAX_BYTES, blank=True)
    schema_name = models.CharField("schema", max_length=MAX_BYTES, blank=True)
    status = models.CharField(max_length=20, choices=Status, default=Status.PROVISIONING, editable=False)
    status_reason = models.TextField(blank=True, default="", editable=False)
    status_since = models.DateTimeField(default=timezone.now, editable=False)
    settings = models.JSONField(default=dict, blank=True)
    work = models.JSONField(null=True, blank=True, editable=False)
    migrated_to = models.JSONField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects: ClassVar[TenantManager[Self]] = TenantManager()

    _life: Mapping[str, Any] = MappingProxyType({})

    class Meta:
        abstract = True
        db_environment = REGISTRY
        ordering = ("slug",)
        constraints = (
            models.UniqueConstraint(fields=("db", "schema_name"), name="%(app_label)s_%(class)s_placement"),
            models.CheckConstraint(condition=models.Q(slug__regex=SLUG), name="%(app_label)s_%(class)s_slug"),
            models.CheckConstraint(
                condition=models.Q(schema_name__regex=_SCHEMA) & ~models.Q(schema_name__regex=_RESERVED_SCHEMA),
                name="%(app_label)s_%(class)s_schema_name",
            ),
        )

    def __str__(self) -> str:
        return self.name or self.slug

    def natural_key(self) -> tuple[str]:
        """The slug."""
        return (self.slug,)

    @property
    def placement(self) -> Placement:
        """Where this tenant's rows live."""
        return Placement(self.db, self.schema_name)

    @property
    def registry(self) -> str:
        """Alias of the writable database that its row is in."""
        return str(router.db_for_write(type(self), instance=self))

    @property
    def alias(self) -> SchemaAlias:
        """The database alias that remembers this tenant's schema."""
        return alias_for(self.db, self.schema_name, (conf.environment,))

    @property
    def is_active(self) -> bool:
        """Whether this tenant is served."""
        return self.status == _ACTIVE

    def name_across(self) -> tuple[str, str]:
        """How `Model.across` names this tenant: by its slug, in a column `tenant`.

        Raises:
            TenantNotActive: it is not served; its placement may be asked all the same.
        """
        if not self.is_active:
            raise TenantNotActive(
                f"Tenant {self.slug!r} is {self.status}, not active: leave it out, or give its placement instead."
            )
        return "tenant", self.slug

    def clean(self) -> None:
        """Fill in what was left blank, and check what was not."""
        super().clean()
        self._complete()

    @classmethod
    def from_db(cls, *args: Any, **kwargs: Any) -> Self:
        """Make the object of a row, which knows what it was read as."""
        tenant = super().from_db(*args, **kwargs)
        tenant._note_life()
        return tenant

    def refresh_from_db(self, *args: Any, **kwargs: Any) -> None:
        """Read the row again; from the primary, unless told otherwise: what is done to tenants goes by it."""
        if not args:
            kwargs["using"] = kwargs.get("using") or self.registry
        super().refresh_from_db(*args, **kwargs)
        self._note_life()

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save the row; for a new tenant choose slug, schema and database where not given, and provision it.

        What has functions of its own (status, placement, slug, work, standing) is written by these alone, so an object
        that was read a while ago undoes nothing that was done to the tenant since. A status that was assigned is set as
        by `set_status`.

        Raises:
            IllegalTransition: a status was assigned that may not follow the present one.
            TenancyError: another of these was assigned to, of a tenant that is there already.
            ValidationError: the name yields no slug, or the slug or schema is not valid.
            TenantExists: the slug or the placement is taken.
            QuotaExceeded: `TENANCY["QUOTA"]` refuses this tenant; nothing was made.
            ProvisioningFailed: the schema could not be made; the row is kept with status *failed*.
        """
        using = kwargs.get("using") or self.registry
        if self._state.adding:
            self._complete()
            try:
                with transaction.atomic(using=using):
                    refuse_beyond_quota(self)
                    super().save(*args, **kwargs)
                    self._refuse_promised(using)
                    record(self, "created", new=self.status, placement=str(self.placement))
            except IntegrityError as error:
                raise TenantExists(
                    f"Slug {self.slug!r} or schema {self.schema_name!r} on {self.db!r} is taken by another tenant, "
                    f"maybe a deleted one that is not purged yet.{self._how_to_go_on(using)}"
                ) from error
            self._note_life()
            signals.tenant_created.send(sender=type(self), tenant=self)
            return
        if kwargs.get("update_fields") is None:
            kwargs["update_fields"] = self._own_fields()
            if "status" in self._life and self.status != self._life["status"]:
                with transaction.atomic(using=using):
                    self.set_status(self.status, self.status_reason)
                    self.save(*args, **kwargs)
                return
        super().save(*args, **kwargs)
        self._note_life()

    def set_status(self, status: str, reason: str = "", *, was: str | None = None, **changes: Any) -> None:
        """Move to another status, if it may follow the present one; log it, and tell by `tenant_status_changed`.

        The row is locked and read first, so of two who try to move it one finds it moved.

        Args:
            status: one of `Status`.
            reason: why.
            was: the one status it may come from; any that the new one may follow if None.
            changes: other fields that change with it, in the same transaction.

        Raises:
            IllegalTransition: it may not follow.
        """
        using = self.registry
        with transaction.atomic(using=using):
            row = type(self)._default_manager.using(using).select_for_update().get(pk=self.pk)
            old = row.status
            check_transition(self.slug, old, status, was)
            self.status, self.status_reason, self.status_since = status, reason, timezone.now()
            for field, value in changes.items():
                setattr(self, field, value)
            self.save(update_fields=("status", "status_reason", "status_since", "updated_at", *changes))
            record(self, "status", old=old, new=status, reason=reason)
            transaction.on_commit(
                lambda: signals.tenant_status_changed.send(
                    sender=type(self), tenant=self, old=old, new=status, reason=reason
                ),
                using=using,
            )

    def _own_fields(self) -> list[str]:
        """Names of the fields that the project writes as it likes; of those that were read, if not all were."""
        changed = [name for name, value in self._life.items() if getattr(self, name) != value]
        if not {"status", "status_reason"}.issuperset(changed):
            raise TenancyError(
                f"Tenant {self.slug!r}: {', '.join(changed)} can't be changed by assigning: use tenancy.lifecycle "
                "(rename, move, delete, ...)."
            )
        unread = self.get_deferred_fields()
        fields = [field for field in self._meta.concrete_fields if not field.primary_key]
        return [field.name for field in fields if field.name not in _LIFE and field.attname not in unread]

    def _note_life(self) -> None:
        # Of these `work` alone can be changed in place; each request makes a tenant.
        life = {name: self.__dict__[name] for name in _LIFE if name in self.__dict__}
        self._life = {**life, "work": deepcopy(life["work"])} if "work" in life else life

    def _refuse_promised(self, using: str) -> None:
        """Raise TenantExists if another tenant is being moved to this placement."""
        movers = type(self)._default_manager.using(using).filter(work__to=self.db, work__schema=self.schema_name)
        for mover in movers.exclude(pk=self.pk):
            raise TenantExists(f"Tenant {mover.slug!r} is being moved to {self.placement}: choose another schema.")

    def _how_to_go_on(self, using: str) -> str:
        unfinished = (
            type(self)
            ._default_manager.using(using)
            .filter(slug=self.slug, status__in=(Status.PROVISIONING, Status.FAILED))
        )
        status = unfinished.values_list("status", flat=True).first()
        return f" That one is {status}: `manage.py tenant resume-work {self.slug}` goes on with it." if status else ""

    def _complete(self) -> None:
        self.slug = self.slug or slug_of(self.name)
        check_slug(self.slug)
        self.schema_name = self.schema_name or schema_name_of(self.slug)
        try:
            validate_schema_name(self.schema_name)
        except InvalidSchemaName as error:
            raise ValidationError({"schema_name": str(error)}, code="invalid") from error
        self.db = self.db or choose_database(self)
        try:
            _ = self.alias
        except ConfigError as error:
            raise ValidationError({"db": str(error)}, code="invalid") from error


class AbstractDomain(models.Model):
    """A host name that a tenant is reached by, beside its sub-domain.

    Attributes:
        host: in canonical form: lower case, IDNA, no port, no trailing dot.
        tenant: whom it leads to.
        is_primary: whether it is the one that links to this tenant use; one of a tenant's at most.
        redirects: whether requests to it are redirected to the primary one.
        verified_at: when it was shown to be the tenant's; None: not yet, and it leads nowhere until then.
    """

    host = models.CharField(max_length=253, unique=True)
    tenant = models.ForeignKey(conf.tenant_model, on_delete=models.CASCADE, related_name="domains")
    is_primary = models.BooleanField("primary", default=False)
    redirects = models.BooleanField("redirects to the primary", default=False)
    verified_at = models.DateTimeField("verified", default=timezone.now, null=True, blank=True)

    class Meta:
        abstract = True
        db_environment = REGISTRY
        ordering = ("host",)
        constraints = (
            models.CheckConstraint(condition=models.Q(host__regex=HOST), name="%(app_label)s_%(class)s_host"),
            models.UniqueConstraint(
                fields=("tenant",),
                condition=models.Q(is_primary=True),
                name="%(app_label)s_%(class)s_primary",
            ),
            models.CheckConstraint(
                condition=~models.Q(is_primary=True, redirects=True), name="%(app_label)s_%(class)s_redirects"
            ),
        )

    def __str__(self) -> str:
        return self.host

    def clean(self) -> None:
        """Bring the host into canonical form."""
        super().clean()
        self.host = canonical_host(self.host)

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save the row with its host in canonical form.

        Raises:
            ValidationError: it is no host name.
            TenantExists: another tenant has it.
        """
        self.host = canonical_host(self.host)
        using = kwargs.get("using") or router.db_for_write(type(self), instance=self)
        try:
            with transaction.atomic(using=using):
                super().save(*args, **kwargs)
        except IntegrityError as error:
            raise TenantExists(f"Host {self.host!r} is taken by another tenant.") from error


class Tenant(AbstractTenant):
    """A customer, who owns one schema in one database."""

    class Meta(AbstractTenant.Meta):
        swappable = "TENANCY_TENANT_MODEL"


class Domain(AbstractDomain):
    """A host name that a tenant is reached by, beside its sub-domain."""

    class Meta(AbstractDomain.Meta):
        swappable = "TENANCY_DOMAIN_MODEL"


def slug_of(name: str) -> str:
    """The slug that a tenant of that name gets.

    Raises:
        ValidationError: the name holds nothing that a slug could be made of.
    """
    slug = slugify(name).replace("_", "-").strip("-")[:MAX_BYTES].strip("-")
    if not slug:
        raise ValidationError({"slug": f"No slug can be made of the name {name!r}: give one."}, code="required")
    return slug


def check_slug(slug: str) -> None:
    """Raise ValidationError, of the field `slug`, unless a tenant may have this one."""
    try:
        validate_slug(slug)
    except ValidationError as error:
        raise ValidationError({"slug": error}) from error
    if slug in conf.reserved_slugs:
        raise ValidationError({"slug": f"{slug!r} is reserved: choose another."}, code="reserved")


def schema_name_of(slug: str) -> str:
    """The schema's name that a tenant with that slug gets: the slug, with `t_` before it if it alone would not do."""
    try:
        return validate_schema_name(slug)
    except InvalidSchemaName:
        return f"t_{slug}"[:MAX_BYTES]


def refuse_deletion(sender: type[models.Model], instance: AbstractTenant, **kwargs: Any) -> None:
    """Refuse to delete a tenant's row while its schema may still be there; a receiver of `pre_delete`."""
    if instance.status != Status.GONE:
        raise TenancyError(
            f"The row of tenant {instance.slug!r} can't be deleted while it owns schema {instance.placement}: "
            "use tenancy.lifecycle.delete() and purge(), or `manage.py tenant delete` and `purge`."
        )
