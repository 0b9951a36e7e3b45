"""Sessions in the database, each of one tenant."""

from django.contrib.sessions.backends import db

from .owned import OwnedKeys

__all__ = ["SessionStore"]


class SessionStore(OwnedKeys, db.SessionStore):
    """Django's store of this kind, with keys that have an owner."""
