"""Tells whether the current thread is importing a module.

A queryset written in a module or a class body (a form field, a class-based view) belongs to no schema, even if that
module is first imported while a request of some tenant is served: a URLconf usually is. Capturing the placement there
would show that tenant's rows to all others for the life of the process.
"""

import importlib
import sys
import threading
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

__all__ = ["importing", "watch_imports"]

_reloading: dict[str, ModuleType] = vars(importlib).get("_RELOADING", {})
"""Modules that `importlib.reload` is at work on, which sets no such flag."""

_started: dict[int, list[str]] = {}
"""Names of the modules whose import began in a thread, by thread; those that ended are struck out when asked for."""


class _ImportWatch:
    """A finder that finds nothing: it only learns which modules begin to be imported."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        _started.setdefault(threading.get_ident(), []).append(fullname)
        return None


_watch = _ImportWatch()


def watch_imports() -> None:
    """Watch imports, before any other finder can. Called when apps are loaded, and whenever a place becomes active."""
    # There is none any more when generators are closed at the interpreter's end.
    if sys.meta_path and sys.meta_path[0] is not _watch:
        sys.meta_path[:] = [_watch, *(finder for finder in sys.meta_path if finder is not _watch)]


def importing() -> bool:
    """Tell whether a module's body is being executed by an import in this thread."""
    if not _started:
        return False
    thread = threading.get_ident()
    names = _started.get(thread)
    if names is None:
        return False
    running = [name for name in names if _is_initializing(name)]
    if running:
        _started[thread] = running
    else:
        del _started[thread]
    return bool(running)


def _is_initializing(name: str) -> bool:
    # importlib sets this flag on the spec while the module's body runs (CPython's own import lock relies on it).
    spec = getattr(sys.modules.get(name), "__spec__", None)
    return getattr(spec, "_initializing", False) or name in _reloading
