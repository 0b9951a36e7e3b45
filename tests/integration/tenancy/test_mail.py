"""Mail of one tenant goes by its own server and from its own address, and by nobody else's."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from threading import Thread
from typing import Any

import django
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope
from django.core import mail
from django.core.mail import EmailMessage, mail_admins, mail_managers

from django_schemas import wrap_context
from tenancy import tenant_context
from tenancy.contrib.mail import TenantEmailBackend
from tenancy.exceptions import TenancyError
from tenancy.models import Tenant
from tests.integration.tenancy.test_middleware import get
from tests.ports import free_port

pytestmark = [
    pytest.mark.django_db(databases="__all__"),
    # Without MAILERS, as projects have it that come from Django 5.2.
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning", "ignore::DeprecationWarning"),
]

HAS_MAILERS = django.VERSION >= (6, 1)


@dataclass
class Inbox:
    """A server for mail.

    Attributes:
        port: where it listens.
        got: sender, recipients and the header From of what it got.
        logins: with which it was logged into.
    """

    port: int = 0
    got: list[tuple[str, tuple[str, ...], str]] = field(default_factory=list)
    logins: list[tuple[bytes, bytes]] = field(default_factory=list)

    async def handle_DATA(self, server: Any, session: Any, envelope: Envelope) -> str:
        head = bytes(envelope.content or b"").partition(b"\r\n\r\n")[0].decode()
        shown = next(line for line in head.split("\r\n") if line.startswith("From: "))
        self.got.append((str(envelope.mail_from), tuple(envelope.rcpt_tos), shown[6:]))
        return "250 OK"

    def authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        self.logins.append((data.login, data.password))
        return AuthResult(success=True)

    @property
    def recipients(self) -> list[str]:
        return [recipient for _, recipients, _ in self.got for recipient in recipients]


@pytest.fixture
def inboxes() -> Iterator[dict[str, Inbox]]:
    """The platform's server, and those of two tenants."""
    found, controllers = {}, []
    for name in ("platform", "hooli", "umbrella"):
        inbox = found[name] = Inbox(free_port())
        controller = Controller(
            inbox, hostname="127.0.0.1", port=inbox.port, authenticator=inbox.authenticate, auth_require_tls=False
        )
        controller.start()
        controllers.append(controller)
    yield found
    for controller in controllers:
        controller.stop()


def options(inbox: Inbox, **more: Any) -> dict[str, Any]:
    return {"host": "127.0.0.1", "port": inbox.port, **more}


@pytest.fixture(params=["EMAIL_BACKEND", *(["MAILERS"] if HAS_MAILERS else [])])
def _platform(request: Any, inboxes: dict[str, Inbox], settings: Any) -> None:
    """The platform's own server, which wants a password, by either way of Django's."""
    path, port = "tenancy.contrib.mail.TenantEmailBackend", inboxes["platform"].port
    settings.DEFAULT_FROM_EMAIL = "desk@saas.test"
    if request.param == "MAILERS":
        own = options(inboxes["platform"], username="platform", password="secret")
        settings.MAILERS = {"default": {"BACKEND": path, "OPTIONS": own}}
        return
    settings.EMAIL_BACKEND, settings.EMAIL_HOST, settings.EMAIL_PORT = path, "127.0.0.1", port
    settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "platform", "secret"


@pytest.fixture
def desks(inboxes: dict[str, Inbox], _platform: None, hooli: Tenant, vehement: Tenant, umbrella: Tenant) -> None:
    """Hooli and umbrella have servers of their own, vehement has an address alone."""
    set_email(hooli, options(inboxes["hooli"], **{"from": "Hooli <help@hooli.test>"}))
    set_email(umbrella, options(inboxes["umbrella"], username="umbrella", password="red"))
    set_email(vehement, {"from": "help@vehement.test"})


def set_email(tenant: Tenant, value: Any) -> None:
    tenant.settings["email"] = value
    tenant.save()


def usual() -> Any:
    """The backend that Django makes by the settings."""
    return mail.mailers.default if HAS_MAILERS else mail.get_connection()


def send(to: str, **more: Any) -> int:
    return EmailMessage("Hello", "It works.", to=[to], **more).send()


def test_each_by_its_own(
    desks: None, inboxes: dict[str, Inbox], hooli: Tenant, vehement: Tenant, umbrella: Tenant
) -> None:
    """Each tenant's mail goes by its server and from its address, where it has one; the rest as in any project."""
    for tenant in (hooli, vehement, umbrella):
        with tenant_context(tenant):
            assert send(f"to@{tenant.slug}.test") == 1
    assert send("to@nobody.test") == 1
    assert {name: inbox.got for name, inbox in inboxes.items()} == {
        "hooli": [("help@hooli.test", ("to@hooli.test",), "Hooli <help@hooli.test>")],
        "umbrella": [("desk@saas.test", ("to@umbrella.test",), "desk@saas.test")],
        "platform": [
            ("help@vehement.test", ("to@vehement.test",), "help@vehement.test"),
            ("desk@saas.test", ("to@nobody.test",), "desk@saas.test"),
        ],
    }


def test_passwords_stay_at_home(
    desks: None, inboxes: dict[str, Inbox], hooli: Tenant, vehement: Tenant, umbrella: Tenant
) -> None:
    """A tenant's server is told the tenant's password, or none: not the platform's, not if it says null either."""
    set_email(vehement, options(inboxes["hooli"], username=None, password=None, use_tls=None))
    for tenant in (hooli, vehement, umbrella):
        with tenant_context(tenant):
            send("to@there.test")
    send("to@nobody.test")
    assert [inboxes[name].logins for name in ("hooli", "umbrella", "platform")] == [
        [],
        [(b"umbrella", b"red")],
        [(b"platform", b"secret")],
    ]


