"""Messages in cookies that are signed for one tenant: storages for `MESSAGE_STORAGE`.

With Django's own, a cookie of one tenant shows its messages in another wherever the browser sends it there. Messages in
sessions need none of this.
"""

from django.contrib.messages.storage import cookie, fallback
from django.contrib.messages.storage.session import SessionStorage

from .context import current_owner

__all__ = ["CookieStorage", "FallbackStorage"]


class CookieStorage(cookie.CookieStorage):
    """Django's, signed for the current tenant."""

    @property
    def key_salt(self) -> str:  # type: ignore[override]  # an attribute there
        """The salt, for the current tenant."""
        return f"tenancy.messages.{current_owner()}"


class FallbackStorage(fallback.FallbackStorage):
    """Django's: the cookie as far as there is room in it, then the session."""

    storage_classes = (CookieStorage, SessionStorage)
