"""Features: what a tenant may use, by names in its `settings["features"]`."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .models import AbstractTenant

__all__ = ["has_feature"]


def has_feature(tenant: "AbstractTenant | None", name: str) -> bool:
    """Tell whether a feature is in the list of a tenant's. Nobody has none, and what is no list names none."""
    features = None if tenant is None else tenant.settings.get("features")
    return isinstance(features, list) and name in features
