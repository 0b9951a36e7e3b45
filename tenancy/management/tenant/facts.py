"""What the registry knows of tenants, as values for people and machines."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from ...models import AbstractTenant
from ...registry import domain_model
from ...runs import FleetRun

__all__ = ["facts_of", "facts_of_run"]


def facts_of(tenants: Sequence[AbstractTenant]) -> list[dict[str, Any]]:
    """What is known of each tenant, for people and machines; one query for the hosts of all."""
    hosts = defaultdict(list)
    pks = [tenant.pk for tenant in tenants]
    for pk, host in domain_model()._default_manager.filter(tenant__in=pks).values_list("tenant_id", "host"):
        hosts[pk].append(host)
    return [
        {
            "slug": tenant.slug,
            "name": tenant.name,
            "status": tenant.status,
            "status_reason": tenant.status_reason,
            "db": tenant.db,
            "schema_name": tenant.schema_name,
            "id": str(tenant.pk),
            "domains": hosts[tenant.pk],
            "created_at": tenant.created_at.isoformat(),
            "work": tenant.work,
            "migrated_to": tenant.migrated_to,
        }
        for tenant in tenants
    ]


def facts_of_run(run: FleetRun) -> dict[str, Any]:
    """What is known of a run of `tenant migrate`."""
    return {
        "started_at": run.started_at.isoformat(),
        "seen_at": run.seen_at.isoformat(),
        "ended_at": run.ended_at.isoformat() if run.ended_at else None,
        "actor": run.actor,
        "selection": run.selection,
        "goal": run.goal,
        "total": run.total,
        "counts": run.counts,
        "reasons": run.reasons,
    }
