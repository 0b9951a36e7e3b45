"""Work in a fork of this process, which nothing of it outlives."""

import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

__all__ = ["NoResult", "in_fork"]

_CONTEXT = multiprocessing.get_context("fork")


class NoResult(Exception):
    """The fork took too long, or died."""


def in_fork(work: Callable[[], Any], timeout_s: float) -> Any:
    """Return what a function returns in a fork of this process. What it started is ended with it.

    Raises:
        NoResult: there was none in time.
    """
    receiver, sender = _CONTEXT.Pipe(duplex=False)
    process = _CONTEXT.Process(target=_run, args=(work, sender))
    process.start()
    sender.close()
    try:
        if not receiver.poll(timeout_s):
            raise NoResult(f"none in {timeout_s:.0f} s")
        return receiver.recv()
    except EOFError:
        raise NoResult("it died") from None
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.join()
        receiver.close()


def _run(work: Callable[[], Any], sender: Connection) -> None:
    os.setsid()
    try:
        sender.send(work())
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(0)
