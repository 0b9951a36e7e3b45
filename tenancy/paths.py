"""The part of a path that names a tenant: hidden from the views, and put before the URLs that they make."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from django.conf import settings
from django.http import HttpRequest
from django.urls import get_script_prefix, set_script_prefix

__all__ = ["behind", "script_prefix"]


def behind(request: HttpRequest, prefix: str) -> AbstractContextManager[None]:
    """Have a request be for what is behind a prefix of its path; `request.path` is what the client asked for.

    An empty prefix changes nothing.
    """
    return _behind(request, prefix) if prefix else _NOTHING


_NOTHING: AbstractContextManager[None] = nullcontext()


@contextmanager
def _behind(request: HttpRequest, prefix: str) -> Iterator[None]:
    whole = request.path_info
    request.path_info = whole.removeprefix(prefix) or "/"
    try:
        with script_prefix(prefix):
            yield
    finally:
        request.path_info = whole


@contextmanager
def script_prefix(prefix: str) -> Iterator[None]:
    """Have `reverse()` put a prefix before its results, behind that which is there; nothing, if it is empty."""
    if not prefix:
        yield
        return
    # Django puts the prefix of the moment before these, and keeps the result: files are served without a tenant's.
    _ = settings.STATIC_URL, settings.MEDIA_URL
    former = get_script_prefix()
    set_script_prefix(f"{former.rstrip('/')}{prefix}/")
    try:
        yield
    finally:
        set_script_prefix(former)
