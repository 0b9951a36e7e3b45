"""Which proxies are believed when they say, by `X-Forwarded-Host`, what host a client asked for.

Django's USE_X_FORWARDED_HOST believes everybody, and so lets each client name a tenant.
"""

from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from django.http import HttpRequest

from .conf import conf

__all__ = ["UNIX", "drop_untrusted", "networks"]

UNIX = "unix"
"""Stands for a proxy that comes by a socket of this machine, which has no address."""

_HEADER = "HTTP_X_FORWARDED_HOST"


def drop_untrusted(request: HttpRequest) -> None:
    """Take `X-Forwarded-Host` out of a request that did not come from a trusted proxy: nothing behind sees it."""
    if _HEADER in request.META and not _trusted(request.META.get("REMOTE_ADDR", ""), conf.trusted_proxies):
        del request.META[_HEADER]
        request.__dict__.pop("headers", None)  # Made of META, and kept by Django.


@lru_cache
def networks(names: tuple[str, ...]) -> tuple[IPv4Network | IPv6Network, ...]:
    """Read TRUSTED_PROXIES.

    Raises:
        ValueError: one is no network.
    """
    return tuple(ip_network(name) for name in names if name != UNIX)


def _trusted(peer: str, names: tuple[str, ...]) -> bool:
    if not peer:
        return UNIX in names
    try:
        address = ip_address(peer)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return any((mapped or address) in network for network in networks(names))
