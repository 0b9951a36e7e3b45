"""An app of the single-schema environment `registry`."""
