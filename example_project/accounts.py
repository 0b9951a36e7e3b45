"""The companies that come with the example, and who can log in there. No models: anybody may import this.

COMPANIES are served; DOMAINS are hosts of their own, beside the one below the public site's. One more is suspended, and
one never made to the end, so that their pages can be seen.
"""

COMPANIES = {"acme": "Acme Tools", "globex": "Globex Travel", "initech": "Initech Software"}
SETTINGS = {"acme": {"plan": "Ketch"}, "globex": {"plan": "Frigate", "accent": "amber"}}
DOMAINS = {"globex": "help.globex-travel.localhost"}
PAUSED, IN_THE_MAKING = "hooli", "piedpiper"
PASSWORD = "harbor-desk"
STAFF = "staff@harbor-desk.test"


def owner_of(slug: str) -> str:
    """Return the name with which the owner of a sample help desk logs in."""
    return f"owner@{slug}.test"
