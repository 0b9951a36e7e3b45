"""Resuming: goes on with what was being done to a tenant when the process that did it died, or its database did.

Each kind of work says how it is resumed, beside the code that does it: `@resumes("move")` on a function that is given
the tenant, as its row is now, and returns what it did, in a few words. It runs within `working_on(tenant.slug)`, and
finds out by itself how far the work had come: what was cut off may have been done or not.
"""

from collections.abc import Callable
from typing import TypeVar

from ..exceptions import TenancyError
from ..models import AbstractTenant
from ..provisioning import provision
from ..states import Status
from ..work import working_on

__all__ = ["WORK", "resume_work", "resumes"]

Resume = Callable[[AbstractTenant], str]
_R = TypeVar("_R", bound=Resume)

WORK: dict[str, Resume] = {}
"""How each kind of work is resumed: what `work["kind"]` of a tenant says -> a function."""


def resumes(kind: str) -> Callable[[_R], _R]:
    """Decorate the function that resumes a kind of work."""

    def register(function: _R) -> _R:
        WORK[kind] = function
        return function

    return register


def resume_work(tenant: AbstractTenant) -> str:
    """Go on with what is under way on a tenant; one that was not provisioned to the end is.

    Returns:
        What was done, in a few words.

    Raises:
        TenantBusy: another process works on it just now.
        TenancyError: its work is of a kind that this version does not know.
    """
    with working_on(tenant.slug):
        tenant.refresh_from_db()
        if tenant.work is not None:
            kind = tenant.work["kind"]
            if kind not in WORK:
                known = ", ".join(sorted(WORK)) or "none"
                raise TenancyError(f"Tenant {tenant.slug!r} has work of the unknown kind {kind!r}; known: {known}.")
            return WORK[kind](tenant)
        if tenant.status in (Status.PROVISIONING, Status.FAILED):
            provision(tenant)
            return "provisioned"
        return f"nothing to do: it is {tenant.status}"
