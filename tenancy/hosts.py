"""Host names in their one canonical form, for writing them to the registry and for looking them up."""

import re
from functools import lru_cache

import idna
from django.core.exceptions import ValidationError

__all__ = ["HOST", "canonical_host"]

_LABEL = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
HOST = rf"\A{_LABEL}(\.{_LABEL})*\Z"
"""What a canonical host looks like, for Python and PostgreSQL alike. Django refuses hosts with an underscore."""

_is_host = re.compile(HOST).fullmatch
# Those that browsers take for one, by UTS 46.
_DOTS = str.maketrans("\u3002\uff0e\uff61", "...")


@lru_cache(maxsize=1024)
def canonical_host(host: str) -> str:
    """Return a host name in lower case and IDNA form, without port and without the root's trailing dot.

    International names are mapped as browsers do it: IDNA 2008 with UTS 46, not transitional.

    Raises:
        ValidationError: it is no host name. Addresses of IPv6 are not, since no tenant has one.
    """
    name, _, port = host.strip().translate(_DOTS).partition(":")
    if port and not (port.isascii() and port.isdecimal()):
        raise _invalid(host)
    name = name.removesuffix(".").lower()
    if not name.isascii() or "xn--" in name:
        name = _idna(host, name)
    if len(name) > 253 or not _is_host(name):
        raise _invalid(host)
    return name


def _idna(host: str, name: str) -> str:
    try:
        # There and back, since a label that is punycode already may stand for what has another form.
        readable = idna.decode(name, uts46=True)
        encoded = idna.encode(readable).decode("ascii")
        if idna.decode(encoded) == readable:
            return encoded
    except (UnicodeError, IndexError) as error:
        raise _invalid(host) from error
    raise _invalid(host)


def _invalid(host: str) -> ValidationError:
    return ValidationError(f"{host!r} is not a valid host name.", code="invalid")
