"""The settings as the package sees them: what is kept of them is forgotten as one is overridden."""

from typing import Any

from tenancy.conf import conf


def test_overridden_settings_are_seen_at_once(settings: Any) -> None:
    """What every request asks for is computed once, and anew with other settings."""

    def seen() -> tuple[str, str, float]:
        return conf.base_domain, conf.environment, conf.cache_ttl_s

    before = seen()
    settings.TENANCY = {"BASE_DOMAIN": "Other.test.", "ENVIRONMENT": "depot", "CACHE_TTL_S": 1}
    assert seen() == ("other.test", "depot", 1.0)
    del settings.TENANCY
    assert seen() != before
    settings.TENANCY = {"ENVIRONMENT": "tenant"}
    assert seen() == ("", "tenant", 5.0)
