"""An unmodified app whose one table all schemas of the battery share, in a single-schema environment."""
