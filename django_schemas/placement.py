"""Placement: where rows live, as a value. A writable database's alias and a schema's name, and nothing else."""

from dataclasses import dataclass

__all__ = ["Placement"]


@dataclass(frozen=True, slots=True)
class Placement:
    """Where rows live.

    Attributes:
        db: alias of a writable database in `DATABASES`; never a replica's.
        schema: name of a PostgreSQL schema in that database.
    """

    db: str
    schema: str

    def __str__(self) -> str:
        return f"{self.db}.{self.schema}"
