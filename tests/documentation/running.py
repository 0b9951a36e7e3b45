"""Runs the blocks of a page, one behind the other, as somebody would who types them into a shell."""

import ast
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType
from typing import Any

from django.apps import apps
from django.core import checks
from django.db.models import Model

import django_schemas.exceptions
import tenancy.exceptions

from .blocks import Block
from .reader import AFTERWARDS, BEFORE, names

__all__ = ["run"]

_ERRORS = {*django_schemas.exceptions.__all__, *tenancy.exceptions.__all__}


def run(page: str, blocks: list[Block]) -> dict[str, str]:
    """Run the blocks of a page; what is wrong with each, by its id: nothing if all is right."""
    namespace = {"__name__": "tickets.models", **names(page)}
    sys.displayhook = repr  # As a shell shows what a line is worth: a queryset is asked then.
    return {block.id: _run(block, namespace) for block in blocks}


def _run(block: Block, namespace: dict[str, Any]) -> str:
    expected = _expected(block)
    try:
        exec(BEFORE.get(block.id, ""), namespace)
        with _models(block, namespace):
            exec(_shell(block.text, block.id), namespace)
    except Exception as error:
        found = (_line(error, block.id), type(error).__name__)
        if found != expected:
            return f"Expected: {expected}.\n{traceback.format_exc()}"
    else:
        if expected is not None:
            return f"Line {expected[0]} says that it raises {expected[1]}, which it does not."
    return _afterwards(block, namespace)


def _afterwards(block: Block, namespace: dict[str, Any]) -> str:
    try:
        exec(_shell(AFTERWARDS.get(block.id, ""), f"behind {block.id}"), namespace)
    except Exception:
        return f"What shows that it works fails.\n{traceback.format_exc()}"
    return ""


def _shell(text: str, filename: str) -> CodeType:
    return compile(ast.Interactive(body=ast.parse(text).body), filename, "single")


def _expected(block: Block) -> tuple[int, str] | None:
    """The line that raises an error of ours, as its comment says, and which."""
    for line, comment in block.comments:
        for word in comment.strip("# ").replace(",", " ").replace(":", " ").split():
            if word in _ERRORS:
                return line, word
    return None


def _line(error: Exception, filename: str) -> int:
    frames = traceback.extract_tb(error.__traceback__)
    return next((frame.lineno or 0 for frame in frames if frame.filename == filename), 0)


@contextmanager
def _models(block: Block, namespace: dict[str, Any]) -> Iterator[None]:
    """Let a block define models, have Django check them, and take them back: a page goes on with the project's own."""
    known = {label: dict(models) for label, models in apps.all_models.items()}
    known_names = dict(namespace)
    yield
    added = _added(known)
    complaints = _complaints(added)
    for model in added:
        del namespace[model.__name__]
        apps.all_models[model._meta.app_label].pop(str(model._meta.model_name))
    for label, models in known.items():
        apps.all_models[label].update(models)
    apps.clear_cache()
    namespace.update({name: value for name, value in known_names.items() if name not in namespace})
    if complaints:
        raise AssertionError("\n".join(complaints))


def _added(known: dict[str, dict[str, type[Model]]]) -> list[type[Model]]:
    return [
        model
        for label, models in apps.all_models.items()
        for name, model in models.items()
        if known[label].get(name) is not model
    ]


def _complaints(added: list[type[Model]]) -> list[str]:
    """What the checks have to say of models, but not of others that refer to what they stand in for."""
    if not added:
        return []
    owners = {apps.get_app_config(model._meta.app_label) for model in added}
    serious = [each for each in checks.run_checks(app_configs=list(owners)) if each.is_serious()]
    return [str(each) for each in serious if getattr(each.obj, "model", each.obj) in added]
