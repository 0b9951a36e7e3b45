"""The errors this package raises. Each has one base, `TenancyError`, and a docstring that is its default message."""

__all__ = [
    "AdoptionRefused",
    "ArchiveInvalid",
    "IllegalTransition",
    "MoveFailed",
    "MoveRefused",
    "MoveUnfinished",
    "NoCurrentTenant",
    "ProvisioningCancelled",
    "ProvisioningFailed",
    "QuotaExceeded",
    "RegistryUnavailable",
    "TenancyError",
    "TenantBusy",
    "TenantExists",
    "TenantNotActive",
    "UnknownTenant",
]


class TenancyError(Exception):
    """Something about a tenant went wrong."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message if message is not None else type(self).__doc__)


class NoCurrentTenant(TenancyError):
    """No tenant is current."""


class AdoptionRefused(TenancyError):
    """These tables or this schema can't become a tenant's."""


class TenantBusy(TenancyError):
    """Another process works on this tenant."""


class TenantExists(TenancyError, ValueError):
    """This slug, host or schema is taken by another tenant, or by a deleted one that is not purged yet."""


class TenantNotActive(TenancyError):
    """This tenant is not active: only active tenants are served."""


class QuotaExceeded(TenancyError):
    """There may be no such tenant, or no more tenants: nothing was made."""


class RegistryUnavailable(TenancyError):
    """The registry's database can't be asked, and nothing that is young enough is remembered of this tenant."""


class UnknownTenant(TenancyError, LookupError):
    """There is no such tenant."""


class ArchiveInvalid(TenancyError, ValueError):
    """This file is no archive of a tenant, or is damaged."""


class IllegalTransition(TenancyError, ValueError):
    """A tenant can't go from its status to this one."""


class MoveRefused(TenancyError):
    """A tenant can't be moved so, or this move can't be undone: nothing was done."""


class MoveFailed(TenancyError):
    """A tenant could not be moved. It is where it was, and what it was."""


class MoveUnfinished(TenancyError):
    """A move was cut off. The tenant is not served until it is resumed or aborted; no data are lost."""


class ProvisioningFailed(TenancyError):
    """A tenant's schema could not be made."""


class ProvisioningCancelled(ProvisioningFailed):
    """A tenant was cancelled or deleted while its schema was being made. Nothing is left of that."""
