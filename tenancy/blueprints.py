"""Blueprints in the registry: a process finds there what another has made, so its first tenant is made quickly too."""

from contextlib import suppress

from django.db import DatabaseError, models, router, transaction

from django_schemas.shelf import shelf
from django_schemas.transactions import allow_two_databases

from .conf import REGISTRY

__all__ = ["KeptBlueprint", "RegistryStore", "use_registry"]

_MOST = 8
"""How many are kept of an environment: there may be several versions of the code, and of PostgreSQL, at a time."""


class KeptBlueprint(models.Model):
    """A blueprint as text.

    Attributes:
        key: what it follows from; see `django_schemas.shelf.key_of`.
        environment: name of the environment.
        parts: the text.
        made_at: when it was kept.
    """

    key = models.CharField(max_length=64, primary_key=True)
    environment = models.CharField(max_length=63)
    parts = models.TextField()
    made_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_environment = REGISTRY
        ordering = ("-made_at",)
        verbose_name = "blueprint"

    def __str__(self) -> str:
        return f"{self.environment} {self.key[:8]}"


class RegistryStore:
    """Keeps texts in the registry."""

    def get(self, key: str) -> str | None:
        """The text of a key."""
        db = router.db_for_write(KeptBlueprint)
        with suppress(DatabaseError), transaction.atomic(using=db):
            return KeptBlueprint.objects.using(db).filter(pk=key).values_list("parts", flat=True).first()
        return None

    def put(self, key: str, environment: str, text: str) -> None:
        """Keep a text, once the transaction that is open is committed: others would wait for it."""
        db = router.db_for_write(KeptBlueprint)
        transaction.on_commit(lambda: _put(db, key, environment, text), using=db)


def use_registry() -> None:
    """Have blueprints kept in the registry."""
    shelf.use(RegistryStore())


def _put(db: str, key: str, environment: str, text: str) -> None:
    kept = KeptBlueprint.objects.using(db)
    # A schema in another database is made in a transaction of that one, in which this comes at once.
    harmless = allow_two_databases("a blueprint whose first schema came to nothing makes the next one as well")
    with suppress(DatabaseError), harmless, transaction.atomic(using=db):
        kept.update_or_create(pk=key, defaults={"environment": environment, "parts": text})
        newest = list(kept.filter(environment=environment).values_list("pk", flat=True)[:_MOST])
        kept.filter(environment=environment).exclude(pk__in=newest).delete()
