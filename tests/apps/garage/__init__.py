"""An app of the multi-schema environment `tenant`."""
