"""This package over several servers, with an admin for the platform's own staff."""
