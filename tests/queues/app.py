"""The app, as a project would write it. A variable tells workers where its Redis is; the tests set it themselves."""

import os

from tenancy.contrib.celery import Celery

app = Celery("queues", include=["tests.queues.tasks"])
app.conf.update(
    broker_url=os.environ.get("QUEUES_REDIS"),
    result_backend=os.environ.get("QUEUES_RESULTS", os.environ.get("QUEUES_REDIS")),
    broker_connection_retry_on_startup=True,
    # What a process had when it was killed is done by another.
    task_acks_late="QUEUES_LATE" in os.environ,
    task_reject_on_worker_lost="QUEUES_LATE" in os.environ,
    broker_transport_options={"visibility_timeout": 2},
    task_default_queue=os.environ.get("QUEUES_QUEUE", "celery"),
    task_publish_retry=False,
    worker_hijack_root_logger=False,
    worker_prefetch_multiplier=1,
)
