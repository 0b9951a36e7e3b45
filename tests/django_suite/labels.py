"""The apps of Django's test project that are run, in lists with a name."""

__all__ = ["LISTS"]

_FIRST = """
    basic queries many_to_many prefetch_related select_related aggregation annotations delete update bulk_create
    expressions model_inheritance
""".split()

LISTS: dict[str, list[str]] = {"first": _FIRST}
"""Labels for runtests.py, by the name of the list."""
