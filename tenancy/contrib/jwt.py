"""JSON web tokens that are of one tenant: of `djangorestframework-simplejwt` and `django-ninja-jwt`.

Nothing but a key vouches for such a token, and it names a user by their primary key: so each tenant takes those of all
others, and whoever has that key there is let in. Here each has the claim `tenant`, and is valid in that tenant alone.
"""

import sys
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from django.apps import AppConfig

from ..context import current_owner

__all__ = ["CLAIM", "PACKAGES", "TenantTokens", "is_bound"]

CLAIM = "tenant"
"""Names the tenant by its id; empty for the public host."""

PACKAGES = ("rest_framework_simplejwt", "ninja_jwt")
"""What is known to make and to take all its tokens by `state.token_backend`."""


class TenantTokens(AppConfig):
    """For `INSTALLED_APPS`: `"tenancy.contrib.jwt.TenantTokens"`.

    All tokens of the packages that are installed are bound, whichever class, serializer or view makes or takes them.
    What was made before is valid nowhere any more.
    """

    name = "tenancy.contrib.jwt"
    label = "tenancy_jwt"

    def ready(self) -> None:
        """Bind what makes and takes tokens."""
        for package in filter(find_spec, PACKAGES):
            backend = _backend(package)
            error = import_module(f"{package}.exceptions").TokenBackendError
            # Its class is changed, not the object: whoever holds it already has it bound too.
            backend.__class__ = type("TenantTokenBackend", (_OfTenant, type(backend)), {"refused": error})


def is_bound(package: str) -> bool:
    """Tell whether tokens of a package are one tenant's; they are also if nothing makes or takes any."""
    return f"{package}.tokens" not in sys.modules or isinstance(_backend(package), _OfTenant)


class _OfTenant:
    refused: type[Exception]

    def encode(self, payload: dict[str, Any]) -> Any:
        return super().encode({**payload, CLAIM: current_owner()})  # type: ignore[misc]  # of the package's class

    def decode(self, token: Any, verify: bool = True) -> Any:
        payload = super().decode(token, verify=verify)  # type: ignore[misc]
        if verify and payload.get(CLAIM) != current_owner():
            raise self.refused("Token is invalid")
        return payload


def _backend(package: str) -> Any:
    return import_module(f"{package}.state").token_backend
