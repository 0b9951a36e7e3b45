"""Host names in their one canonical form, for writing them to the registry and for looking them up."""

import re

from django.core.exceptions import ValidationError

__all__ = ["canonical_host"]

_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")


def canonical_host(host: str) -> str:
    """Return a host name in lower case and IDNA form, without port and without the root's trailing dot.

    Raises:
        ValidationError: it is no host name. Addresses of IPv6 are not, since no tenant has one.
    """
    name = host.strip().lower()
    name, _, port = name.partition(":")
    if port and not port.isdecimal():
        raise ValidationError(f"{host!r} is not a valid host name.", code="invalid")
    try:
        name = name.removesuffix(".").encode("idna").decode("ascii").lower()
    except UnicodeError as error:
        raise ValidationError(f"{host!r} is not a valid host name.", code="invalid") from error
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in name.split(".")):
        raise ValidationError(f"{host!r} is not a valid host name.", code="invalid")
    return name
