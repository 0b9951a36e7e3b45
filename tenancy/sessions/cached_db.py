"""Sessions in the database, and in the cache for reading, each of one tenant."""

from django.contrib.sessions.backends import cached_db

from .owned import OwnedKeys

__all__ = ["SessionStore"]


class SessionStore(OwnedKeys, cached_db.SessionStore):
    """Django's store of this kind, with keys that have an owner."""
