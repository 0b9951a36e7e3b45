"""What developers of this repository run, and users never install."""
