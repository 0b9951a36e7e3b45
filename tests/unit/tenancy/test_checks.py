"""The system checks of tenancy: each finds its fault, and none finds fault with the settings of the tests."""

from typing import Any

import pytest

from tenancy.checks import check_tenancy
from tenancy.middleware import TenantMiddleware
from tenancy.sharing import check_sharing


def test_no_fault() -> None:
    """The settings of the tests are right."""
    assert check_tenancy(None) == []


@pytest.mark.parametrize(
    ("change", "id_", "message"),
    [
        ({"BASE_DOMIAN": "x"}, "tenancy.E001", "BASE_DOMIAN"),
        ({"ENVIRONMENT": None}, "tenancy.E003", "tenant, depot, crates"),
        ({"ENVIRONMENT": "registry"}, "tenancy.E003", "no multi-schema environment"),
        ({"ENVIRONMENT": "nowhere"}, "tenancy.E003", "nowhere"),
        ({"RESOLVERS": ["tenancy.resolvers.Nothing"]}, "tenancy.E004", "Nothing"),
        ({"RESOLVERS": ["tenancy.resolvers.HeaderResolver"]}, "tenancy.E004", "verifier"),
        ({"PLACING": "tenancy.placing.nowhere"}, "tenancy.E005", "nowhere"),
        ({"PROVISIONING": "later"}, "tenancy.E006", "later"),
        ({"PROVISIONING": "tenancy.tasks.nowhere"}, "tenancy.E006", "can't be loaded"),
        ({"DOMAIN_VERIFIER": "tenancy.dns.nowhere"}, "tenancy.E030", "can't be loaded"),
        ({"DOMAIN_VERIFIER": 3}, "tenancy.E030", "can't be called"),
        ({"GRACE_DAYS": "30"}, "tenancy.E031", "no number of days"),
        ({"GRACE_DAYS": -1}, "tenancy.E031", "no number of days"),
        ({"DATABASES": ["default", "shard3"]}, "tenancy.E007", "shard3"),
        ({"DATABASES": {"default": 1, "shard3": 0}}, "tenancy.E007", "shard3"),
        ({"DATABASES": {"default": 0, "shard2": 0}}, "tenancy.E007", "all of them weigh 0"),
        ({"DATABASES": {"default": 1, "shard2": -1}}, "tenancy.E013", "shard2"),
        ({"DATABASES": {"default": 1, "shard2": float("inf")}}, "tenancy.E013", "inf"),
        ({"DATABASES": {"default": 1, "shard2": "much"}}, "tenancy.E013", "much"),
        ({"TRUSTED_PROXIES": ["10.0.0.1/8"]}, "tenancy.E011", "10.0.0.1/8"),
        ({"REFUSAL_VIEWS": {"lost": "tests.apps.site.views.public"}}, "tenancy.E012", "lost"),
        ({"REFUSAL_VIEWS": {"unknown": "tests.apps.site.views.nowhere"}}, "tenancy.E012", "nowhere"),
        ({"CACHE_TTL_S": -1}, "tenancy.E013", "CACHE_TTL_S"),
        ({"STALE_S": "long"}, "tenancy.E013", "long"),
        ({"POOL": "many"}, "tenancy.E013", "many"),
        ({"TASKS_RETRY": ["moving"]}, "tenancy.E035", "moving"),
        ({"TASKS_RETRY": {"away": 5}}, "tenancy.E035", "away"),
        ({"TASKS_RETRY": {"active": 5}}, "tenancy.E035", "active"),
        ({"TASKS_RETRY": {"moving": 0}}, "tenancy.E035", "0"),
        ({"BEHIND": "wait"}, "tenancy.E016", "wait"),
        ({"BASE_DOMAIN": "saas.test:8000"}, "tenancy.E014", "8000"),
        ({"BASE_DOMAIN": "bücher.test"}, "tenancy.E014", "bücher"),
        ({"QUOTA": "tenancy.billing.nowhere"}, "tenancy.E036", "can't be loaded"),
        ({"EMAIL": {"from": "a@b.test"}}, "tenancy.E036", "can't be called"),
        ({"METRICS_TOKEN": "short"}, "tenancy.E037", "16 ASCII"),
        ({"METRICS_TOKEN": "é" * 16}, "tenancy.E037", "16 ASCII"),
        (
            {"RESOLVERS": [("tenancy.resolvers.SessionResolver", {"verifier": "builtins.callable"})]},
            "tenancy.E015",
            "session middleware",
        ),
    ],
)
def test_fault(settings: Any, change: dict[str, Any], id_: str, message: str) -> None:
    """A fault is found once, by its id, and the message names what is wrong."""
    settings.TENANCY = {**settings.TENANCY, **change}
    found = check_tenancy(None)
    assert [each.id for each in found] == [id_]
    assert message in found[0].msg


