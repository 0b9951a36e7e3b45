"""Puts a mutant into this process: in place of the module, before it is imported, or into its functions afterwards."""

import ast
import gc
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from types import CodeType, FunctionType

from .mutants import Mutant, file_of, parsed

__all__ = ["CannotSwap", "import_mutant", "swap_code"]


class CannotSwap(Exception):
    """A function that exists already can't have the mutant's code."""


def import_mutant(mutant: Mutant) -> None:
    """Let the mutant be imported when the module is."""
    if mutant.module in sys.modules:
        raise RuntimeError(f"{mutant.module} is imported already.")
    sys.meta_path.insert(0, _Finder(mutant))


class _Finder(MetaPathFinder):
    def __init__(self, mutant: Mutant) -> None:
        self.mutant = mutant

    def find_spec(self, fullname: str, path: object, target: object = None) -> ModuleSpec | None:
        if fullname != self.mutant.module:
            return None
        loader = _Loader(fullname, str(file_of(fullname)))
        loader.mutant = self.mutant
        return spec_from_file_location(fullname, loader.path, loader=loader)


class _Loader(SourceFileLoader):
    mutant: Mutant

    def get_code(self, fullname: str) -> CodeType:
        # What lies compiled on disk is not asked.
        return compile(self.mutant.tree(), self.path, "exec")


def functions_of(modules: Collection[str]) -> dict[str, list[FunctionType]]:
    """The functions that exist of each of these modules: those of classes, wrapped ones and nested ones included."""
    found: dict[str, list[FunctionType]] = {str(file_of(module)): [] for module in modules}
    for each in gc.get_objects():
        if type(each) is FunctionType and each.__code__.co_filename in found:
            found[each.__code__.co_filename].append(each)
    return found


def swap_code(mutant: Mutant, functions: Mapping[str, Sequence[FunctionType]] | None = None) -> None:
    """Give each function of the module that exists the mutant's code.

    Args:
        mutant: whose code.
        functions: what `functions_of` found.

    Raises:
        CannotSwap: it needs other variables of what surrounds it than the function has, or is not in a function.
    """
    if not mutant.within_function:
        raise CannotSwap(str(mutant))
    file = str(file_of(mutant.module))
    before = _codes(compile(parsed(mutant.module), file, "exec"))
    after = _codes(compile(_with_the_same_variables(mutant.tree(), before), file, "exec"))
    changed = {place: code for place, code in after.items() if code != before.get(place)}
    for function in (functions or functions_of([mutant.module]))[file]:
        code = function.__code__
        if (found := changed.get((code.co_qualname, code.co_firstlineno))) is not None:
            try:
                function.__code__ = found
            except ValueError as error:
                raise CannotSwap(str(mutant)) from error


_Place = tuple[str, int]


def _codes(module: CodeType) -> dict[_Place, CodeType]:
    """The code of each function of a module, by its name and where it begins."""
    return {(code.co_qualname, code.co_firstlineno): code for code in _nested(module)}


def _nested(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _nested(constant)


def _with_the_same_variables(tree: ast.Module, before: dict[_Place, CodeType]) -> ast.Module:
    """Let each function use all the variables of what surrounds it that it used before: it has cells for these."""
    variables = {place: code.co_freevars for place, code in before.items()}
    names = {line: used for (_, line), used in variables.items() if used}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            if used := names.get(first):
                # Never run: behind the end, and under a condition that is false.
                unused = ast.parse("if False:\n    " + "; ".join(used)).body
                for each in unused:
                    ast.increment_lineno(each, node.lineno)
                node.body = [*node.body, *unused]
    return ast.fix_missing_locations(tree)