def test_certificates_stay_at_home(desks: None, settings: Any, hooli: Tenant) -> None:
    """Nor is it shown the platform's certificate."""
    settings.EMAIL_SSL_KEYFILE = settings.EMAIL_SSL_CERTFILE = "/etc/ssl/platform.pem"
    with tenant_context(hooli):
        server: Any = usual().server
    assert (server.ssl_keyfile, server.ssl_certfile, server.use_tls, server.use_ssl) == ("", "", False, False)


def test_sent_by_a_thread(desks: None, inboxes: dict[str, Inbox], hooli: Tenant, umbrella: Tenant) -> None:
    """A backend is whose it was made for, in whatever thread, and within whatever tenant, it sends."""
    with tenant_context(hooli):
        backend = usual()

    def work() -> None:
        backend.send_messages([EmailMessage("Hello", "It works.", to=["to@hooli.test"])])

    with tenant_context(umbrella):
        work()
        for function in (work, wrap_context(work)):
            thread = Thread(target=function)
            thread.start()
            thread.join()
    assert {name: inbox.recipients for name, inbox in inboxes.items()} == {
        "hooli": ["to@hooli.test"] * 3,
        "umbrella": [],
        "platform": [],
    }


def test_a_sender_that_is_named(desks: None, inboxes: dict[str, Inbox], hooli: Tenant) -> None:
    """Who names a sender is obeyed, and a message is left as it was."""
    messages = [EmailMessage("Hello", to=["to@hooli.test"]), EmailMessage("Hello", "", "eva@hooli.test", ["to@x.test"])]
    with tenant_context(hooli), TenantEmailBackend(**platform_options(inboxes)) as backend:
        backend.send_messages(messages)
    assert [sender for sender, _, _ in inboxes["hooli"].got] == ["help@hooli.test", "eva@hooli.test"]
    assert [message.from_email for message in messages] == ["desk@saas.test", "eva@hooli.test"]


def platform_options(inboxes: dict[str, Inbox]) -> dict[str, Any]:
    return options(inboxes["platform"], **({"alias": "default"} if HAS_MAILERS else {}))


def test_reports_to_staff(desks: None, inboxes: dict[str, Inbox], settings: Any, hooli: Tenant) -> None:
    """What Django tells the platform's staff, as of an error in a view, is not shown to the tenant's server."""
    plain = django.VERSION >= (6, 0)
    settings.ADMINS = ["ops@saas.test"] if plain else [("Ops", "ops@saas.test")]
    settings.MANAGERS = ["boss@saas.test"] if plain else [("Boss", "boss@saas.test")]
    settings.SERVER_EMAIL = settings.DEFAULT_FROM_EMAIL
    with tenant_context(hooli):
        mail_admins("Broken", "SECRET_KEY = ...")
        mail_managers("Broken links", "...")
        send("ops@saas.test", cc=["to@hooli.test"])
    assert get("hooli.saas.test", "/broken/").status_code == 500
    assert inboxes["platform"].recipients[:2] == ["ops@saas.test", "boss@saas.test"]
    assert inboxes["hooli"].recipients == ["ops@saas.test", "to@hooli.test"]
    assert {sender for sender, _, _ in inboxes["platform"].got} == {"desk@saas.test"}


def told_elsewhere(tenant: Tenant) -> dict[str, Any] | None:
    return PASSWORDS.get(tenant.slug)


PASSWORDS: dict[str, dict[str, Any]] = {}


@pytest.mark.parametrize("value", [told_elsewhere, f"{__name__}.told_elsewhere"])
def test_told_by_the_project(
    desks: None, inboxes: dict[str, Inbox], settings: Any, hooli: Tenant, umbrella: Tenant, value: Any
) -> None:
    """`TENANCY["EMAIL"]` tells instead, so that passwords need not lie in the registry."""
    settings.TENANCY = {**settings.TENANCY, "EMAIL": value}
    PASSWORDS["umbrella"] = options(inboxes["umbrella"], username="u", password="vault")
    for tenant in (hooli, umbrella):
        with tenant_context(tenant):
            send(f"to@{tenant.slug}.test")
    assert [inboxes[name].recipients for name in ("hooli", "platform")] == [[], ["to@hooli.test"]]
    assert inboxes["umbrella"].logins == [(b"u", b"vault")]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"hots": "smtp.hooli.test"}, "hots"),
        ({"host": ""}, "names no host"),
        ({"from": "a@b.test", "host": None}, "names no host"),
        ({"username": "u", "password": "p"}, "names no host"),
        ("smtp.hooli.test", "smtp.hooli.test"),
    ],
)
def test_not_understood(desks: None, inboxes: dict[str, Inbox], hooli: Tenant, value: Any, message: str) -> None:
    """What is not understood is an error that names the tenant; the mail is not sent by somebody else's server."""
    set_email(hooli, value)
    with tenant_context(hooli), pytest.raises(TenancyError, match=f"'hooli'.*{message}"):
        send("to@hooli.test")
    assert [inbox.got for inbox in inboxes.values()] == [[], [], []]


class Quiet(TenantEmailBackend):
    usual_backend = "django.core.mail.backends.locmem.EmailBackend"


def test_another_usual_backend(desks: None, inboxes: dict[str, Inbox], hooli: Tenant, vehement: Tenant) -> None:
    """A subclass names what sends all other mail."""
    mail.outbox = []
    for tenant in (hooli, vehement):
        with tenant_context(tenant):
            Quiet().send_messages([EmailMessage("Hello", to=[f"to@{tenant.slug}.test"])])
    assert [message.to for message in mail.outbox] == [["to@vehement.test"]]
    assert inboxes["hooli"].recipients == ["to@hooli.test"]
