"""Which modules are the guards, and which tests are to notice a change of them."""

__all__ = ["AT_IMPORT", "GUARDS", "TESTS"]

GUARDS = (
    "django_schemas.alias",
    "django_schemas.backends.postgres.compiler",
    "django_schemas.ambient",
    "django_schemas.context",
    "django_schemas.places",
    "django_schemas.querysets",
    "django_schemas.relations",
    "django_schemas.routers",
    "tenancy.context",
    "tenancy.hosts",
    "tenancy.middleware",
    "tenancy.resolvers",
)

AT_IMPORT = (
    "Ambient.__init__",
    "ExplicitRouter.__init__",
    "_guarded_class",
    "_on_relation",
    "guard_descriptors",
    "guard_manager_class",
    "mixed",
    "placed_queryset_class",
    "plain_class",
)
"""What runs as models are prepared, and is not to be seen in a process where they are."""

_SCHEMAS = "tests/integration/django_schemas"
_TENANCY = "tests/integration/tenancy"

TESTS = (
    *(
        f"tests/unit/django_schemas/test_{name}.py"
        for name in (
            *("alias", "binding", "context", "environments", "importing", "models", "querysets", "routers", "target"),
        )
    ),
    *(
        f"{_SCHEMAS}/test_{name}.py"
        for name in (
            *("adoption", "binding", "caches", "capture", "contenttypes", "context", "deletion", "environments"),
            *("fail_closed", "mixing", "querysets", "recycling", "relations", "replicas", "search_path", "signals"),
            *("transactions", "using"),
        )
    ),
    f"{_SCHEMAS}/backends/postgres/test_compiler.py",
    *(f"tests/unit/tenancy/test_{name}.py" for name in ("conf", "hosts", "resolvers")),
    *(
        f"{_TENANCY}/test_{name}.py"
        for name in (
            *("context", "event_loop", "hosts", "limits", "middleware", "requests", "resolvers"),
            *("session_middleware", "standing", "work"),
        )
    ),
    "tests/isolation/test_contexts.py",
    "tests/isolation/test_inactive.py",
    "tests/isolation/test_roles.py",
)
