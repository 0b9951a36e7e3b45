"""Under which circumstances something was measured: versions, machine, date, command."""

import os
import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tools import postgres

from .databases import session

__all__ = ["facts"]

PACKAGES = ("Django", "django-tenants", "django-pgschemas")


def facts() -> dict[str, str]:
    """What a reader must know to judge the figures, by name."""
    driver = os.environ.get("DRIVER") or "psycopg2"
    packages = [*PACKAGES, "psycopg" if driver == "psycopg3" else "psycopg2-binary"]
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "command": f'make bench BENCH_ARGS="{" ".join(sys.argv[1:])}"',
        "machine": f"{_processor()}, {os.cpu_count()} cores, {_memory_gb():.0f} GB, {platform.system()}",
        "PostgreSQL": f"{_server()}; fsync off, on the same machine, over TCP",
        "Python": platform.python_version(),
        **{package: _version(package) for package in packages},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _server() -> str:
    with session(postgres.ensure().databases["default"]) as own, own.cursor() as cursor:
        cursor.execute("SHOW server_version")
        return str((cursor.fetchone() or ("unknown",))[0]).split()[0]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(": ")[1] for line in lines if line.startswith("model name")), platform.machine())


def _memory_gb() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
