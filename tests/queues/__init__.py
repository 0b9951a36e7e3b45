"""Background work for the tests: a Redis, an app of Celery's with tasks that tell whom they run for, its workers."""
