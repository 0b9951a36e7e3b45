"""django-oauth-toolkit."""

from base64 import urlsafe_b64encode
from hashlib import sha256
from urllib.parse import parse_qs, urlsplit

from django.contrib.auth.models import User
from oauth2_provider.models import AccessToken, Application

from tenancy import tenant_context
from tenancy.models import Tenant

from .conftest import Browser


def application(tenant: Tenant) -> dict[str, str]:
    with tenant_context(tenant):
        made = Application.objects.create(
            name=tenant.slug,
            user=User.objects.get(username="root"),
            client_id="client",
            client_secret="secret",
            client_type=Application.CLIENT_CONFIDENTIAL,
            authorization_grant_type=Application.GRANT_AUTHORIZATION_CODE,
            redirect_uris="https://client.example/back",
            skip_authorization=True,
        )
    return {"client_id": made.client_id, "client_secret": "secret", "redirect_uri": made.redirect_uris}


def code(tenant: Tenant, client: dict[str, str]) -> str:
    """What the client is sent by way of the user's browser."""
    asked = {
        "response_type": "code",
        "client_id": client["client_id"],
        "redirect_uri": client["redirect_uri"],
        "code_challenge": urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).decode().rstrip("="),
        "code_challenge_method": "S256",
    }
    answer = Browser(tenant, root=True).get("/o/authorize/", asked)
    assert answer.status_code == 302, answer.content
    return parse_qs(urlsplit(answer.headers["location"]).query)["code"][0]


VERIFIER = "v" * 50


def test_code_and_token(acme: Tenant, globex: Tenant, initech: Tenant) -> None:
    """A code is good for a token in its tenant alone, and so is the token, and the one that refreshes it."""
    clients = {tenant: application(tenant) for tenant in (acme, globex, initech)}
    for tenant, other in ((acme, globex), (initech, acme)):
        asked = {"grant_type": "authorization_code", "code_verifier": VERIFIER, **clients[tenant]}
        given = code(tenant, clients[tenant])
        assert Browser(other).post("/o/token/", {**asked, "code": given}).status_code == 400
        answer = Browser(tenant).post("/o/token/", {**asked, "code": given})
        assert answer.status_code == 200, answer.content
        tokens = answer.json()
        headers = {"authorization": f"Bearer {tokens['access_token']}"}
        assert Browser(tenant).get("/rest/books/", headers=headers).json()["count"] == 3
        assert Browser(other).get("/rest/books/", headers=headers).status_code == 401
        again = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], **clients[tenant]}
        assert Browser(other).post("/o/token/", again).status_code == 400
        assert Browser(tenant).post("/o/token/", again).status_code == 200
    with tenant_context(globex):
        assert not AccessToken.objects.exists()
