"""Who may say whom a request is for."""


def may_name(request, tenant):
    return False
