"""The pages of the help desk, one module for each noun, and its JSON endpoint."""
