"""What happens to servers: they hang, they stop, their disk is full."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Timer

import psutil
import pytest

from tools.postgres import Server

__all__ = ["hanging", "small_disk", "stop_at_once", "without_space"]


def processes_of(server: Server) -> list[psutil.Process]:
    """The postmaster, and behind it its children."""
    running = server.postmaster()
    assert running
    postmaster = psutil.Process(running.pid)
    return [postmaster, *postmaster.children()]


def stop_at_once(server: Server) -> None:
    """Stop a server without any farewell, as `pg_ctl stop -m immediate` does."""
    processes = processes_of(server)
    processes[0].send_signal(3)
    psutil.wait_procs(processes, timeout=20)


@contextmanager
def hanging(server: Server, limit_s: float = 10) -> Iterator[None]:
    """Stop a server's processes, so that it neither answers nor refuses; for so long at most, or a test could hang."""
    postmaster = processes_of(server)[0]
    # First, so that no more processes begin; some may end meanwhile.
    postmaster.suspend()
    stopped = [postmaster, *postmaster.children()]

    def resume() -> None:
        for process in stopped:
            with suppress(psutil.NoSuchProcess):
                process.resume()

    limit = Timer(limit_s, resume)
    limit.start()
    try:
        for process in stopped[1:]:
            with suppress(psutil.NoSuchProcess):
                process.suspend()
        yield
    finally:
        limit.cancel()
        resume()


@contextmanager
def small_disk(size: str, data: Path) -> Iterator[Path]:
    """A disk of that size, in memory, for the server whose data is in that folder. Only root can make one."""
    if os.geteuid():
        pytest.skip("only root can mount a small disk")
    owner = data.stat()
    folder = Path(tempfile.mkdtemp(prefix="small-disk-", dir="/var/tmp"))
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},uid={owner.st_uid},gid={owner.st_gid},mode=700", "tmpfs", folder],
        capture_output=True,
        text=True,
    )
    try:
        if mounted.returncode:
            complain = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
            complain(f"no small disk can be mounted: {mounted.stderr}")
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], capture_output=True)
        shutil.rmtree(folder)


@contextmanager
def without_space(disk: Path, left_kb: int = 0) -> Iterator[None]:
    """Fill a disk, but for so many kilobytes."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096):
            with suppress(OSError):
                while file.write(bytes(size)):
                    pass
        file.truncate(max(file.tell() - left_kb * 1024, 0))
    try:
        yield
    finally:
        filler.unlink()