@pytest.mark.parametrize("key", ["MAX_CONNECTIONS", "OPTIONS"])
@pytest.mark.parametrize(("most", "ids"), [(2, ["tenancy.E041"]), (3, []), (None, [])])
def test_few_connections(settings: Any, key: str, most: int | None, ids: list[str]) -> None:
    """What is worked on takes three to the registry's database, and two elsewhere."""
    value = most if key == "MAX_CONNECTIONS" else {"pool": {"max_size": most}}
    default, shard2 = settings.DATABASES["default"], settings.DATABASES["shard2"]
    settings.DATABASES = {**settings.DATABASES, "default": {**default, key: value}, "shard2": {**shard2, key: value}}
    assert [each.id for each in check_tenancy(None)] == ids


def test_registry_missing(settings: Any) -> None:
    """Without a single-schema environment for it there is no registry."""
    settings.DATABASE_ENVIRONMENTS = {**settings.DATABASE_ENVIRONMENTS, "registry": {}}
    assert "tenancy.E002" in [each.id for each in check_tenancy(None)]


@pytest.mark.parametrize(("proxies", "ids"), [([], ["tenancy.E010"]), (["10.0.0.0/8", "unix"], [])])
def test_forwarded_host(settings: Any, proxies: list[str], ids: list[str]) -> None:
    """Who uses X-Forwarded-Host says whose it may be."""
    settings.USE_X_FORWARDED_HOST = True
    settings.TENANCY = {**settings.TENANCY, "TRUSTED_PROXIES": proxies}
    assert [each.id for each in check_tenancy(None)] == ids


@pytest.mark.parametrize(
    ("hosts", "base", "resolvers", "ids"),
    [
        (["saas.test"], "saas.test", ["SubdomainResolver"], ["tenancy.W038"]),
        ([], "saas.test", ["SubdomainResolver"], ["tenancy.W038"]),
        ([".saas.test"], "saas.test", ["SubdomainResolver"], []),
        (["saas.test"], "saas.test", ["DomainResolver"], []),
        ([], None, ["SubdomainResolver"], []),
        ([], "localhost", ["SubdomainResolver"], []),
    ],
)
def test_hosts_refused(settings: Any, hosts: list[str], base: str | None, resolvers: list[str], ids: list[str]) -> None:
    """ALLOWED_HOSTS that Django would refuse every tenant by is told of; where it is empty, as DEBUG has it."""
    settings.ALLOWED_HOSTS, settings.DEBUG = hosts, True
    resolvers = [f"tenancy.resolvers.{name}" for name in resolvers]
    settings.TENANCY = {**settings.TENANCY, "BASE_DOMAIN": base, "RESOLVERS": resolvers}
    assert [each.id for each in check_tenancy(None)] == ids


@pytest.mark.parametrize(
    ("middleware", "resolvers", "ids"),
    [
        (["django.middleware.common.CommonMiddleware"], ["tenancy.resolvers.DomainResolver"], ["tenancy.W040"]),
        (["django.middleware.common.CommonMiddleware"], [], []),
        ([f"{__name__}.Ours"], ["tenancy.resolvers.DomainResolver"], []),
    ],
)
def test_no_middleware(settings: Any, middleware: list[str], resolvers: list[str], ids: list[str]) -> None:
    """Without the middleware, or one made of it, requests have no tenant; where nothing resolves none is expected."""
    settings.MIDDLEWARE = middleware
    settings.TENANCY = {**settings.TENANCY, "RESOLVERS": resolvers}
    assert [each.id for each in check_tenancy(None)] == ids


class Ours(TenantMiddleware):
    """A middleware of a project's own."""


def test_sharing(settings: Any) -> None:
    """Apps whose models are in no environment are named, with the models whose rows all tenants share."""
    (message,) = check_sharing(None)
    assert (message.id, message.msg) == (
        "tenancy.W039",
        "All tenants share the rows of 'tests.apps.leaflets', which is in APPS of no environment: Leaflet.",
    )
    assert "'tenant'" in str(message.hint)
    environments = settings.DATABASE_ENVIRONMENTS
    shared = {"SCHEMA_NAME": "public", "APPS": ["tests.apps.leaflets"]}
    settings.DATABASE_ENVIRONMENTS = {**environments, "shared": shared}
    assert check_sharing(None) == []
    settings.DATABASE_ENVIRONMENTS = environments
    settings.TENANCY = {**settings.TENANCY, "ENVIRONMENT": None}
    assert check_sharing(None) == []
