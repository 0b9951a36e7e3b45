"""The signals of a tenant's life. Each has the tenant model as sender and a keyword `tenant`.

`tenant_created` comes with the row, before there is a schema: what provisions new tenants listens to it.
`tenant_status_changed` also has `old`, `new` and `reason`; `tenant_provisioning_failed` has `error`;
`tenant_moved` has `old` and `new`, placements.
Those that tell of a change are sent once it is committed.
"""

from django.dispatch import Signal

__all__ = [
    "tenant_created",
    "tenant_deleted",
    "tenant_moved",
    "tenant_provisioned",
    "tenant_provisioning",
    "tenant_provisioning_failed",
    "tenant_status_changed",
]

tenant_created = Signal()
tenant_provisioning = Signal()
tenant_provisioned = Signal()
tenant_provisioning_failed = Signal()
tenant_status_changed = Signal()
tenant_moved = Signal()
tenant_deleted = Signal()
