"""What visitors may type: the sign-up, and the name of their help desk when they look for it."""

from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from tenancy.models import validate_slug

from ..workspace import PLANS


class SubdomainField(forms.CharField):
    """The part of a host name before the first dot: a tenant's slug."""

    default_validators = [validate_slug]

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=40, **kwargs)
        self.widget.attrs |= {"autocapitalize": "none", "spellcheck": "false", "autocomplete": "off"}

    def to_python(self, value: Any) -> str:
        return super().to_python(value).lower()


class SignUpForm(forms.Form):
    """A new help desk and its owner."""

    company = forms.CharField(
        max_length=60, label="Company name", widget=forms.TextInput(attrs={"autocomplete": "organization"})
    )
    subdomain = SubdomainField(label="Address")
    email = forms.EmailField(
        max_length=150, label="Your e-mail", widget=forms.EmailInput(attrs={"autocomplete": "email"})
    )
    password = forms.CharField(
        help_text="At least 8 characters, and not a common one.",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    plan = forms.ChoiceField(choices=[(plan, plan) for plan in PLANS], required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, label_suffix="", **kwargs)

    def clean(self) -> dict[str, Any]:
        entered = super().clean()
        if password := entered.get("password"):
            try:
                validate_password(password, User(username=entered.get("email", "")))
            except ValidationError as error:
                self.add_error("password", error)
        return entered


class FindForm(forms.Form):
    """The help desk that somebody wants to log in to."""

    subdomain = SubdomainField(label="The address of your help desk")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, label_suffix="", **kwargs)
