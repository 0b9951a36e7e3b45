"""Sessions in files, each of one tenant."""

from django.contrib.sessions.backends import file

from .owned import OwnedKeys

__all__ = ["SessionStore"]


class SessionStore(OwnedKeys, file.SessionStore):
    """Django's store of this kind, with keys that have an owner."""

    @classmethod
    def clear_expired(cls) -> None:
        """Delete the expired sessions of all owners, whose files lie in one folder."""
        file.SessionStore.clear_expired()
