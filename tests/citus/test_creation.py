"""Test databases on a cluster: one on each node, also where a run that was killed has left them."""

from contextlib import closing
from typing import Any

import psycopg2
import pytest
from django.db import connections

from . import cluster


@pytest.mark.usefixtures("committed")
def test_one_that_was_left() -> None:
    """It is made anew, though nodes, and others, are connected to it; and goes from all nodes."""
    ours: Any = connections["default"]
    test = {**ours.settings_dict["TEST"], "NAME": "test_left"}
    connection = type(ours)({**ours.settings_dict, "TEST": test}, alias="default")
    with cluster.made("test_left") as url, closing(psycopg2.connect(url)):
        connection.creation._create_test_db(verbosity=0, autoclobber=True)
        assert cluster.asked(url, "SELECT count(*) FROM pg_dist_node") == [
            (1 + len(cluster.workers_with("test_left")),)
        ]
        connection.creation._destroy_test_db("test_left", verbosity=0)
        for node in (cluster.CITUS_URL, *cluster.workers_with("postgres")):
            assert cluster.asked(node, "SELECT FROM pg_database WHERE datname = 'test_left'") == []
