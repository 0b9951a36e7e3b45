"""Apps whose models the tests use."""
