"""The project with other people's apps in it. What docs/apps.md tells to write stands here, app by app."""

import os
from typing import Any

from .settings_before import *  # noqa: F403
from .settings_before import (
    CONTRIB,
    DATABASE_ENVIRONMENTS,
    DATABASES,
    INSTALLED_APPS,
    MIDDLEWARE,
    TEMPLATES,
)

WAGTAIL = [
    "wagtail.contrib.forms",
    "wagtail.contrib.redirects",
    "wagtail.contrib.settings",
    "wagtail.embeds",
    "wagtail.sites",
    "wagtail.users",
    "wagtail.snippets",
    "wagtail.documents",
    "wagtail.images",
    "wagtail.search",
    "wagtail.admin",
    "wagtail",
]
BOTH = ["rest_framework.authtoken", "guardian", "django_celery_beat", "oauth2_provider"]
TENANTS = [
    *BOTH,
    "allauth.account",
    "allauth.socialaccount",
    "easy_thumbnails",
    "rest_framework_simplejwt.token_blacklist",
    "taggit",
    *WAGTAIL,
    # A project's own models that are made from theirs live where theirs do.
    "tests.apps_of_others.cms",
]
DATABASE_ENVIRONMENTS = {
    "registry": {**DATABASE_ENVIRONMENTS["registry"], "APPS": [*CONTRIB, *BOTH]},
    "tenant": {**DATABASE_ENVIRONMENTS["tenant"], "APPS": [*CONTRIB, *TENANTS]},
}
INSTALLED_APPS = [
    *INSTALLED_APPS,
    *TENANTS,
    "allauth",
    "django.contrib.staticfiles",
    "django_filters",
    "import_export",
    "modelcluster",
    "mptt",
    "rest_framework",
    "simple_history",
    "tenancy.contrib.jwt.TenantTokens",
    "tests.apps_of_others.shop",
]
ROOT_URLCONF = "tests.apps_of_others.urls"
MIDDLEWARE = [
    *MIDDLEWARE,
    "allauth.account.middleware.AccountMiddleware",
    "simple_history.middleware.HistoryRequestMiddleware",
    "wagtail.contrib.redirects.middleware.RedirectMiddleware",
]
# Treebeard and Wagtail say atomic() without a database, which is the default one's alone.
DATABASES["shard2"]["ATOMIC_REQUESTS"] = True
STORAGES: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "tenancy.contrib.storage.TenantStorage",
        "OPTIONS": {"options": {"location": os.environ["APPS_FILES"], "base_url": "/media/"}},
    },
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}

REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "rest_framework.authentication.TokenAuthentication",
        "oauth2_provider.contrib.rest_framework.OAuth2Authentication",
        "rest_framework_simplejwt.authentication.JWTAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_PAGINATION_CLASS": "rest_framework.pagination.PageNumberPagination",
    "PAGE_SIZE": 2,
    "DEFAULT_THROTTLE_RATES": {"few": "2/day"},
}
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
    "guardian.backends.ObjectPermissionBackend",
]
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_EMAIL_CONFIRMATION_HMAC = False
ACCOUNT_PASSWORD_RESET_TOKEN_GENERATOR = "tenancy.tokens.TenantTokenGenerator"

WAGTAIL_SITE_NAME = "Shop"
WAGTAILADMIN_BASE_URL = "http://saas.test"
WAGTAILSEARCH_BACKENDS: dict[str, dict[str, Any]] = {"default": {"BACKEND": "tests.apps_of_others.cms.search"}}
TEMPLATES[0]["OPTIONS"]["context_processors"].append("wagtail.contrib.settings.context_processors.settings")
