"""A change of rows, by a function that gets historic models."""
