"""Runs every block of Python on every page, and prints what is wrong with each, as JSON: the id and the complaint.

`python -m tests.documentation`, in an empty folder with the variables that `saas.settings` reads. Each block of
settings starts Django in a fork of its own; each page with other blocks has a fork, and copies of the databases.
"""

import json
import os
import traceback
import warnings
from collections.abc import Callable
from functools import partial
from importlib import import_module
from itertools import groupby
from typing import Any

import django

from tests.documentation import configuring, world
from tests.documentation.blocks import Block, blocks
from tests.documentation.reader import RUN_ELSEWHERE
from tests.mutation.forks import NoResult, in_fork

LIMIT_S = 120
LOADED = ("django.contrib.admin", "django.db.models", "django.forms", "django_schemas.backends.postgres.wrapper.base")
"""Modules that each fork would load otherwise. None of them reads a setting yet."""


def main() -> None:
    """Run all."""
    for name in LOADED:
        import_module(name)
    python = [block for block in blocks("python") if block.page not in RUN_ELSEWHERE and not _is_for_later(block)]
    settings = [block for block in python if block.is_settings]
    told = {block.id: apart(partial(configuring.complaint, block)) for block in settings}
    os.environ["DJANGO_SETTINGS_MODULE"] = "saas.settings"
    told |= of_pages([block for block in python if not block.is_settings])
    print(json.dumps(told))


def _is_for_later(block: Block) -> bool:
    return block.newer is not None and block.newer > django.VERSION[:2]


def of_pages(others: list[Block]) -> dict[str, str]:
    """Make the world, and run the pages in it."""
    django.setup()
    if complaint := apart(lambda: world.make() or ""):
        return {block.id: complaint for block in others}
    told: dict[str, str] = {}
    for page, group in groupby(others, key=lambda block: block.page):
        world.copy()
        told |= of_page(page, list(group))
    return told


def of_page(page: str, group: list[Block]) -> dict[str, str]:
    """Run a page; if there is no telling which block was to blame, all were."""
    from tests.documentation.running import run

    outcome = apart(partial(run, page, group))
    return outcome if isinstance(outcome, dict) else {block.id: outcome for block in group}


def apart(work: Callable[[], Any]) -> Any:
    """What a function returns in a fork; or a text that tells what befell it."""

    def told() -> Any:
        try:
            return work()
        except Exception:
            return traceback.format_exc()

    try:
        return in_fork(told, LIMIT_S)
    except NoResult as error:
        return str(error)


if __name__ == "__main__":
    warnings.simplefilter("ignore", RuntimeWarning)  # A page may define a model of the project anew.
    main()
