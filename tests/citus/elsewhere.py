"""Which other tests are run on a cluster as well, and which of these can't be, each with its reason."""

__all__ = ["ALSO", "NOT_THERE"]

_SCHEMAS, _TENANCY = "tests/integration/django_schemas", "tests/integration/tenancy"

ALSO = (
    f"{_SCHEMAS}/test_querysets.py",
    f"{_SCHEMAS}/test_relations.py",
    f"{_SCHEMAS}/test_across.py",
    f"{_SCHEMAS}/test_deletion.py",
    f"{_SCHEMAS}/test_mixing.py",
    f"{_SCHEMAS}/test_rows.py",
    f"{_SCHEMAS}/test_big_ints.py",
    f"{_SCHEMAS}/test_blueprint.py",
    f"{_TENANCY}/test_provisioning.py",
    f"{_TENANCY}/test_lifecycle.py",
    f"{_TENANCY}/test_deletion.py",
    f"{_TENANCY}/test_cloning.py",
    f"{_TENANCY}/test_transfer.py",
    f"{_TENANCY}/test_move.py",
    f"{_TENANCY}/test_pool.py",
    f"{_TENANCY}/test_checking.py",
    f"{_TENANCY}/test_fencing.py",
)
"""Files of tests: what tenants are for, and what copies, moves and compares them."""

NOT_THERE: dict[str, str] = {}
"""What can't be run there, by the end of its name, and why."""
