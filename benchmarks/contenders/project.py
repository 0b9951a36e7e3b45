"""What the projects of all contenders have in common. Their settings take it from here; nothing else does.

`DATABASE_URL` is the contender's database. `BENCH_APPS` are the apps whose tables each tenant has, with commas between;
the shop and what Django brings if it is not set. `BENCH_LATER` names the migration that the shop has one more.
`BENCH_LIMIT_SET_CALLS`, if it is set, chooses the other libraries' mode of that name.
"""

import os
from typing import Any

import environ

from tools.driver import choose_driver

__all__ = ["EASED", "MIDDLEWARE", "MIGRATION_MODULES", "TEMPLATES", "TENANT_APPS", "database"]

choose_driver()

_env = environ.Env()

TENANT_APPS = _env.list(
    "BENCH_APPS",
    default=[
        "django.contrib.contenttypes",
        "django.contrib.auth",
        "django.contrib.sessions",
        "django.contrib.admin",
        "benchmarks.shop",
    ],
)
_later = os.environ.get("BENCH_LATER")
MIGRATION_MODULES = {"shop": f"benchmarks.shop.later.{_later}.migrations"} if _later else {}
EASED = bool(os.environ.get("BENCH_LIMIT_SET_CALLS"))

MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]


def database(engine: str, url: str | None = None) -> dict[str, Any]:
    """The contender's database, by a backend; or another one. A connection is kept from one request to the next."""
    return {**environ.Env.db_url_config(url or os.environ["DATABASE_URL"], engine=engine), "CONN_MAX_AGE": None}
