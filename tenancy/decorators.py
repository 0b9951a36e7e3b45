"""Decorators of views that belong to tenants, some or all, or to the public host: of classes by `method_decorator`."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from asgiref.sync import iscoroutinefunction
from django.http import Http404, HttpRequest

from .features import has_feature

__all__ = ["feature_required", "public_only", "tenant_required"]

_V = TypeVar("_V", bound=Callable[..., Any])


def tenant_required(view: _V) -> _V:
    """Answer 404 to a request that is for no tenant."""
    return _only(view, lambda tenant: tenant is not None)


def public_only(view: _V) -> _V:
    """Answer 404 to a request that is for a tenant."""
    return _only(view, lambda tenant: tenant is None)


def feature_required(name: str) -> Callable[[_V], _V]:
    """Answer 404 to a request that is for no tenant, or for one without a feature: see `features`."""
    return lambda view: _only(view, lambda tenant: has_feature(tenant, name))


def _only(view: _V, allowed: Callable[[Any], bool]) -> _V:
    def check(request: HttpRequest) -> None:
        if not allowed(getattr(request, "tenant", None)):
            raise Http404("This page is not for this host.")

    wrapper: Callable[..., Any]
    if iscoroutinefunction(view):

        async def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            check(request)
            return await view(request, *args, **kwargs)

    else:

        def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            check(request)
            return view(request, *args, **kwargs)

    return cast(_V, wraps(view)(wrapper))
