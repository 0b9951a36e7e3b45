"""What only tests need is imported by the kit alone: a project in production has neither pytest nor factory_boy."""

import ast
from pathlib import Path

import tenancy

ROOT = Path(tenancy.__file__).parent


def imported(path: Path) -> set[str]:
    """The modules that a file imports, wherever in it."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    named = {each.name for node in nodes if isinstance(node, ast.Import) for each in node.names}
    return named | {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}


def importing(*words: str) -> set[str]:
    """The files that import one of these modules, or what is in them."""
    return {
        str(path.relative_to(ROOT))
        for path in ROOT.rglob("*.py")
        if any(f"{name}.".startswith(f"{word}.") for name in imported(path) for word in words)
    }


def test_pytest_and_factory_boy() -> None:
    """Each is imported where it is what a module is about."""
    assert importing("pytest", "_pytest") == {"testing/plugin.py", "testing/fixtures.py"}
    assert importing("factory") == {"testing/factories.py"}


def test_the_kit() -> None:
    """Django's test tools are the kit's, and nobody but the kit uses that."""
    assert {path.split("/")[0] for path in importing("django.test")} == {"testing"}
    assert importing("testing", "tenancy.testing") == set()
