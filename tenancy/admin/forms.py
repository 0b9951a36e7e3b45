"""What is asked before an action is carried out."""

from collections.abc import Iterable
from typing import Any

from django import forms

from ..models import AbstractTenant

__all__ = ["DeleteForm", "SuspendForm"]


class SuspendForm(forms.Form):
    """Why tenants are to be suspended."""

    reason = forms.CharField(max_length=200, help_text="It is logged and shown here, not to the tenants' users.")


class DeleteForm(forms.Form):
    """The slug of each tenant that is to be deleted, typed; and why."""

    reason = forms.CharField(max_length=200, required=False)

    def __init__(self, tenants: Iterable[AbstractTenant], *args: Any) -> None:
        super().__init__(*args)
        self.tenants = list(tenants)
        for tenant in self.tenants:
            self.fields[self.field_name(tenant)] = forms.CharField(
                label=f"Type the slug of {tenant}",
                widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}),
            )

    @staticmethod
    def field_name(tenant: AbstractTenant) -> str:
        """Name of the field in which the slug of a tenant is typed."""
        return f"slug_{tenant.pk}"

    def clean(self) -> dict[str, Any]:
        """Compare what was typed."""
        typed = super().clean() or self.cleaned_data
        for tenant in self.tenants:
            name = self.field_name(tenant)
            if name in typed and typed[name] != tenant.slug:
                self.add_error(name, f"That is not the slug of {tenant}: nothing was done.")
        return typed
