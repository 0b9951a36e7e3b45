"""The pages of the tenants: the list with its actions, one tenant, and a new one while it is made."""

from collections.abc import Callable, Iterable
from contextlib import nullcontext
from datetime import timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db import router, transaction
from django.db.models import QuerySet
from django.forms import Form, Select
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.defaultfilters import filesizeformat
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.timesince import timesince

from .. import lifecycle
from ..conf import conf
from ..databases import ask_each
from ..events import TenantEvent, acting
from ..exceptions import TenancyError
from ..fleet import behind_at
from ..lifecycle.sizes import size_of
from ..lifecycle.watching import progress_of
from ..models import AbstractTenant
from ..provisioning import migrate, postponed
from ..registry import domain_model, tenant_model
from ..states import Status
from .forms import DeleteForm, SuspendForm
from .listing import TenantChangeList, place_of
from .platform import PlatformOnlyMixin

__all__ = ["DomainInline", "TenantAdmin"]

EVENTS_SHOWN = 50
"""How many of a tenant's events its page shows, the newest."""
UNKNOWN = "?"
"""What is shown where a database did not answer, or there is no schema."""


class DomainInline(PlatformOnlyMixin, admin.TabularInline):  # type: ignore[type-arg]
    """The hosts of a tenant: added and removed here; which is primary, and which redirect, is said by command."""

    model = domain_model()
    extra = 0
    fields = ("host", "is_primary", "redirects", "verified_at")
    readonly_fields = ("is_primary", "redirects", "verified_at")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A host that is there is kept or removed."""
        return False


@admin.register(tenant_model())
class TenantAdmin(PlatformOnlyMixin, admin.ModelAdmin):  # type: ignore[type-arg]
    """Tenants: a new one is provisioned while one watches; the actions call the functions of `lifecycle`."""

    list_display = ("named", "state", "db", "size", "behind", "last_event")
    list_filter = ("status", "db")
    list_per_page = 50
    list_max_show_all = 200
    search_fields = ("name", "slug", "schema_name", "domains__host")
    search_help_text = "Name, slug, schema or host"
    inlines = (DomainInline,)
    actions = ("suspend", "resume", "migrate", "export", "delete_tenants", "restore", "resume_work")

    class Media:
        css = {"all": ("tenancy/admin.css",)}

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[TenantChangeList]:
        """The list that also asks for what is no column."""
        return TenantChangeList

    def get_fieldsets(self, request: HttpRequest, obj: AbstractTenant | None = None) -> Any:
        """A new tenant is only what is chosen; one that is there also shows how it is."""
        chosen: list[Any] = [
            (None, {"fields": ("name", "slug")}),
            ("Placement", {"fields": ("db", "schema_name")}),
            ("Settings", {"fields": ("settings",)}),
        ]
        if obj is None:
            return chosen
        shown = ("state", "status_reason", "status_since", "size", "behind", "under_way", "created_at")
        return [*chosen[:2], ("State", {"fields": shown}), *chosen[2:], ("Events", {"fields": ("events",)})]

    def get_readonly_fields(self, request: HttpRequest, obj: AbstractTenant | None = None) -> tuple[str, ...]:
        """What is chosen once can't be edited afterwards; the rest is not for editing by hand."""
        if obj is None:
            return ()
        shown = ("state", "status_reason", "status_since", "size", "behind", "under_way", "created_at", "events")
        return ("slug", "db", "schema_name", *shown)

    def get_inlines(self, request: HttpRequest, obj: AbstractTenant | None) -> Any:
        """Hosts are added to a tenant that is there."""
        return self.inlines if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Rows are not deleted by hand: a tenant is deleted by the action, and purged by command."""
        return False

    def get_urls(self) -> list[URLPattern]:
        """The admin's, and those of a tenant that is being made."""
        view, name = self.admin_site.admin_view, f"{self.opts.app_label}_{self.opts.model_name}"
        own = [
            path("<uuid:pk>/progress/", view(self.progress_view), name=f"{name}_progress"),
            path("<uuid:pk>/progress.json", view(self.progress_json_view), name=f"{name}_progress_json"),
        ]
        return [*own, *super().get_urls()]

    # The list and the pages.

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """The list and its actions, as the one who is logged in."""
        with acting(request.user.get_username()):
            return super().changelist_view(request, extra_context)

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """A tenant's page, as the one who is logged in; what was taken by somebody meanwhile is said."""
        with acting(request.user.get_username()):
            try:
                return super().changeform_view(request, *args, **kwargs)
            except TenancyError as error:
                self.message_user(request, str(error), messages.ERROR)
                return HttpResponseRedirect(request.get_full_path())

    def save_model(self, request: HttpRequest, obj: AbstractTenant, form: Any, change: bool) -> None:
        """Save; a new tenant is provisioned in the background, unless that is left to a task or to the operator."""
        watched = not change and conf.provisioning in ("now", "on_commit")
        with postponed() if watched else nullcontext():
            super().save_model(request, obj, form, change)
        if watched:
            transaction.on_commit(partial(lifecycle.provision_in_background, obj), using=self._registry())

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """Add and remove hosts."""
        formset.save(commit=False)
        for domain in formset.deleted_objects:
            lifecycle.remove_domain(form.instance, domain.host)
        for domain in formset.new_objects:
            lifecycle.add_domain(form.instance, domain.host)

    def response_add(self, request: HttpRequest, obj: AbstractTenant, post_url_continue: str | None = None) -> Any:
        """Show how the new tenant is made."""
        return HttpResponseRedirect(self._url("progress", obj))

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """The form, which says what is chosen where nothing is typed."""
        help_texts = (
            {}
            if obj
            else {
                "slug": "The first part of its host name. Made from the name if left empty.",
                "db": "Chosen by the rule for placing if left empty.",
                "schema_name": "Made from the slug if left empty.",
            }
        )
        return super().get_form(request, obj, change=change, **kwargs, help_texts=help_texts)

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """A field of the form; of the databases one is chosen."""
        if db_field.name == "db":
            choices = [("", "---------"), *((alias, alias) for alias in conf.databases)]
            kwargs["widget"] = Select(choices=choices)
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    @admin.display(description="tenant", ordering="slug")
    def named(self, tenant: AbstractTenant) -> SafeString:
        """Name and slug."""
        return format_html("{}<br><small>{}</small>", tenant.name, tenant.slug)

    @admin.display(description="status", ordering="status")
    def state(self, tenant: AbstractTenant) -> SafeString:
        """The status; of a tenant that is not made yet with a link to how far that is."""
        badge = format_html(
            '<span class="tenant-state tenant-{}">{}</span>', tenant.status, tenant.get_status_display()
        )
        if tenant.status in (Status.PROVISIONING, Status.FAILED):
            return format_html('{} <a href="{}">Look</a>', badge, self._url("progress", tenant))
        return badge

    @admin.display(description="size")
    def size(self, tenant: Any) -> str:
        """How large the schema is."""
        if not hasattr(tenant, "size_bytes"):
            return _sizes([tenant])[0]
        return UNKNOWN if tenant.size_bytes is None else filesizeformat(tenant.size_bytes)

    @admin.display(description="behind")
    def behind(self, tenant: Any) -> str:
        """How many migrations the schema has not run; on the tenant's page also which."""
        if not hasattr(tenant, "backlog"):
            backlog = ask_each(behind_at, [place_of(tenant)]).get(place_of(tenant))
            return UNKNOWN if backlog is None else ", ".join(map(".".join, backlog)) or "0"
        return UNKNOWN if tenant.backlog is None else str(len(tenant.backlog))

    @admin.display(description="last event")
    def last_event(self, tenant: Any) -> str | SafeString:
        """What was done last, and when."""
        event: TenantEvent | None = tenant.last_event
        if event is None:
            return "-"
        minutes_old = timezone.now() - event.at >= timedelta(minutes=1)
        ago = f"{timesince(event.at, depth=1)} ago" if minutes_old else "just now"
        return format_html('{}<br><small title="{}">{}</small>', _told(event), _at(event), ago)

    @admin.display(description="under way")
    def under_way(self, tenant: AbstractTenant) -> str:
        """What is being done to it, and whatever is known of that."""
        work = tenant.work or {}
        return "; ".join(f"{key}: {value}" for key, value in work.items()) or "nothing"

    @admin.display(description="log")
    def events(self, tenant: AbstractTenant) -> SafeString:
        """The newest events, as a table."""
        rows = TenantEvent.objects.filter(tenant_id=str(tenant.pk)).order_by("-pk")[:EVENTS_SHOWN]
        return format_html(
            '<table class="tenant-events"><thead><tr><th>When</th><th>What</th><th>Who</th><th>More</th></tr></thead>'
            "<tbody>{}</tbody></table>",
            format_html_join(
                "",
                "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
                (
                    (_at(row), _told(row), row.actor, ", ".join(f"{key}: {value}" for key, value in row.data.items()))
                    for row in rows
                ),
            ),
        )

    # A tenant while it is made.

    def progress_view(self, request: HttpRequest, pk: Any) -> HttpResponse:
        """How far a new tenant is; POST tries again where it failed or was cut off."""
        tenant = self._tenant(request, pk)
        if request.method == "POST":
            if not self.has_change_permission(request, tenant):
                raise PermissionDenied
            with acting(request.user.get_username()):
                self._each(request, [tenant], lifecycle.provision_in_background, "taken up again")
            return HttpResponseRedirect(request.path)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Making {tenant}",
            "opts": self.opts,
            "media": self.media,
            "tenant": tenant,
            "json_url": self._url("progress_json", tenant),
            "progress": progress_of(tenant),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "tenancy/admin/progress.html", context)

    def progress_json_view(self, request: HttpRequest, pk: Any) -> JsonResponse:
        """The same for the script of that page."""
        progress = progress_of(self._tenant(request, pk))
        return JsonResponse(
            {
                "status": progress.status,
                "reason": progress.reason,
                "under_way": progress.under_way,
                "cut_off": progress.cut_off,
                "steps": dict(progress.steps),
            }
        )

    # The actions.

    @admin.action(description="Suspend", permissions=["change"])
    def suspend(self, request: HttpRequest, queryset: QuerySet[AbstractTenant]) -> HttpResponse | None:
        """Stop serving the selected tenants, for a reason."""
        form = SuspendForm(request.POST if "confirmed" in request.POST else None)
        if not form.is_valid():
            return self._ask(request, "suspend", "Suspend", "Their users get a page that says so.", queryset, form)
        reason = form.cleaned_data["reason"]
        self._each(request, queryset, partial(lifecycle.suspend, reason=reason), "suspended")
        return None

    @admin.action(description="Resume", permissions=["change"])
    def resume(self, request: HttpRequest, queryset: QuerySet[AbstractTenant]) -> None:
        """Serve the selected tenants again."""
        self._each(request, queryset, lifecycle.resume, "resumed")

    @admin.action(description="Migrate", permissions=["change"])
    def migrate(self, request: HttpRequest, queryset: QuerySet[AbstractTenant]) -> None:
        """Bring the schemas of the selected tenants to the newest migrations. For many there is the command."""
        self._each(request, queryset, migrate, "migrated")

    @admin.action(description="Export (download)", permissions=["change"])
    def export(self, request: HttpRequest, queryset: QuerySet[AbstractTenant]) -> FileResponse | None:
        """Download one tenant as an archive. It is made within the request: for a large one use the command."""
        if len(queryset) != 1:
            self.message_user(request, "One tenant is exported at a time.", messages.ERROR)
            return None
        tenant = queryset[0]
        with TemporaryDirectory() as folder:
            path = Path(folder) / f"{tenant.slug}.tenant"
            try:
                lifecycle.export(tenant, path)
            except TenancyError as error:
                self.message_user(request, str(error), messages.ERROR)
                return None
            # Opened, it outlives its folder.
            return FileResponse(path.open("rb"), as_attachment=True, filename=path.name)

    @admin.action(description="Delete (can be restored)", permissions=["change"])
    def delete_tenants(self, request: HttpRequest, queryset: QuerySet[AbstractTenant]) -> HttpResponse | None:
        """Stop serving the selected tenants for good; their data stay until they are purged by command."""
        form = DeleteForm(queryset, request.POST if "confirmed" in request.POST else None)
        if not form.is_valid():
            consequence = "No longer served. The data stay until they are purged; Restore brings them back until then."
            return self._ask(request, "delete_tenants", "Delete", consequence, queryset, form)
        reason = form.cleaned_data["reason"]
        self._each(request, queryset, partial(lifecycle.delete, reason=reason), "deleted")
        return None

    @admin.action(description="Restore", permissions=["change"])
    def restore(self, request: HttpRequest, queryset: QuerySet[AbstractTenant]) -> None:
        """Serve deleted tenants again."""
        self._each(request, queryset, lifecycle.restore, "restored")

    @admin.action(description="Resume work that was cut off", permissions=["change"])
    def resume_work(self, request: HttpRequest, queryset: QuerySet[AbstractTenant]) -> None:
        """Go on with what was being done to the selected tenants when it was cut off."""
        self._each(request, queryset, lifecycle.resume_work, "seen to")

    def _ask(
        self,
        request: HttpRequest,
        action: str,
        verb: str,
        consequence: str,
        queryset: QuerySet[AbstractTenant],
        form: Form,
    ) -> HttpResponse:
        tenants = list(queryset)
        context = {
            **self.admin_site.each_context(request),
            "title": f"{verb} {tenants[0] if len(tenants) == 1 else f'{len(tenants)} tenants'}",
            "opts": self.opts,
            "media": self.media,
            "action": action,
            "verb": verb,
            "consequence": consequence,
            "tenants": list(zip(tenants, _sizes(tenants), strict=True)),
            "checkbox": ACTION_CHECKBOX_NAME,
            "form": form,
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "tenancy/admin/confirm.html", context)

    def _each(
        self,
        request: HttpRequest,
        tenants: Iterable[AbstractTenant],
        function: Callable[[AbstractTenant], object],
        done: str,
    ) -> None:
        for tenant in tenants:
            try:
                said = function(tenant)
            except Exception as error:  # Of one tenant: the others go on, as by command.
                text = str(error) if isinstance(error, TenancyError) else f"{type(error).__name__}: {error}"
                self.message_user(request, text, messages.ERROR)
            else:
                text = f"{tenant}: {said}." if isinstance(said, str) else f"{tenant} was {done}."
                self.message_user(request, text, messages.SUCCESS)

    def _tenant(self, request: HttpRequest, pk: Any) -> AbstractTenant:
        """The tenant of that key, read now and from the primary: a replica may not know of it yet."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        found: AbstractTenant | None = tenant_model()._default_manager.using(self._registry()).filter(pk=pk).first()
        if found is None:
            raise Http404("There is no such tenant.")
        return found

    def _url(self, page: str, tenant: AbstractTenant) -> str:
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_{page}"
        return reverse(name, args=[tenant.pk], current_app=self.admin_site.name)

    @staticmethod
    def _registry() -> str:
        return router.db_for_write(tenant_model())


def _sizes(tenants: list[AbstractTenant]) -> list[str]:
    places = [place_of(tenant) for tenant in tenants]
    found = ask_each(lambda group: {place: size_of(place) for place in group}, places)
    return [str(found.get(place, UNKNOWN)) for place in places]


def _told(event: TenantEvent) -> str:
    if event.kind == "status":
        return f"{event.old} → {event.new}"
    return " ".join(filter(None, (event.kind, event.old and f"{event.old} →", event.new)))


def _at(event: TenantEvent) -> str:
    return date_format(timezone.localtime(event.at), "SHORT_DATETIME_FORMAT")
