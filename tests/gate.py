"""A gate before a server: it lets through, refuses, or takes and never answers."""

import selectors
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Thread
from time import monotonic, sleep

__all__ = ["Gate", "gate_before"]

LIMIT_S = 10


class Gate(Thread):
    """Passes on what comes to its port.

    Attributes:
        port: where it listens, on 127.0.0.1.
        refuses: whether connections are cut, and new ones too.
        hangs: whether nothing is passed on; for ten seconds at most, or a test could hang.
    """

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._server = socket.create_server(("127.0.0.1", 0), backlog=100)
        self._behind = port
        self._pairs: dict[socket.socket, socket.socket] = {}
        self.port = self._server.getsockname()[1]
        self.refuses = self.hangs = self.ended = False

    def run(self) -> None:
        """Pass on, until it ended."""
        selector = selectors.DefaultSelector()
        selector.register(self._server, selectors.EVENT_READ)
        passing = monotonic()
        while not self.ended:
            if not self.hangs:
                passing = monotonic()
            elif monotonic() - passing > LIMIT_S:
                self.hangs = False
            if self.refuses:
                for each in list(self._pairs):
                    self._cut(selector, each)
            for key, _ in selector.select(0.02):
                if self.hangs:
                    sleep(0.01)  # What is not passed on is told of again at once.
                    continue
                if key.fileobj is self._server:
                    self._take(selector)
                elif key.fileobj in self._pairs:
                    self._pass_on(selector, key.fileobj)  # type: ignore[arg-type]
        for each in list(self._pairs):
            self._cut(selector, each)
        self._server.close()

    def _take(self, selector: selectors.BaseSelector) -> None:
        client, _ = self._server.accept()
        if self.refuses:
            client.close()
            return
        behind = socket.create_connection(("127.0.0.1", self._behind))
        self._pairs.update({client: behind, behind: client})
        for each in (client, behind):
            selector.register(each, selectors.EVENT_READ)

    def _pass_on(self, selector: selectors.BaseSelector, one: socket.socket) -> None:
        data = b""
        with suppress(OSError):
            data = one.recv(65536)
        if data:
            with suppress(OSError):
                self._pairs[one].sendall(data)
        else:
            self._cut(selector, one)

    def _cut(self, selector: selectors.BaseSelector, one: socket.socket) -> None:
        other = self._pairs.pop(one, None)
        if other is not None:
            del self._pairs[other]
            for each in (one, other):
                selector.unregister(each)
                each.close()


@contextmanager
def gate_before(port: int) -> Iterator[Gate]:
    """A gate before a port of this machine."""
    gate = Gate(port)
    gate.start()
    try:
        yield gate
    finally:
        gate.ended = True
        gate.join(5)
