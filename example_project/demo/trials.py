"""What must not work: strangers, paused tenants, one tenant's session or key at another. Sign-up must."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ..accounts import owner_of
from .tour import API, key_headers
from .visitor import Unexpected, Visitor

REFUSALS = (401, 403, 404)


@dataclass(frozen=True)
class Place:
    """A running server, and who is there.

    Attributes:
        port: Where the server listens.
        base: The bare domain.
        one: The slug of a tenant.
        other: The slug of another tenant.
        paused: The slug of a suspended tenant.
        password: Of the owners of both.
        api_key: A key of the first tenant.
    """

    port: int
    base: str
    one: str
    other: str
    paused: str
    password: str
    api_key: str

    def visitor(self, subdomain: str = "") -> Visitor:
        """Return a new visitor of a host below the bare domain, or of that itself."""
        return Visitor(self.port, f"{subdomain}.{self.base}" if subdomain else self.base)


def trials(place: Place) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield what must hold, in words, and a call that raises Unexpected if it does not."""
    foreign_key = key_headers(place.other, place.api_key)
    own_key = key_headers(place.one, place.api_key)
    no_key = {"X-Tenant": place.one}
    yield "an unknown host gets 404", lambda: place.visitor("nobody").get("unknown host", "/", 404)
    yield "a suspended tenant gets 403", lambda: place.visitor(place.paused).get("suspended", "/login/", 403)
    yield "a session of one tenant is none at another", lambda: replay(place, place.other, "/")
    yield "a session of one tenant is none on the public site", lambda: replay(place, "", "/admin/")
    yield "a key of one tenant does not name another", lambda: refused(place.visitor(), foreign_key)
    yield (
        "a key of one tenant does not open another's host",
        lambda: refused(place.visitor(place.other), own_key),
    )
    yield "a name without a key opens nothing", lambda: refused(place.visitor(), no_key)
    yield "sign-up makes a tenant, and its owner can log in", lambda: sign_up(place)


def replay(place: Place, subdomain: str, path: str) -> None:
    """Log in at one tenant and show the cookies elsewhere: they must lead to a log-in page."""
    somebody, elsewhere = place.visitor(place.one), place.visitor(subdomain)
    somebody.log_in(owner_of(place.one), place.password)
    somebody.get("own session", path)
    elsewhere.client.cookies.update(somebody.client.cookies)
    visit = elsewhere.get("replayed session", path, 302)
    if "/login/" not in visit.location:
        raise Unexpected(f"{elsewhere.host} leads to {visit.location!r}, not to its log-in page")


def refused(visitor: Visitor, headers: dict[str, str]) -> None:
    """Ask for JSON that must not be given."""
    answer = visitor.client.get(API, headers=headers)
    if answer.status_code not in REFUSALS:
        raise Unexpected(f"{visitor.host}{API} with {sorted(headers)}: {answer.status_code}, not a refusal")


def sign_up(place: Place) -> None:
    """Open a help desk on the public site and log in there."""
    visitor, owner = place.visitor(), place.visitor("fresh")
    entered = {
        "company": "Fresh Fish",
        "subdomain": "fresh",
        "email": "ida@fresh.test",
        "password": "anchor-and-9",
    }
    done = visitor.submit("sign-up", "/signup/", entered)
    if not done.location.startswith(f"http://fresh.{place.base}:{place.port}/login/"):
        raise Unexpected(f"sign-up leads to {done.location!r}, not to the new log-in page")
    owner.log_in(entered["email"], entered["password"])
    owner.get("empty dashboard", "/")
    visitor.submit("sign-up again", "/signup/", entered, expect=200)
