"""An unmodified app whose migrations depend on atelier's, and are squashed in `squashed`."""
