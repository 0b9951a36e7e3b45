"""Sessions that are of one tenant, and nobody's in any other: engines for `SESSION_ENGINE`, beside Django's own.

`tenancy.sessions.db`, `.cached_db`, `.cache`, `.file` and `.signed_cookies` store what Django's engines of these names
store, where those store it. The public host is one more owner, beside the tenants.
"""
