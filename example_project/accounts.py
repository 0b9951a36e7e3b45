"""The companies that come with the example, and who can log in there. No models: anybody may import this."""

COMPANIES = {"acme": "Acme Tools", "globex": "Globex Travel", "initech": "Initech Software"}
PASSWORD = "harbor-desk"
STAFF = "staff@harbor-desk.test"


def owner_of(slug: str) -> str:
    """Return the name with which the owner of a sample help desk logs in."""
    return f"owner@{slug}.test"
