"""An app whose environment no database hosts, with few migrations: made in milliseconds."""
