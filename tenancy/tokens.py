"""Tokens for resetting passwords that are of one tenant: give `token_generator` to Django's views, or include
`tenancy.auth_urls`.
"""

from django.contrib.auth.tokens import PasswordResetTokenGenerator

from .context import current_owner

__all__ = ["TenantTokenGenerator", "token_generator"]


class TenantTokenGenerator(PasswordResetTokenGenerator):
    """Makes tokens that are valid in the tenant that is current, and nowhere else; on the public host, only there.

    Django's own are valid for whoever has the same key, password hash, address and last login: as in a tenant's clone.
    """

    @property
    def key_salt(self) -> str:  # type: ignore[override]  # an attribute there
        """The salt, for the current tenant."""
        return f"tenancy.tokens.{current_owner()}"


token_generator = TenantTokenGenerator()
