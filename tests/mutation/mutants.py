"""Mutants: what a slip of the hand, or a guard taken out, would make of a module.

Conditions are forced and their parts dropped, comparisons turned round, statements left out, contexts not entered,
arguments, values and constants replaced. Nothing is changed in what only people or type checkers read: messages of
exceptions, f-strings, docstrings, `__repr__`, annotations.
"""

import ast
from collections import Counter
from collections.abc import Iterator
from copy import copy, deepcopy
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

__all__ = ["Mutant", "file_of", "mutants_of", "parsed"]

_COMPARISONS = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
}
_OPERATORS = {ast.Add: ast.Sub, ast.Sub: ast.Add}
_NAMES = {"all": "any", "any": "all", "min": "max", "max": "min"}
_METHODS = {
    "lower": "upper",
    "partition": "rpartition",
    "rpartition": "partition",
    "removeprefix": "removesuffix",
    "removesuffix": "removeprefix",
    "startswith": "endswith",
    "endswith": "startswith",
}
_TRANSPARENT = ("reversed", "sorted")
_UNREAD = ("__all__", "__slots__")

_Step = tuple[str, int | None]
_Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Mutant:
    """A module with one change.

    Attributes:
        module: dotted name of the module.
        scope: qualified name of the function or class that is changed; empty at the module's level.
        change: what stood there, and what stands there now.
        line: where it is.
        around: the first and the last line of the function around it, or of the module.
        within_function: whether the change is in the body of a function, so that only its code differs.
        path: the steps from the module's tree to the node that is replaced.
        node: what replaces it.
    """

    module: str
    scope: str
    change: str
    line: int
    around: tuple[int, int]
    within_function: bool
    path: tuple[_Step, ...]
    node: ast.AST

    def __str__(self) -> str:
        """What the mutant goes by, whatever else in the module changes."""
        return f"{self.module}.{self.scope}: {self.change}" if self.scope else f"{self.module}: {self.change}"

    def tree(self) -> ast.Module:
        """The tree of the mutated module."""
        root = deepcopy(parsed(self.module))
        parent: ast.AST = root
        for field, index in self.path[:-1]:
            child = getattr(parent, field)
            parent = child if index is None else child[index]
        field, index = self.path[-1]
        node = ast.copy_location(deepcopy(self.node), _child(parent, field, index))
        if index is None:
            setattr(parent, field, node)
        else:
            getattr(parent, field)[index] = node
        return ast.fix_missing_locations(root)


def file_of(module: str) -> Path:
    """The file of a module, which is not imported for that."""
    package, *names = module.split(".")
    spec: Any = find_spec(package)
    return Path(spec.origin).parent.joinpath(*names).with_suffix(".py")


@cache
def parsed(module: str) -> ast.Module:
    """The tree of a module, not to be changed."""
    return ast.parse(file_of(module).read_text(), str(file_of(module)))


@cache
def mutants_of(module: str) -> tuple[Mutant, ...]:
    """All mutants of a module, in the order of its lines."""
    found: list[Mutant] = []
    names: Counter[str] = Counter()
    module_lines = (1, len(file_of(module).read_text().splitlines()))
    for path, node, scope, function in _walk(parsed(module), (), "", None):
        within_function = function is not None
        around = (function.lineno, function.end_lineno) if function is not None else module_lines
        for replacement in _replacements(node, within_function):
            change = f"{_text(node)} -> {_text(replacement)}"
            names[f"{scope}: {change}"] += 1
            number = names[f"{scope}: {change}"]
            change += f" #{number}" if number > 1 else ""
            found.append(Mutant(module, scope, change, node.lineno, around, within_function, path, replacement))
    return tuple(found)


def _walk(
    node: ast.AST, path: tuple[_Step, ...], scope: str, function: _Function | None
) -> Iterator[tuple[tuple[_Step, ...], ast.stmt | ast.expr | ast.ExceptHandler, str, _Function | None]]:
    """Yield what may be changed below a node: the steps to it, itself, the name around it and the function it is in."""
    for field, value in ast.iter_fields(node):
        if (type(node), field) in _LEFT_OUT:
            continue
        for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if not isinstance(child, ast.AST) or _is_for_people(node, child):
                continue
            here = (*path, (field, index))
            # Defaults and decorators are evaluated where the function stands, not in it.
            inside = (node if field == "body" else None) if isinstance(node, _Function) else function
            whole_condition = field == "test" and isinstance(child, ast.Compare)  # That is forced.
            if isinstance(child, ast.stmt | ast.expr | ast.ExceptHandler) and not whole_condition:
                yield here, child, scope, inside
            named = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            yield from _walk(child, here, f"{scope}.{child.name}".lstrip(".") if named else scope, inside)


_LEFT_OUT = {
    (ast.arg, "annotation"),
    (ast.AnnAssign, "annotation"),
    (ast.AnnAssign, "target"),
    (ast.Assign, "targets"),
    (ast.For, "target"),
    (ast.ClassDef, "bases"),
    (ast.Raise, "exc"),
    (ast.Raise, "cause"),
    (ast.FunctionDef, "returns"),
    (ast.AsyncFunctionDef, "returns"),
    (ast.FunctionDef, "decorator_list"),
    (ast.AsyncFunctionDef, "decorator_list"),
    (ast.ClassDef, "decorator_list"),
}


def _is_for_people(parent: ast.AST, node: ast.AST) -> bool:
    """Tell whether something is read by people or type checkers alone."""
    match node:
        case ast.JoinedStr() | ast.Import() | ast.ImportFrom() | ast.FunctionDef(name="__repr__"):
            return True
        case ast.Expr(value=ast.Constant()):
            return True
        case ast.Assign(targets=[ast.Name(id=name)]) if name in _UNREAD:
            return True
        case ast.Assign(value=ast.Call(func=ast.Name(id="TypeVar"))):
            return True
        case ast.Assign(targets=[ast.Name()], value=ast.Subscript()) if isinstance(parent, ast.Module):
            return True  # The name of a type.
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
    return isinstance(parent, ast.Call) and _is_cast(parent) and node is parent.args[0]


