"""Mail that is of one tenant: a backend that sends by the tenant's own server, from its own address, if it has such.

Whose the mail is, is asked as the backend is made; it may send from any thread then. What the platform's own server is
told to log in with is never shown to a tenant's.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.core.mail.backends.smtp import EmailBackend
from django.utils.module_loading import import_string

from ..conf import conf
from ..context import current_tenant
from ..exceptions import TenancyError
from ..models import AbstractTenant

__all__ = ["TenantEmailBackend"]

_SERVER = {
    "host": None,
    "port": None,
    "username": "",
    "password": "",
    "use_tls": False,
    "use_ssl": False,
    "timeout": 10,
}
"""How a tenant's server is spoken to, and what is meant by what is left out: nothing of Django's own settings."""
_NO_CERTIFICATE = {"ssl_keyfile": "", "ssl_certfile": ""}


class TenantEmailBackend(BaseEmailBackend):
    """Sends the current tenant's mail as its `settings["email"]` says, or what `TENANCY["EMAIL"]` returns for it: a
    dict of `from`, and of `host`, `port`, `username`, `password`, `use_tls`, `use_ssl` and `timeout` in seconds. All
    other mail, and what is addressed to ADMINS and MANAGERS alone, is sent by the usual backend.

    Attributes:
        usual_backend: dotted path of that; make a subclass that names another one.

    Args:
        options: for the usual backend.

    Raises:
        TenancyError: what the tenant's mail is to be sent by is not understood.
    """

    usual_backend = "django.core.mail.backends.smtp.EmailBackend"

    def __init__(self, **options: Any) -> None:
        super().__init__(**{key: value for key, value in options.items() if key == "alias"})
        tenant = current_tenant()
        own = {} if tenant is None else _own(tenant)
        self.sender: str | None = own.get("from")
        self.usual: BaseEmailBackend = import_string(self.usual_backend)(**options)
        self.server = self.usual if "host" not in own else _server(own, bool(options.get("fail_silently")))

    def open(self) -> bool | None:
        """Connect to the server that the tenant's mail is sent by."""
        return self.server.open()

    def close(self) -> None:
        """Close what was connected to."""
        self.server.close()
        self.usual.close()

    def send_messages(self, email_messages: Iterable[Any]) -> int:
        """Send messages; how many were sent."""
        messages = list(email_messages)
        theirs = [each for each in messages if not _is_for_staff(each)]
        ours = [each for each in messages if _is_for_staff(each)]
        sent = self.usual.send_messages(ours) if ours else 0
        with _from(theirs, self.sender):
            return (sent or 0) + ((self.server.send_messages(theirs) if theirs else 0) or 0)


def _own(tenant: AbstractTenant) -> Mapping[str, Any]:
    """How a tenant's mail is sent; empty: as all other."""
    told = tenant.settings.get("email") if conf.email is None else conf.email(tenant)
    if not told:
        return {}
    unknown = set(told) - {"from", *_SERVER} if isinstance(told, Mapping) else {repr(told)}
    if unknown or not (told.get("host") or set(told) == {"from"}):
        raise TenancyError(
            f"How mail of tenant {tenant.slug!r} is sent is not understood"
            f"{': ' + ', '.join(sorted(unknown)) if unknown else ', since it names no host'}. "
            f"It is a dict of 'from', of 'host' with {', '.join(map(repr, list(_SERVER)[1:]))}, or of both."
        )
    return told


def _server(own: Mapping[str, Any], fail_silently: bool) -> EmailBackend:
    # Django takes what is None from its own settings: the platform's password, for one.
    options: dict[str, Any] = {key: default if own.get(key) is None else own[key] for key, default in _SERVER.items()}
    options["port"] = options["port"] or (465 if options["use_ssl"] else 587 if options["use_tls"] else 25)
    return EmailBackend(**options | _NO_CERTIFICATE, fail_silently=fail_silently, alias="tenant")


def _is_for_staff(message: EmailMessage) -> bool:
    """Whether a message is the platform's own, as a report of an error in a tenant's request is."""
    recipients = message.recipients()
    return bool(recipients) and conf.staff_addresses.issuperset(recipients)


@contextmanager
def _from(messages: Iterable[EmailMessage], sender: str | None) -> Iterator[None]:
    """Have messages that name no sender of their own be from this one, for as long as a block lasts."""
    changed = [each for each in messages if sender and each.from_email == conf.usual_sender]
    for message in changed:
        message.from_email = sender or ""
    try:
        yield
    finally:
        for message in changed:
            message.from_email = conf.usual_sender
