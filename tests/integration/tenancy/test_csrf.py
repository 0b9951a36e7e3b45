"""A form of one tenant's page is not taken by another, even with a cookie planted there: what W024 keeps so."""

from typing import Any

import pytest
from django.middleware.csrf import _get_new_csrf_string
from django.test import Client

pytestmark = pytest.mark.django_db(databases="__all__")


@pytest.fixture(autouse=True)
def _protected(settings: Any) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.middleware.csrf.CsrfViewMiddleware"]


def send(origin: str) -> int:
    """Send a form to vehement from a page of another origin that has planted the token it sends."""
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    planted = _get_new_csrf_string()
    client.cookies["csrftoken"] = planted
    headers = {"host": "vehement.saas.test", "origin": origin}
    return client.post("/", {"csrfmiddlewaretoken": planted}, headers=headers).status_code


def test_planted_token(tenants: Any, settings: Any) -> None:
    """The origin is compared with the tenant's own host, so hooli's page is refused, until all tenants are trusted."""
    assert [send(f"http://{host}.saas.test") for host in ("vehement", "hooli")] == [200, 403]
    settings.CSRF_TRUSTED_ORIGINS = ["http://*.saas.test"]
    assert [send(f"http://{host}.saas.test") for host in ("vehement", "hooli")] == [200, 200]
