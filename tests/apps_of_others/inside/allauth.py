"""django-allauth: accounts with e-mail addresses that are confirmed."""

import re

import pytest
from allauth.account.models import EmailAddress, EmailConfirmation
from django.contrib.auth.models import User
from django.core import mail
from django.test import override_settings

from tenancy import credentials, tenant_context
from tenancy.models import Tenant

from .conftest import Browser


def link_in_mail() -> tuple[str, str]:
    """Host and path of the link in the last mail."""
    found = re.search(r"http://([^/]+)(/\S+)", str(mail.outbox[-1].body))
    assert found is not None
    return found[1], found[2]


def signed_up(tenant: Tenant, email: str = "eve@example.com") -> Browser:
    browser = Browser(tenant)
    fields = {"email": email, "password1": "sesame-23-open", "password2": "sesame-23-open"}
    assert browser.post("/accounts/signup/", fields).headers["location"] == "/accounts/confirm-email/"
    return browser


def logs_in(tenant: Tenant, email: str, password: str) -> bool:
    browser = Browser(tenant)
    browser.post("/accounts/login/", {"login": email, "password": password})
    return "_auth_user_id" in browser.session_of()


def test_sign_up(acme: Tenant, globex: Tenant, initech: Tenant) -> None:
    """Who signs up and confirms the address is a user of that tenant; the mail names it, and leads to it."""
    for tenant in (acme, initech):
        browser = signed_up(tenant)
        assert not logs_in(tenant, "eve@example.com", "sesame-23-open")
        host, path = link_in_mail()
        assert host == f"{tenant.slug}.saas.test"
        assert mail.outbox[-1].subject.startswith(f"[{tenant.slug}] ")
        assert browser.post(path).status_code == 302
        assert logs_in(tenant, "eve@example.com", "sesame-23-open")
        with tenant_context(tenant):
            assert EmailAddress.objects.get(email="eve@example.com").verified
    with tenant_context(globex):
        assert not User.objects.filter(email="eve@example.com").exists()


def test_login(acme: Tenant, globex: Tenant, initech: Tenant) -> None:
    """Each tenant has its own passwords."""
    for tenant in (acme, globex, initech):
        found = {word: logs_in(tenant, "ada@example.com", word) for word in ("acme", "globex", "initech")}
        assert found == {word: word == tenant.slug for word in found}


def test_session(acme: Tenant, globex: Tenant) -> None:
    """Who is logged in here is nobody there."""
    browser = Browser(acme)
    browser.post("/accounts/login/", {"login": "ada@example.com", "password": "acme"})
    assert browser.get("/accounts/email/").status_code == 200
    elsewhere = browser.get("/accounts/email/", headers={"host": "globex.saas.test"})
    assert elsewhere.headers["location"].startswith("/accounts/login/")


def test_confirmation_elsewhere(acme: Tenant, globex: Tenant) -> None:
    """A link that confirms an address in one tenant confirms none in another, whoever has the key there."""
    signed_up(acme)
    _, path = link_in_mail()
    with tenant_context(acme):
        pk = EmailAddress.objects.get(email="eve@example.com").pk
    with tenant_context(globex):
        ada = User.objects.get(username="ada")
        theirs = EmailAddress.objects.create(pk=pk, user=ada, email="other@example.com")
    Browser(globex).post(path)
    theirs.refresh_from_db()
    assert theirs.verified is False


@override_settings(ACCOUNT_EMAIL_CONFIRMATION_HMAC=True)
def test_confirmation_by_signature(acme: Tenant, globex: Tenant) -> None:
    """Allauth's own way confirms the address with that key in every tenant: that is what W028 says."""
    signed_up(acme)
    _, path = link_in_mail()
    with tenant_context(acme):
        pk = EmailAddress.objects.get(email="eve@example.com").pk
    with tenant_context(globex):
        ada = User.objects.get(username="ada")
        theirs = EmailAddress.objects.create(pk=pk, user=ada, email="other@example.com")
    Browser(globex).post(path)
    theirs.refresh_from_db()
    assert theirs.verified is True
    assert "EMAIL_CONFIRMATION_HMAC" in str(next(iter(credentials.shared_account_links())).hint)


@pytest.mark.parametrize("value", [None, "allauth.account.forms.EmailAwarePasswordResetTokenGenerator"])
def test_check_of_password_tokens(value: str | None) -> None:
    """W028 names the generator of password tokens, as long as it is none of ours."""
    assert list(credentials.shared_account_links()) == []
    with override_settings(ACCOUNT_PASSWORD_RESET_TOKEN_GENERATOR=value):
        (message,) = credentials.shared_account_links()
    assert message.id == "tenancy.W028"
    assert "PASSWORD_RESET_TOKEN_GENERATOR" in str(message.hint)


def test_password_reset(acme: Tenant, globex: Tenant) -> None:
    """A link that resets a password does so where it was asked for, and nowhere else, not even with the same hash."""
    with tenant_context(acme):
        ada = User.objects.get(username="ada")
    with tenant_context(globex):
        User.objects.filter(pk=ada.pk).update(password=ada.password, last_login=ada.last_login, email=ada.email)
    Browser(acme).post("/accounts/password/reset/", {"email": "ada@example.com"})
    host, path = link_in_mail()
    assert host == "acme.saas.test"
    new = {"password1": "another-sesame-9", "password2": "another-sesame-9"}
    for tenant, changed in ((globex, False), (acme, True)):
        browser = Browser(tenant)
        page = browser.get(path, follow=True)
        browser.post(page.request["PATH_INFO"], new)
        assert logs_in(tenant, "ada@example.com", "another-sesame-9") == changed


def test_confirmations_are_no_clones() -> None:
    """Keys of confirmations are among what no clone gets."""
    from tenancy.conf import conf

    assert EmailConfirmation._meta.label in conf.known_credentials
