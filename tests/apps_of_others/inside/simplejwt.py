"""djangorestframework-simplejwt, and django-ninja-jwt, which is made of it."""

from typing import Any

import jwt
import ninja_jwt.tokens
import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.checks import run_checks
from rest_framework_simplejwt import state
from rest_framework_simplejwt.tokens import AccessToken, SlidingToken

from tenancy import tenant_context
from tenancy.models import Tenant

from .conftest import Browser


def pair(tenant: Tenant) -> dict[str, str]:
    """An access token and one that refreshes it, got by a password."""
    response = Browser(tenant).post("/rest/jwt/", {"username": "ada", "password": tenant.slug})
    assert response.status_code == 200, response.content
    found: dict[str, str] = response.json()
    return found


def books(tenant: Tenant, token: Any) -> Any:
    return Browser(tenant).get("/rest/books/", headers={"authorization": f"Bearer {token}"})


def test_access(acme: Tenant, globex: Tenant, initech: Tenant) -> None:
    """A token lets in where it was got, and nowhere else, whoever has the same primary key there."""
    for own in (acme, globex, initech):
        token = pair(own)["access"]
        assert jwt.decode(token, settings.SECRET_KEY, ["HS256"])["tenant"] == str(own.pk)
        for tenant in (acme, globex, initech):
            response = books(tenant, token)
            assert response.status_code == (200 if tenant == own else 401)
        assert books(own, token).json()["results"][0]["title"].startswith(own.slug)


@pytest.mark.parametrize("path", ["refresh", "verify", "blacklist"])
def test_views(acme: Tenant, globex: Tenant, path: str) -> None:
    """The other views take it there alone; what is refreshed is of the same tenant."""
    name = "token" if path == "verify" else "refresh"
    for own, other in ((acme, globex), (globex, acme)):
        given = {name: pair(own)["refresh"]}
        assert Browser(other).post(f"/rest/jwt/{path}/", given).status_code == 401
        taken = Browser(own).post(f"/rest/jwt/{path}/", given)
        assert taken.status_code == 200
        if path == "refresh":
            token = taken.json()["access"]
            assert [books(tenant, token).status_code for tenant in (own, other)] == [200, 401]
        if path == "blacklist":
            assert Browser(own).post("/rest/jwt/refresh/", given).status_code == 401


def test_by_hand(acme: Tenant, globex: Tenant) -> None:
    """Tokens that are made without a view are bound too, of any class; on the public host they are of nobody."""
    with tenant_context(acme):
        made = str(AccessToken.for_user(User.objects.get(username="ada")))
        sliding = str(SlidingToken.for_user(User.objects.get(username="ada")))
    assert [books(tenant, made).status_code for tenant in (acme, globex)] == [200, 401]
    with tenant_context(globex), pytest.raises(Exception, match="Token is invalid"):
        SlidingToken(sliding)
    with pytest.raises(Exception, match="Token is invalid"):
        AccessToken(made)
    assert books(acme, AccessToken()).status_code == 401


def test_without_claim(acme: Tenant) -> None:
    """A token that was made before they were bound lets nobody in."""
    payload = jwt.decode(pair(acme)["access"], settings.SECRET_KEY, ["HS256"])
    del payload["tenant"]
    assert books(acme, jwt.encode(payload, settings.SECRET_KEY, "HS256")).status_code == 401


def test_expired(acme: Tenant) -> None:
    """What can be read without being valid still can: packages look into tokens that have expired."""
    with tenant_context(acme):
        token = str(AccessToken.for_user(User.objects.get(username="ada")))
    assert AccessToken(token, verify=False)["tenant"] == str(acme.pk)


def test_unbound(acme: Tenant, globex: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the package comes, one tenant's token lets into all: the check says so."""
    monkeypatch.setattr(state.token_backend, "__class__", type(state.token_backend).__mro__[2])
    token = pair(acme)["access"]
    assert [books(tenant, token).status_code for tenant in (acme, globex)] == [200, 200]
    (warning,) = [message for message in run_checks() if message.id == "tenancy.W029"]
    assert "rest_framework_simplejwt" in warning.msg


def test_ninja(acme: Tenant, globex: Tenant, initech: Tenant) -> None:
    """django-ninja-jwt's are bound in the same way."""
    for own in (acme, globex, initech):
        with tenant_context(own):
            token = ninja_jwt.tokens.AccessToken.for_user(User.objects.get(username="ada"))
            headers = {"authorization": f"Bearer {token}"}
        found = {tenant.slug: Browser(tenant).get("/api/me", headers=headers).status_code for tenant in (acme, globex)}
        assert found == {tenant.slug: 200 if tenant == own else 401 for tenant in (acme, globex)}
