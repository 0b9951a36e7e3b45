"""Log records that tell whose they are: a filter for `LOGGING`.

Whose a record is, is asked as a filter first sees it, and stays: a handler that writes in a thread of its own is given
records that were filtered where they were made.
"""

import logging
from dataclasses import asdict
from typing import Any

from .identity import NOBODY, Identity, current_identity, identity_of

__all__ = ["TenantFilter"]


class TenantFilter(logging.Filter):
    """Give each record `tenant`, `tenant_id`, `db` and `schema`; they are empty where nobody is current. All records
    pass.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Name whose record it is; whoever logged with `extra` of these names knows better."""
        for name, value in asdict(_whose(record)).items():
            record.__dict__.setdefault(name, value)
        return True


def _whose(record: logging.LogRecord) -> Identity:
    found = current_identity()
    if found is not NOBODY:
        return found
    # Django tells of a 404 when the middleware is done with it. Other packages' records have other requests.
    tenant: Any = getattr(getattr(record, "request", None), "tenant", None)
    return identity_of(tenant) if hasattr(tenant, "schema_name") else NOBODY
