"""Faults: runs a function in a process of its own and breaks it at one point of its talk with PostgreSQL.

A point is a statement or a commit, counted over all connections that the process opens. `points_of` runs the function
unharmed and lists them; `run` breaks it at one. Nothing is mocked: the transaction, the backend or the process really
ends there.
"""

from .harness import HOWS, Fault, Outcome, faults_at, leave_inherited_connections, points_of, run

__all__ = ["HOWS", "Fault", "Outcome", "faults_at", "leave_inherited_connections", "points_of", "run"]
