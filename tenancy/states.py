"""The states of a tenant's life, and which may follow which."""

from django.db.models import TextChoices

from .exceptions import IllegalTransition

__all__ = ["Status", "check_transition"]


class Status(TextChoices):
    """Where a tenant stands. Only active tenants are served."""

    PROVISIONING = "provisioning"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    MOVING = "moving"
    DELETING = "deleting"
    GONE = "gone"
    FAILED = "failed"


_NEXT: dict[str, frozenset[str]] = {
    Status.PROVISIONING: frozenset({Status.ACTIVE, Status.FAILED, Status.DELETING}),
    Status.ACTIVE: frozenset({Status.SUSPENDED, Status.MOVING, Status.DELETING}),
    Status.SUSPENDED: frozenset({Status.ACTIVE, Status.MOVING, Status.DELETING}),
    Status.MOVING: frozenset({Status.ACTIVE, Status.SUSPENDED, Status.DELETING}),
    Status.FAILED: frozenset({Status.PROVISIONING, Status.DELETING}),
    # A deleted tenant that is restored is what it was before.
    Status.DELETING: frozenset({Status.ACTIVE, Status.SUSPENDED, Status.FAILED, Status.GONE}),
    Status.GONE: frozenset(),
}


def check_transition(name: str, old: str, new: str, was: str | None = None) -> None:
    """Raise IllegalTransition unless a tenant may go from one status to the other, and comes from the one it must."""
    if new not in _NEXT[old]:
        allowed = ", ".join(sorted(_NEXT[old])) or "nothing"
        raise IllegalTransition(f"Tenant {name!r} is {old} and can't become {new}; it can become {allowed}.")
    if was not in (None, old):
        raise IllegalTransition(f"Tenant {name!r} is {old}, not {was}, so it can't become {new} by this.")
