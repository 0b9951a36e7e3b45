"""The subcommands of `manage.py tenant`: each is a class, each module holds those of one kind.

They parse, call and tell; no rule lives here.
"""

from . import (
    adopting,
    checking,
    copying,
    databases,
    listing,
    making,
    measuring,
    migrating,
    moving,
    naming,
    relocating,
    resuming,
    roles,
    running,
    serving,
)
from .subcommand import Subcommand

__all__ = ["SUBCOMMANDS", "Subcommand"]

SUBCOMMANDS: tuple[type[Subcommand], ...] = (
    *making.SUBCOMMANDS,
    *migrating.SUBCOMMANDS,
    *adopting.SUBCOMMANDS,
    *listing.SUBCOMMANDS,
    *measuring.SUBCOMMANDS,
    *databases.SUBCOMMANDS,
    *serving.SUBCOMMANDS,
    *naming.SUBCOMMANDS,
    *copying.SUBCOMMANDS,
    *moving.SUBCOMMANDS,
    *relocating.SUBCOMMANDS,
    *resuming.SUBCOMMANDS,
    *running.SUBCOMMANDS,
    *checking.SUBCOMMANDS,
    *roles.SUBCOMMANDS,
)
"""All of them, in the order that `tenant --help` lists them in."""
