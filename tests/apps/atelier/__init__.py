"""An unmodified app that knows nothing of schemas, whose migrations use all of Django's operations."""
