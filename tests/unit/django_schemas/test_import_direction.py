"""The packages look one way: django_schemas knows Django, and nobody who builds on it; its modules form no circle."""

import ast
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from importlib.util import resolve_name
from pathlib import Path

import django_schemas

ROOT = Path(django_schemas.__file__).parent
MODULES = {
    ".".join(("django_schemas", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in sorted(ROOT.rglob("*.py"))
}


def imported(name: str, nodes: Iterator[ast.AST]) -> Iterator[str]:
    """Names of what these nodes import; `from x import y` counts as x, and as x.y if that is a module of ours."""
    package = name if MODULES[name].name == "__init__.py" else name.rpartition(".")[0]
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = resolve_name("." * node.level + (node.module or ""), package) if node.level else node.module or ""
            for each in node.names:
                yield f"{base}.{each.name}" if f"{base}.{each.name}" in MODULES else base


def at_module_level(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes that run when the module is imported: not the bodies of functions."""
    for node in ast.iter_child_nodes(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield node
            yield from at_module_level(node)


def test_modules_are_found() -> None:
    """The tests of this module look at something."""
    assert {"django_schemas", "django_schemas.alias", "django_schemas.backends.postgres.compiler"} <= set(MODULES)


def test_nothing_is_imported_from_above() -> None:
    """No module, not even inside of a function, imports anything but Python, Django, database drivers and its like."""
    allowed = {"django", "django_schemas", "psycopg", "psycopg2", "asgiref"}
    others = {
        (name, module)
        for name, path in MODULES.items()
        for module in imported(name, ast.walk(ast.parse(path.read_text())))
        if module.partition(".")[0] not in allowed | sys.stdlib_module_names
    }
    assert others == set()


def test_modules_form_no_circle() -> None:
    """At module level, the imports between the modules have an order."""
    graph = {
        name: {
            module
            for module in imported(name, at_module_level(ast.parse(path.read_text())))
            if module in MODULES and module != name
        }
        for name, path in MODULES.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        raise AssertionError(" -> ".join(error.args[1])) from None


def test_tenant_is_no_word_of_this_package() -> None:
    """The code of django_schemas does not know what a tenant is."""
    known = {
        (name, node.id if isinstance(node, ast.Name) else node.attr)
        for name, path in MODULES.items()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Name | ast.Attribute)
        and "tenant" in (node.id if isinstance(node, ast.Name) else node.attr).lower()
    }
    assert known == set()
