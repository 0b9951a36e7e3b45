"""Commands of the help desk."""
