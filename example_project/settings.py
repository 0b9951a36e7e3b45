"""Settings of the example, read from the environment (django-environ).

DATABASE_URL: the first database. DATABASE_URL_SHARD2: the second one; without it there is only one.
SECRET_KEY, DEBUG: as in Django; the defaults are for trying out.
BASE_DOMAIN: the public site's host; each tenant's is a name below it.
CACHE_TTL_S: for how many seconds a process may go on with what it read of a tenant.
STATEMENT_LOG: a file to write all SQL statements to, by request.
"""

from pathlib import Path

import environ

env = environ.Env()
FOLDER = Path(__file__).resolve().parent
ENGINE = "django_schemas.backends.postgres.wrapper"

DEBUG = env.bool("DEBUG", True)
SECRET_KEY = env.str("SECRET_KEY", "for-trying-out-only-" * 3)
BASE_DOMAIN = env.str("BASE_DOMAIN", "localhost")
PRODUCT = "Harbor Desk"

# Which hosts are served is for TenantMiddleware to say, by the registry: all others get its 404.
ALLOWED_HOSTS = ["*"]

# Where things live. Tenants are spread over both databases; the registry is in the first.
DATABASES = {
    "default": {
        **env.db("DATABASE_URL", "postgres://127.0.0.1/harbor_desk", engine=ENGINE),
        "ENVIRONMENTS": ["registry", "tenant"],
    },
}
if "DATABASE_URL_SHARD2" in env:
    DATABASES["shard2"] = {**env.db("DATABASE_URL_SHARD2", engine=ENGINE), "ENVIRONMENTS": ["tenant"]}

# Users, sessions and the admin's log: the platform staff's in the registry, each tenant's in its schema.
ADOPTED = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.admin",
]
DATABASE_ENVIRONMENTS = {
    "registry": {"SCHEMA_NAME": "registry", "APPS": ADOPTED},
    "tenant": {"APPS": ADOPTED},
}
DATABASE_ROUTERS = ["django_schemas.routers.ExplicitRouter"]

TENANCY = {
    "ENVIRONMENT": "tenant",
    "BASE_DOMAIN": BASE_DOMAIN,
    "PUBLIC_URLCONF": "example_project.urls_public",
    "RESOLVERS": [
        "tenancy.resolvers.DomainResolver",
        "tenancy.resolvers.SubdomainResolver",
        ("tenancy.resolvers.HeaderResolver", {"verifier": "example_project.header_check.shows_key_of"}),
    ],
    "RESERVED_SLUGS": ["admin", "api", "mail", "static", "status", "support", "www"],
    "CACHE_TTL_S": env.float("CACHE_TTL_S", 5),
}

INSTALLED_APPS = [
    "django_schemas",
    "tenancy",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "example_project.website",
    "example_project.helpdesk",
]
MIDDLEWARE = [
    "tenancy.middleware.TenantMiddleware",
    "tenancy.contrib.sse.EventStreamMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
STATEMENT_LOG = env.str("STATEMENT_LOG", "")
if STATEMENT_LOG:
    MIDDLEWARE.insert(0, "example_project.statement_log.StatementLogMiddleware")

ROOT_URLCONF = "example_project.urls_tenant"
ASGI_APPLICATION = "example_project.asgi.application"
WSGI_APPLICATION = "example_project.wsgi.application"
LOGIN_URL = LOGOUT_REDIRECT_URL = "login"
LOGIN_REDIRECT_URL = "dashboard"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [FOLDER / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "example_project.workspace.workspace",
            ]
        },
    }
]
STATIC_URL = "/static/"
STATICFILES_DIRS = [FOLDER / "static"]

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "loggers": {"django": {"handlers": ["console"], "level": "INFO"}},
}

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
