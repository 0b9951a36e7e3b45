"""What a page says about the help desk it belongs to: name, address, colour. Used by templates and the admin.

It reads `request.tenant` where there is one and asks the database nothing. The plan and, where the company chose one,
the colour stand in the tenant's `settings`, which the platform's staff can edit.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

from django.conf import settings
from django.http import HttpRequest
from django.http.request import split_domain_port

ACCENTS = ("teal", "blue", "violet", "rose", "amber", "green")
PLANS = ("Dinghy", "Ketch", "Frigate")


@dataclass(frozen=True)
class Workspace:
    """One company's help desk, as its pages show it."""

    name: str
    host: str = ""
    slug: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def plan(self) -> str:
        """What the company pays for; the free plan if nothing is said."""
        plan = self.settings.get("plan")
        return plan if plan in PLANS else PLANS[0]

    @property
    def accent(self) -> str:
        """The colour that tells this help desk from others at a glance; without a slug, the product's."""
        if self.settings.get("accent") in ACCENTS:
            return self.settings["accent"]
        return ACCENTS[crc32(self.slug.encode()) % len(ACCENTS)] if self.slug else ACCENTS[0]


def workspace_of(request: HttpRequest) -> Workspace:
    """Return the help desk that the request is for; the product itself where it is for none."""
    tenant = getattr(request, "tenant", None)
    if tenant is None:
        return Workspace(settings.PRODUCT)
    return Workspace(tenant.name, request.get_host(), tenant.slug, tenant.settings)


def address(request: HttpRequest, host: str, path: str = "/") -> str:
    """Return a URL on another host of this site, with the scheme and port of the request."""
    port = split_domain_port(request.get_host())[1]
    return f"{request.scheme}://{host}{':' + port if port else ''}{path}"


def workspace(request: HttpRequest) -> dict[str, Any]:
    """Context processor: `workspace`, `product` and the public site's `public_url`."""
    return {
        "workspace": workspace_of(request),
        "product": settings.PRODUCT,
        "base_domain": settings.BASE_DOMAIN,
        "public_url": address(request, settings.BASE_DOMAIN),
    }
