"""Where contenders meet: a database for each, with as many schemas of the same contents, and their processes.

The limit works in our database, so that it and we find the same catalog. The schemas that are not measured are made
from a script, which is read from the first one that each library made: the fastest way, and the same catalog.
"""

import importlib.util
import itertools
from collections.abc import Collection, Mapping, Sequence
from typing import Self

from .contenders.process import Process
from .databases import Databases, execute_each, session
from .figures import LIMIT, OURS, PEERS
from .scripts import contents_of, script_of

__all__ = ["Arena", "installed_peers"]

TEMPLATE = "benchtemplate"
"""Name of the first tenant of each; it occurs in its script as the schema's name only."""


def installed_peers() -> list[str]:
    """The peers that are installed: `pip install -e .[bench]` brings them."""
    modules = {"tenants": "django_tenants", "pgschemas": "django_pgschemas"}
    return [peer for peer in PEERS if importlib.util.find_spec(modules[peer])]


class Arena:
    """A context manager; its processes end with it.

    Args:
        databases: makes them.
        purpose: distinguishes the names of the databases.
        peers: who else takes part.
        environment: of the contenders' processes.

    Attributes:
        ways: how each contender makes a schema.
        contents: how many tables, indexes and constraints a schema has, the same for all.
    """

    def __init__(
        self,
        databases: Databases,
        purpose: str = "shop",
        peers: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._environment = dict(environment or {})
        self._processes: dict[tuple[str, str], Process] = {}
        self._scripts: dict[str, str] = {}
        ours = databases.make(f"{purpose}_{OURS}")
        self._urls = {OURS: ours, LIMIT: ours, **{peer: databases.make(f"{purpose}_{peer}") for peer in peers}}
        self._sizes = dict.fromkeys(self._urls.values(), 0)
        self._numbers = itertools.count(1)
        self.ways: dict[str, list[str]] = {}
        self.contents: dict[str, int] = {}

    def __enter__(self) -> Self:
        try:
            for name in self._urls:
                self._prepare(name)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *args: object) -> None:
        for process in self._processes.values():
            process.end()

    @property
    def contenders(self) -> list[str]:
        """Who takes part."""
        return list(self._urls)

    def url(self, contender: str) -> str:
        """A contender's database."""
        return self._urls[contender]

    def process(self, contender: str, later: str = "") -> Process:
        """A contender's process, whose shop has that migration more."""
        key = (contender, later)
        if key not in self._processes:
            environment = {**self._environment, "BENCH_LATER": later}
            self._processes[key] = Process(contender, self._urls[contender], environment)
        return self._processes[key]

    def names(self, size: int) -> list[str]:
        """The schemas that are made from a script, up to a number of them."""
        return [f"t{number:05}" for number in range(size)]

    def new_names(self, number: int) -> list[str]:
        """Names that no tenant had yet."""
        return [f"p{next(self._numbers):05}" for _ in range(number)]

    def grow(self, size: int, contenders: Collection[str]) -> None:
        """Have that many schemas be in the contenders' databases, made from the script."""
        for name in contenders:
            missing = self.names(size)[self._sizes[self._urls[name]] :]
            execute_each(self._urls[name], [self._scripts[name].replace(TEMPLATE, each) for each in missing])
            self._sizes[self._urls[name]] += len(missing)

    def _prepare(self, name: str) -> None:
        process = self.process(name)
        self.ways[name] = process.order("set_up")
        if name == LIMIT:
            self._scripts[name] = self._scripts[OURS]
            process.order("learn", script=self._scripts[name], template=TEMPLATE)
            return
        process.order("provision", names=[TEMPLATE], way=self.ways[name][0])
        with session(self._urls[name]) as own, own.cursor() as cursor:
            self._scripts[name] = script_of(cursor, TEMPLATE)
            contents = contents_of(cursor, TEMPLATE)
        self.contents = self.contents or contents
        if contents != self.contents:
            raise AssertionError(f"{name} makes other schemas ({contents}) than the rest ({self.contents}).")
