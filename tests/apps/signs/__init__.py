"""An app that knows nothing of schemas, adopted by two environments as `django.contrib.auth` is."""