def _is_cast(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Name) and call.func.id == "cast"


def _replacements(node: ast.AST, within_function: bool) -> Iterator[ast.AST]:
    """What a node may become."""
    match node:
        case ast.If() | ast.IfExp():
            for value in (True, False):
                yield _with(node, test=ast.Constant(value))
        case ast.While(test=ast.expr() as test) if not isinstance(test, ast.Constant):
            yield _with(node, test=ast.Constant(False))
        case ast.For():
            yield _with(node, iter=ast.Tuple([], ast.Load()))
        case ast.BoolOp():
            yield _with(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And())
            for index in range(len(node.values)):
                rest = _without(node.values, index)
                yield rest[0] if len(rest) == 1 else _with(node, values=rest)
        case ast.Compare(ops=[operator]) if type(operator) in _COMPARISONS:
            yield _with(node, ops=[_COMPARISONS[type(operator)]()])
        case ast.UnaryOp(op=ast.Not() | ast.USub()):
            yield node.operand
        case ast.BinOp(op=operator) if type(operator) in _OPERATORS:
            yield _with(node, op=_OPERATORS[type(operator)]())
        case ast.Constant():
            yield from _other_constants(node)
        case ast.Call():
            yield from _other_calls(node)
        case ast.Lambda() if not _is_none(node.body):
            yield _with(node, body=ast.Constant(None))
        case ast.GeneratorExp() | ast.ListComp() | ast.SetComp() | ast.DictComp():
            first, *others = node.generators
            for index in range(len(first.ifs)):
                yield _with(node, generators=[_with(first, ifs=_without(first.ifs, index)), *others])
        case ast.With() | ast.AsyncWith():
            yield from _contexts_not_entered(node)
        case ast.Try():
            if len(node.finalbody) > 1:  # A single statement is left out by itself.
                yield _with(node, finalbody=[ast.Pass()])
        case ast.ExceptHandler():
            if not _only_raises(node):
                yield _with(node, body=[ast.Raise()])
            if isinstance(node.type, ast.Tuple):
                for index in range(len(node.type.elts)):
                    yield _with(node, type=_with(node.type, elts=_without(node.type.elts, index)))
        case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant):
            yield _with(node, value=ast.Constant(None))
        case ast.Expr(value=ast.Yield() | ast.YieldFrom()):
            pass
        case ast.Expr() | ast.Raise() | ast.AugAssign() | ast.Break() | ast.Continue() if within_function:
            yield ast.Pass()
        case ast.Assign(targets=[target]) if within_function:
            if isinstance(target, ast.Attribute | ast.Subscript):
                yield ast.Pass()


def _other_constants(node: ast.Constant) -> Iterator[ast.AST]:
    match node.value:
        case bool():
            yield ast.Constant(not node.value)
        case int() | float():
            yield ast.Constant(node.value + 1)
        case str():
            yield ast.Constant(f"XX{node.value}XX")


def _other_calls(call: ast.Call) -> Iterator[ast.AST]:
    """Call something else, or without what may be left out."""
    match call.func:
        case ast.Name(id=name) if name in _NAMES:
            yield _with(call, func=ast.Name(_NAMES[name], ast.Load()))
        case ast.Name(id=name) if name in _TRANSPARENT:
            yield call.args[0]
        case ast.Attribute(attr=name) if name in _METHODS:
            yield _with(call, func=_with(call.func, attr=_METHODS[name]))
    if call.args and isinstance(call.args[-1], ast.Starred):
        yield _with(call, args=call.args[:-1])
    for index in range(len(call.keywords)):
        yield _with(call, keywords=_without(call.keywords, index))


def _contexts_not_entered(node: ast.With | ast.AsyncWith) -> Iterator[ast.AST]:
    for index, item in enumerate(node.items):
        if item.optional_vars is None:
            rest = _without(node.items, index)
            yield _with(node, items=rest) if rest else ast.If(ast.Constant(True), node.body, [])


def _text(node: ast.AST) -> str:
    """A node on one line, without what it holds."""
    match node:
        case ast.If() | ast.While() | ast.For():
            node = _with(node, body=[ast.Pass()], orelse=[])
        case ast.With() | ast.AsyncWith():
            node = _with(node, body=[ast.Pass()])
        case ast.ExceptHandler() if not _only_raises(node):
            node = _with(node, body=[ast.Pass()])
        case ast.Try():
            node = _with(node, body=[ast.Pass()], handlers=[], orelse=[])
        case ast.Raise(exc=ast.Call() as call):
            node = _with(node, exc=_with(call, args=[ast.Constant(...)], keywords=[]))
    lines = [line.strip() for line in ast.unparse(ast.fix_missing_locations(deepcopy(node))).splitlines()]
    text = " ".join(lines).removesuffix(": pass") + (":" if lines[-1] == "pass" and len(lines) > 1 else "")
    return text.replace(":: ", ": ").replace("::", ":")


def _with(node: ast.AST, **fields: object) -> ast.AST:
    changed = copy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return changed


def _without(items: list, index: int) -> list:
    return [*items[:index], *items[index + 1 :]]


def _only_raises(node: ast.ExceptHandler) -> bool:
    match node.body:
        case [ast.Raise(exc=None)]:
            return True
    return False


def _is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _child(parent: ast.AST, field: str, index: int | None) -> ast.AST:
    child = getattr(parent, field)
    return child if index is None else child[index]
