"""Sessions in the cache, each of one tenant."""

from django.contrib.sessions.backends import cache

from .owned import OwnedKeys

__all__ = ["SessionStore"]


class SessionStore(OwnedKeys, cache.SessionStore):
    """Django's store of this kind, with keys that have an owner."""
