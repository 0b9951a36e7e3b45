"""What the engines have in common: a session key that only its owner accepts.

A key ends in a tag made of the owner and of the rest of the key. A key of another owner is refused as the store is
made, before anything is looked up: so it is nobody's session, and can be neither overwritten nor deleted.
"""

from django.contrib.sessions.backends.base import VALID_KEY_CHARS, SessionBase
from django.utils.crypto import constant_time_compare, get_random_string, salted_hmac

from ..conf import conf
from ..context import current_owner

__all__ = ["OwnedKeys", "OwnedSession"]

_RANDOM, _TAG = 24, 16
"""Length of the random part, 124 bits, and of the tag, 64 bits: as long together as the column of the table allows."""


class OwnedSession(SessionBase):
    """A session of whoever is current when it is made."""

    def __init__(self, session_key: str | None = None) -> None:
        self.owner = current_owner()
        super().__init__(session_key)


class OwnedKeys(OwnedSession):
    """A session that is stored under its key."""

    def _validate_session_key(self, key: str | None) -> bool:
        return bool(super()._validate_session_key(key)) and self._owns(str(key))  # type: ignore[misc]  # not in the stubs

    def _owns(self, key: str) -> bool:
        value, tag = key[:-_TAG], key[-_TAG:]
        return any(constant_time_compare(tag, self._tag(value, secret)) for secret in conf.secret_keys)

    def _get_new_session_key(self) -> str:
        while self.exists(key := self._make_key()):
            pass
        return key

    async def _aget_new_session_key(self) -> str:
        while await self.aexists(key := self._make_key()):
            pass
        return key

    def _make_key(self) -> str:
        value = get_random_string(_RANDOM, VALID_KEY_CHARS)
        return value + self._tag(value, conf.secret_keys[0])

    def _tag(self, value: str, secret: str) -> str:
        return salted_hmac(f"tenancy.sessions.{self.owner}", value, secret, algorithm="sha256").hexdigest()[:_TAG]
