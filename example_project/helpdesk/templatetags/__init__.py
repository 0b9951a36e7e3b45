"""Template filters of the help desk."""
