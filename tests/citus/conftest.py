"""Without a cluster these are reported as not run; `make test-citus` fails then."""

import pytest

from .cluster import CITUS_URL, MISSING


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if __package__ in item.nodeid.replace("/", ".") and not CITUS_URL:
            item.add_marker(pytest.mark.skip(reason=MISSING))
