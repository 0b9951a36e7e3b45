"""Gets the source distribution of the installed Django, which holds its tests. It is kept in `.cache/`."""

import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import django

__all__ = ["tests_folder"]

_CACHE = Path(__file__).resolve().parents[2] / ".cache" / "django-sdist"


def tests_folder() -> Path:
    """The folder that holds `runtests.py`, downloaded and unpacked if it is not there yet."""
    version = django.get_version()
    folder = _CACHE / version
    if not folder.exists():
        _CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=_CACHE) as scratch:
            (unpacked,) = _unpacked(_download(version, Path(scratch))).iterdir()
            unpacked.rename(folder)
    return folder / "tests"


def _download(version: str, scratch: Path) -> Path:
    print(f"downloading the source of Django {version}", flush=True)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "download"]
    subprocess.run([*pip, "--no-deps", "--no-binary=django", "--dest", scratch, f"django=={version}"], check=True)
    (archive,) = scratch.glob("*.tar.gz")
    return archive


def _unpacked(archive: Path) -> Path:
    folder = archive.parent / "unpacked"
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    return folder
