"""Cache keys that are of one tenant: for `KEY_FUNCTION` and `REVERSE_KEY_FUNCTION` of a cache in `CACHES`.

A key holds the tenant's id, which outlives renaming and moving, and no text of anybody's. Whose it is, is asked as the
key is made: in the thread or task that asks the cache.
"""

from ..context import current_owner

__all__ = ["make_key", "reverse_key"]


def make_key(key: object, key_prefix: str, version: object) -> str:
    """The key under which a value of the current tenant is kept; of the public host, where none is current."""
    return f"{key_prefix}:{current_owner()}:{version}:{key}"


def reverse_key(key: str) -> str:
    """What `make_key` was given, for a prefix without a colon: caches that list their keys, as django-redis, ask."""
    return key.split(":", 3)[3]
