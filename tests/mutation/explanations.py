"""The survivors that are known, each with its reason: `survivors.toml`."""

import tomllib
from enum import StrEnum
from pathlib import Path

__all__ = ["Kind", "explained"]


class Kind(StrEnum):
    """Why a mutant may survive."""

    EQUIVALENT = "equivalent"
    SHORT_CUT = "short-cut"
    NAME = "name"
    DEEPER = "deeper"


def explained() -> dict[str, Kind]:
    """Why a mutant may survive, by what it goes by."""
    entries = tomllib.loads((Path(__file__).parent / "survivors.toml").read_text()).get("survivors", [])
    return {name: Kind(entry["kind"]) for entry in entries for name in entry["mutants"]}
