"""What a contender can be told to do. `worker` calls this and holds the clock."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence

from django.db import connection, connections, models

__all__ = ["Contender", "Registered"]


class Contender(ABC):
    """One of those that are compared.

    Attributes:
        ways: how it can make a tenant's schema.
    """

    ways: Sequence[str]

    @abstractmethod
    def set_up(self) -> None:
        """Make what an empty database needs before the first tenant."""

    @abstractmethod
    def prepare(self, way: str, number: int) -> None:
        """Get ready to make a number of tenants, in one of the `ways`; what that takes is not measured."""

    @abstractmethod
    def provision(self, name: str) -> None:
        """Make a tenant and its schema."""

    @abstractmethod
    def register(self, names: Sequence[str]) -> None:
        """Have these be the tenants, whose schemas are there, and no others."""

    @abstractmethod
    def migrate(self, processes: int) -> None:
        """Bring all tenants' schemas to the newest migrations."""

    def open(self, names: Sequence[str]) -> list[str]:
        """Have these tenants be served, whose schemas are there; their hosts."""
        self.register(names)
        return [f"{name}.bench.localhost" for name in names]

    def ready(self, processes: int) -> None:
        """Open a new session, as a command would, before the clock starts: what the server remembers counts."""
        connections.close_all()
        connection.ensure_connection()


class Registered(Contender):
    """A contender whose tenants are rows of a model with a `schema_name`.

    Attributes:
        registry: the model.
        domains: the model of the hosts; None if sub-domains need none.
        schema: where the table of tenants is.
    """

    registry: type[models.Model]
    domains: type[models.Model] | None = None
    schema = "public"

    def register(self, names: Sequence[str]) -> None:
        """Have these be the tenants: rows alone, no schema is made or dropped."""
        table = self.registry._meta.db_table
        with connection.cursor() as cursor:
            cursor.execute(f"DELETE FROM {self.schema}.{table} WHERE schema_name <> ALL(%s)", [list(names)])
            cursor.execute(f"SELECT schema_name FROM {self.schema}.{table}")
            there = {name for (name,) in cursor.fetchall()}
        self.add(name for name in names if name not in there)

    def open(self, names: Sequence[str]) -> list[str]:
        """The same, with a domain for each where the library has it by its domains alone."""
        hosts = super().open(names)
        if self.domains is not None:
            tenants = {tenant.schema_name: tenant for tenant in self.registry._default_manager.all()}
            rows = zip(names, hosts, strict=True)
            self.domains._default_manager.all().delete()
            self.domains._default_manager.bulk_create(
                self.domains(domain=host, tenant=tenants[name], is_primary=True) for name, host in rows
            )
        return hosts

    @abstractmethod
    def add(self, names: Iterable[str]) -> None:
        """Make rows of tenants whose schemas are there."""
