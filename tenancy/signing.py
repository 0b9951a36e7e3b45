"""Signed values that are of one tenant, and not valid in any other: as `django.core.signing`, by the same names.

Who the tenant is, is asked when a value is signed or read, so a signer may be made as its module is loaded.
"""

from typing import Any

from django.core import signing
from django.core.signing import BadSignature, JSONSerializer, SignatureExpired

from .context import current_owner, current_tenant
from .exceptions import NoCurrentTenant

__all__ = ["BadSignature", "CookieSigner", "SignatureExpired", "Signer", "TimestampSigner", "dumps", "loads"]


class _OfTenant(signing.Signer):
    """A signer whose salt holds the id of the current tenant."""

    _salt = ""

    @property
    def salt(self) -> str:
        """The salt that was given, for the current tenant.

        Raises:
            NoCurrentTenant: no tenant is current.
        """
        return f"tenancy.{self._owner()}.{self._salt}"

    @salt.setter
    def salt(self, value: str) -> None:
        self._salt = value

    def _owner(self) -> str:
        tenant = current_tenant()
        if tenant is None:
            raise NoCurrentTenant(
                "A value is to be signed for a tenant, or read, and none is current: "
                "enter tenant_context(), or use django.core.signing for what is of no tenant."
            )
        return str(tenant.pk)


class Signer(_OfTenant, signing.Signer):
    """`django.core.signing.Signer`, for the current tenant."""


class TimestampSigner(_OfTenant, signing.TimestampSigner):
    """`django.core.signing.TimestampSigner`, for the current tenant."""


class CookieSigner(TimestampSigner):
    """What `SIGNING_BACKEND` may name: the cookies that Django signs are the current tenant's, or the public host's."""

    def _owner(self) -> str:
        return current_owner()


def dumps(
    obj: Any,
    key: Any = None,
    salt: str = "tenancy.signing",
    serializer: Any = JSONSerializer,
    compress: bool = False,
) -> str:
    """Return an object as signed text that can stand in a URL, for the current tenant.

    Raises:
        NoCurrentTenant: no tenant is current.
    """
    return TimestampSigner(key=key, salt=salt).sign_object(obj, serializer=serializer, compress=compress)


def loads(
    s: str,
    key: Any = None,
    salt: str = "tenancy.signing",
    serializer: Any = JSONSerializer,
    max_age: Any = None,
    fallback_keys: Any = None,
) -> Any:
    """Return what `dumps` was given, in the same tenant.

    Raises:
        BadSignature: it is not signed, or not for this tenant.
        SignatureExpired: it is older than `max_age`, in seconds or as a timedelta.
        NoCurrentTenant: no tenant is current.
    """
    signer = TimestampSigner(key=key, salt=salt, fallback_keys=fallback_keys)
    return signer.unsign_object(s, serializer=serializer, max_age=max_age)
