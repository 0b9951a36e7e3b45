"""Tokens for resetting passwords and signed values are one tenant's: over Django's own views, in a tenant and in one
that is like a clone of it.
"""

import re
from typing import Any

import pytest
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.contrib.auth.tokens import default_token_generator
from django.contrib.sites.models import Site
from django.core import mail
from django.test import Client

from django_schemas import bind
from tenancy import signing, tenant_context
from tenancy.exceptions import NoCurrentTenant
from tenancy.models import Tenant
from tenancy.tokens import token_generator

pytestmark = pytest.mark.django_db(databases="__all__")

HOOLI, VEHEMENT, PUBLIC = "hooli.saas.test", "vehement.saas.test", "saas.test"


@pytest.fixture(autouse=True)
def _urls(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.apps.site.urls_credentials"
    settings.TENANCY = {**settings.TENANCY, "PUBLIC_URLCONF": "tests.apps.site.urls_credentials"}
    settings.SESSION_ENGINE = "tenancy.sessions.db"


@pytest.fixture
def ada(hooli: Tenant, vehement: Tenant) -> User:
    """The same user, by key, address and hash, in hooli, in its clone and at the platform; hooli's is returned."""
    password = make_password("sesame")
    for schema, host in (("hooli", HOOLI), ("vehement", VEHEMENT), ("registry", PUBLIC)):
        bind(Site, "default", schema).objects.create(domain=host, name=host)
        bind(User, "default", schema).objects.create(pk=7, username="ada", email="ada@example.test", password=password)
    found: User = bind(User, "default", "hooli").objects.get(pk=7)
    return found


def get(host: str, path: str) -> Any:
    return Client().get(path, headers={"host": host}, follow=True)


def reset(host: str) -> str:
    """The path of the link that is sent when a password is forgotten."""
    mail.outbox.clear()
    Client().post("/password_reset/", {"email": "ada@example.test"}, headers={"host": host})
    (sent,) = mail.outbox
    found = re.search(rf"http://{re.escape(host)}(/reset/\S+)", sent.body)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("home", [HOOLI, VEHEMENT, PUBLIC])
def test_link_is_valid_at_home_alone(ada: User, home: str) -> None:
    """The link of one tenant shows the form for a new password there, and says that it is not valid anywhere else."""
    link = reset(home)
    valid = {host: get(host, link).context["validlink"] for host in (HOOLI, VEHEMENT, PUBLIC)}
    assert valid == {host: host == home for host in (HOOLI, VEHEMENT, PUBLIC)}


def test_the_password_is_reset_once(ada: User) -> None:
    """The link works to the end, for one user, and then no more."""
    link = reset(HOOLI)
    client = Client()
    page = client.get(link, headers={"host": HOOLI}, follow=True)
    form = {"new_password1": "open-42-sesame", "new_password2": "open-42-sesame"}
    assert client.post(page.request["PATH_INFO"], form, headers={"host": HOOLI}).status_code == 302
    passwords = [
        bind(User, "default", schema).objects.get(pk=7).check_password("open-42-sesame")
        for schema in ("hooli", "vehement", "registry")
    ]
    assert passwords == [True, False, False]
    assert not get(HOOLI, link).context["validlink"]


def test_why_djangos_tokens_are_warned_of(ada: User, hooli: Tenant, vehement: Tenant) -> None:
    """Django's token of Ada is valid for whoever has her key and hash in the clone; ours is not."""
    with tenant_context(vehement):
        other = User.objects.get(pk=7)
    for generator, valid in ((default_token_generator, True), (token_generator, False)):
        with tenant_context(hooli):
            token = generator.make_token(ada)
            assert generator.check_token(ada, token)
        with tenant_context(vehement):
            assert generator.check_token(other, token) is valid


def test_signed_value(ada: User) -> None:
    """What a view of one tenant signs is read by that tenant's, and by no other's."""
    signed = get(HOOLI, "/sign/").content.decode()
    assert get(HOOLI, f"/sign/?signed={signed}").json() == {"invoice": 7}
    assert get(VEHEMENT, f"/sign/?signed={signed}").status_code == 403


SIGNER = signing.Signer(salt="made as the module is loaded")


@pytest.mark.parametrize("signer", [SIGNER, signing.Signer(), signing.TimestampSigner(), signing.Signer(key="k")])
def test_signers(hooli: Tenant, vehement: Tenant, signer: signing.Signer) -> None:
    """A signer asks for the tenant when it is used."""
    with tenant_context(hooli):
        signed = signer.sign("7")
        assert signer.unsign(signed) == "7"
    with tenant_context(vehement), pytest.raises(signing.BadSignature):
        signer.unsign(signed)
    for use in (signer.sign, signer.unsign):
        with pytest.raises(NoCurrentTenant, match=r"tenant_context\(\)"):
            use(signed)


def test_dumps_and_loads(hooli: Tenant, vehement: Tenant) -> None:
    """Salts and ages count as they do in Django."""
    with tenant_context(hooli):
        signed = signing.dumps([1, 2], salt="a", compress=True)
        assert signing.loads(signed, salt="a", max_age=60) == [1, 2]
        with pytest.raises(signing.BadSignature):
            signing.loads(signed, salt="b")
        with pytest.raises(signing.SignatureExpired):
            signing.loads(signed, salt="a", max_age=-1)
    with tenant_context(vehement), pytest.raises(signing.BadSignature):
        signing.loads(signed, salt="a")
    with pytest.raises(NoCurrentTenant):
        signing.dumps(1)
