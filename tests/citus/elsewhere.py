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

_SUBQUERY = "Citus takes no subquery among the values of an INSERT"
_TRIGGER = "a trigger numbers rows of another table, which a worker can't with keys of 32 bits"
_WAITS = "what waits on a worker is checked as it commits"

NOT_THERE = {
    "test_move.py::test_another_name_of_the_same_database": "the other name leads to the development PostgreSQL",
    "test_querysets.py::test_queries_within_one_schema[insert of a subquery]": _SUBQUERY,
    "test_mixing.py::test_own_rows[same: subquery: create with a subquery]": _SUBQUERY,
    "test_mixing.py::test_own_rows[same: subquery: bulk_create with a subquery]": _SUBQUERY,
    "test_mixing.py::test_own_rows[same, async: subquery: create with a subquery]": _SUBQUERY,
    "test_mixing.py::test_own_rows[same, async: subquery: bulk_create with a subquery]": _SUBQUERY,
    "test_big_ints.py::test_foreign_keys_are_checked": _WAITS,
    "test_big_ints.py::test_one_rewrite_for_each_table": "tables with keys that number themselves are made anew",
    "test_big_ints.py::test_awkward_names": "Citus has no INHERITS",
    "test_blueprint.py::test_is_sent_at_once": "Citus is sent one statement at a time",
    "test_blueprint.py::test_kept_for_other_processes": "Citus is sent one statement at a time",
    "test_blueprint.py::test_apps_without_migrations": "their foreign keys to other apps lead to what looks like these",
    "test_rows.py::test_what_models_do_not_have": _TRIGGER,
    "test_rows.py::test_sessions_settings_do_not_matter": _TRIGGER,
    "test_rows.py::test_a_digest_sees_one_changed_value": _TRIGGER,
    "test_rows.py::test_foreign_keys_are_checked": "a worker is not told of session_replication_role",
    "test_rows.py::test_a_lost_source_is_an_error": "the session is looked for on the other server",
    "test_rows.py::test_behind_a_pooler": "the pooler leads to the development PostgreSQL",
    "test_deletion.py::test_sizes_of_whatever_is_there": "it asks PostgreSQL, and the tables are on a worker",
    "test_move.py::test_tables_that_refer_to_others": "by hand, nothing makes a reference table of what is referred to",
}
"""What can't be run there, by the end of its name, and why."""
