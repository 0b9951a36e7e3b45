"""How much of a process one tenant may use."""


def statement_timeout(tenant):
    return 30 if tenant.settings.get("plan") == "large" else 5
