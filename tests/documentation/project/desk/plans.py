"""How many tenants there may be."""


def quota(tenant):
    return None
