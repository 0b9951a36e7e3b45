"""The blocks of code that the pages hold, as values. Nothing here runs one."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

__all__ = ["PAGES", "ROOT", "Block", "blocks"]

ROOT = Path(__file__).resolve().parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))

_FENCED = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A block of code.

    Attributes:
        page: the path of its page, from `docs/`; or `README.md`.
        number: its place among the blocks of its language on that page, from 1.
        language: what stands behind the fence; empty if nothing does.
        line: where its text begins on the page.
    """

    page: str
    number: int
    language: str
    line: int
    text: str

    @property
    def id(self) -> str:
        """Its name in the tests: the page, and the number; the language where it is not Python."""
        return f"{self.page}-{'' if self.language == 'python' else self.language}{self.number}"

    @property
    def module(self) -> str | None:
        """The module that it says it is written to, in its first line, if that is one of models."""
        found = re.match(r"# (\w+)/models\.py\n", self.text)
        return found and f"{found[1]}.models"

    @property
    def newer(self) -> tuple[int, int] | None:
        """The Django that it says it needs, in its first line."""
        found = re.match(r"# Django (\d+)\.(\d+) and newer", self.text)
        return (int(found[1]), int(found[2])) if found else None

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @property
    def is_settings(self) -> bool:
        """Whether it changes names in upper case, as a module of settings does. So does what can't be read."""
        try:
            return any(name.isupper() for name in self.changes)
        except SyntaxError:
            return True

    @property
    def changes(self) -> list[str]:
        """The names that its statements bind, or change in place, outside of functions and classes."""
        return [name for node in self.tree.body for target in _targets(node) if (name := _root(target))]

    @property
    def reads(self) -> set[str]:
        """The names that it reads anywhere."""
        return {
            node.id for node in ast.walk(self.tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
        }

    @property
    def functions(self) -> list[str]:
        """The functions that it defines."""
        return [node.name for node in self.tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]

    @property
    def comments(self) -> Iterator[tuple[int, str]]:
        """Its comments, and their lines, from 1."""
        for token in tokenize.generate_tokens(io.StringIO(self.text).readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string


def blocks(*languages: str, pages: tuple[Path, ...] = PAGES) -> list[Block]:
    """The blocks in these languages; all blocks if none is named."""
    found = [block for page in pages for block in _of(page)]
    return [block for block in found if not languages or block.language in languages]


def _of(page: Path) -> Iterator[Block]:
    text, count = page.read_text(), dict[str, int]()
    name = str(page.relative_to(ROOT)).removeprefix("docs/")
    for match in _FENCED.finditer(text):
        language = match[1].strip()
        count[language] = count.get(language, 0) + 1
        yield Block(name, count[language], language, text.count("\n", 0, match.start(2)) + 1, match[2])


def _targets(node: ast.stmt) -> list[ast.expr]:
    if isinstance(node, ast.Assign):
        return node.targets
    if isinstance(node, ast.AugAssign | ast.AnnAssign):
        return [node.target]
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        return [node.value.func]
    return []


def _root(target: ast.expr) -> str:
    """`TENANCY` of `TENANCY["POOL"]` and of `TENANCY.update`."""
    while isinstance(target, ast.Subscript | ast.Attribute):
        target = target.value
    return target.id if isinstance(target, ast.Name) else ""
