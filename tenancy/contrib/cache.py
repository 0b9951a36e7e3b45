"""Cache keys that are of one tenant: for `KEY_FUNCTION` and `REVERSE_KEY_FUNCTION` of a cache in `CACHES`.

A key holds the tenant's id, which outlives renaming and moving, and no text of anybody's. Whose it is, is asked as the
key is made: in the thread or task that asks the cache.
"""

import re
from typing import Any

from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache

from ..context import current_owner
from ..exceptions import NoCurrentTenant

__all__ = ["clear", "make_key", "reverse_key"]


def make_key(key: object, key_prefix: str, version: object) -> str:
    """The key under which a value of the current tenant is kept; of the public host, where none is current."""
    return f"{key_prefix}:{current_owner()}:{version}:{key}"


def reverse_key(key: str) -> str:
    """What `make_key` was given, for a prefix without a colon: caches that list their keys, as django-redis, ask."""
    return key.split(":", 3)[3]


def clear(cache: BaseCache) -> int:
    """Clear a cache of what the current tenant has in it, and tell how many values that were.

    All keys of the cache are gone through, as Redis does it by SCAN: it is for the odd occasion.

    Args:
        cache: Django's in Redis or in memory, or django-redis'.

    Raises:
        NoCurrentTenant: no tenant is current: `cache.clear()` clears it for all.
        TypeError: the cache can't list its keys, as memcached can't: give values a timeout.
    """
    owner = current_owner()
    if not owner:
        raise NoCurrentTenant("No tenant is current whose values could be cleared: cache.clear() clears all.")
    start = f"{cache.key_prefix}:{owner}:"
    client: Any = cache
    if isinstance(cache, RedisCache):
        redis = client._cache.get_client(None, write=True)
        pattern = re.sub(r"([\\*?\[\]^-])", r"\\\1", start)
        return sum(int(redis.unlink(key)) for key in redis.scan_iter(match=f"{pattern}*", count=1000))
    if isinstance(cache, LocMemCache):
        with client._lock:
            found = [key for key in client._cache if key.startswith(start)]
            for key in found:
                client._delete(key)
        return len(found)
    if hasattr(cache, "delete_pattern"):
        return int(client.delete_pattern("*"))
    raise TypeError(f"{type(cache).__name__} can't list its keys, so a tenant's can't be found: give values a timeout.")
