"""Sessions in signed cookies, each signed for one tenant."""

from typing import Any

from django.contrib.sessions.backends import signed_cookies
from django.core import signing

from .owned import OwnedSession

__all__ = ["SessionStore"]


class SessionStore(OwnedSession, signed_cookies.SessionStore):
    """Django's store of this kind, with a signature that only its owner accepts."""

    def load(self) -> dict[str, Any]:
        """Read the session out of the cookie; an empty one if it is too old, or can't be read."""
        try:
            data: dict[str, Any] = signing.loads(
                self.session_key or "",
                salt=self._salt,
                serializer=self.serializer,
                max_age=self.get_session_cookie_age(),
            )
        except Exception:  # As Django: whatever a serializer raises.
            self._session_key = None
            return {}
        return data

    @property
    def _salt(self) -> str:
        return f"tenancy.sessions.signed_cookies.{self.owner}"

    def _validate_session_key(self, key: str | None) -> bool:
        try:
            signing.TimestampSigner(salt=self._salt).unsign(key or "")
        except signing.BadSignature:
            return False
        return True

    def _get_session_key(self) -> str:
        return signing.dumps(dict(self.items()), salt=self._salt, serializer=self.serializer, compress=True)
