"""The settings of the project that the pages speak of."""

import environ

env = environ.Env()
_ENGINE = "django_schemas.backends.postgres.wrapper"

SECRET_KEY = "of the documentation's project, which nobody serves"
ALLOWED_HOSTS = [".saas.example"]
ROOT_URLCONF = "saas.urls"
DATABASES = {
    "default": {**env.db("DATABASE_URL"), "ENGINE": _ENGINE, "ENVIRONMENTS": ["registry", "tenant"]},
    "shard2": {**env.db("DATABASE_URL_SHARD2"), "ENGINE": _ENGINE, "ENVIRONMENTS": ["tenant"]},
}
DATABASE_ROUTERS = ["django_schemas.routers.ExplicitRouter"]
_CONTRIB = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.admin",
]
DATABASE_ENVIRONMENTS = {
    "registry": {"SCHEMA_NAME": "registry", "APPS": _CONTRIB},
    "tenant": {"APPS": _CONTRIB},
}
INSTALLED_APPS = ["django_schemas", "tenancy", *_CONTRIB, "django.contrib.messages", "tickets", "plans"]
MIDDLEWARE = [
    "tenancy.middleware.TenantMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
            "loaders": [("django.template.loaders.locmem.Loader", {"full.html": "No more tickets."})],
        },
    }
]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
TENANCY = {"BASE_DOMAIN": "saas.example", "PUBLIC_URLCONF": "saas.urls_public"}
USE_TZ = True
