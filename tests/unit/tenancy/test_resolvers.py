"""The host of a request, which is found once for each `Host` there is: what else decides about it still does."""

from typing import Any

import pytest
from django.core.exceptions import DisallowedHost, ImproperlyConfigured
from django.http import HttpRequest
from django.test import RequestFactory

from tenancy import resolvers
from tenancy.exceptions import UnknownTenant
from tenancy.proxies import drop_untrusted
from tenancy.resolvers import PathResolver, host_of, load_resolvers


def asking(host: str, **headers: str) -> HttpRequest:
    return RequestFactory().get("/", headers={"host": host, **headers})


def test_allowed_hosts_are_asked_each_time(settings: Any) -> None:
    """A host that was allowed a moment ago is refused once ALLOWED_HOSTS does not hold it any more."""
    for _ in range(2):
        settings.ALLOWED_HOSTS = [".saas.test"]
        assert host_of(asking("Hooli.saas.test:8000")) == "hooli.saas.test"
        settings.ALLOWED_HOSTS.clear()
        with pytest.raises(DisallowedHost):
            host_of(asking("Hooli.saas.test:8000"))


def test_host_that_is_changed_in_between() -> None:
    """A middleware may give a request another host after it was asked for."""
    request = asking("hooli.saas.test")
    assert host_of(request) == "hooli.saas.test"
    request.META["HTTP_HOST"] = "vehement.saas.test"
    assert host_of(request) == "vehement.saas.test"


def test_forwarded_host_of_a_stranger(settings: Any) -> None:
    """What was asked for before the header was taken out is not what counts then."""
    settings.USE_X_FORWARDED_HOST = True
    request = asking("hooli.saas.test", x_forwarded_host="vehement.saas.test")
    assert host_of(request) == "vehement.saas.test"
    drop_untrusted(request)
    assert host_of(request) == "hooli.saas.test"


def test_request_with_a_way_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that tells its host otherwise, by its class or by itself, is asked."""

    class Other(HttpRequest):
        def get_host(self) -> str:
            return "other.saas.test"

    other = Other()
    other.META["HTTP_HOST"] = "hooli.saas.test"
    assert host_of(other) == "other.saas.test"
    request = asking("hooli.saas.test")
    monkeypatch.setattr(request, "get_host", lambda: "another.saas.test")
    assert host_of(request) == "another.saas.test"


def test_host_that_nobody_could_have() -> None:
    """What is allowed and no host name is no tenant's, each time."""
    for _ in range(2):
        with pytest.raises(UnknownTenant):
            host_of(asking("[::1]"))


def test_request_without_a_host() -> None:
    """It is for the server's own name, as Django has it."""
    request = RequestFactory(SERVER_NAME="Hooli.saas.test").get("/")
    assert "HTTP_HOST" not in request.META
    assert host_of(request) == "hooli.saas.test"


def test_host_is_found_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes as long as all else that is done to find a tenant: once for a host, and once for a request."""
    found: list[str] = []
    for name in ("canonical_host", "_host_said"):
        plain = getattr(resolvers, name)

        def counted(*args: Any, name: str = name, plain: Any = plain) -> Any:
            found.append(name)
            return plain(*args)

        monkeypatch.setattr(resolvers, name, counted)
    for _ in range(2):
        request = asking("once.saas.test")
        assert [host_of(request), host_of(request)] == ["once.saas.test"] * 2
    assert found == ["_host_said", "canonical_host", "_host_said"]


def test_resolvers_that_only_look_up() -> None:
    """They are asked in the event loop, and take no thread for a tenant that is remembered."""
    names = ("DomainResolver", "SubdomainResolver", "PathResolver")
    for resolver in load_resolvers([f"tenancy.resolvers.{name}" for name in names]):
        assert resolver.only_looks_up is True  # type: ignore[attr-defined]


def test_resolver_made_of_functions() -> None:
    """A project may give the functions themselves instead of their paths."""
    (resolver,) = load_resolvers(
        [("tenancy.resolvers.ClaimResolver", {"verifier": lambda request, tenant: True, "claim": lambda request: None})]
    )
    assert resolver(asking("hooli.saas.test")) is None


@pytest.mark.parametrize("prefix", ["t/", "/t", "t", ""])
def test_prefix_that_is_no_folder(prefix: str) -> None:
    """A slug follows a slash, and so does what views see: any other prefix is an error where it is written."""
    with pytest.raises(TypeError, match="must begin and end with a slash"):
        PathResolver(prefix)
    with pytest.raises(ImproperlyConfigured, match="must begin and end with a slash"):
        load_resolvers([("tenancy.resolvers.PathResolver", {"prefix": prefix})])


@pytest.mark.parametrize("resolver", ["no.such.Resolver", ("tenancy.resolvers.PathResolver", {"nonsense": 1})])
def test_resolver_that_is_not_there(resolver: Any) -> None:
    """What can't be loaded, or not with these options, is an error that names the setting and the resolver."""
    with pytest.raises(ImproperlyConfigured, match=r"TENANCY\['RESOLVERS'\]: .*(no.such.Resolver|PathResolver)"):
        load_resolvers([resolver])
