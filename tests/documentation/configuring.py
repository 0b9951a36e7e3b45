"""What is wrong with a block of settings: it is put behind the settings of a project, and the project is started."""

import importlib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import django
from django.conf import global_settings
from django.core import checks
from django.utils.module_loading import import_string

from .blocks import Block
from .reader import START

__all__ = ["NOT_INSTALLED", "complaint"]

NOT_INSTALLED = {"storages.backends.s3.S3Storage": "django-storages is nothing that the tests need otherwise"}
"""Dotted paths of others' packages that can't be imported here, and why."""

_WITHOUT_DEFAULT = {"MAILERS", "TASKS"}
"""Settings of Django that `global_settings` does not have."""
_OURS = {"DATABASE_ENVIRONMENTS", "TENANCY", "TENANCY_TENANT_MODEL", "TENANCY_DOMAIN_MODEL"}
_OF_DATABASES = {
    "ATOMIC_REQUESTS",
    "AUTOCOMMIT",
    "CONN_HEALTH_CHECKS",
    "CONN_MAX_AGE",
    "DISABLE_SERVER_SIDE_CURSORS",
    "ENGINE",
    "ENVIRONMENTS",
    "HOST",
    "CITUS",
    "MAX_CONNECTIONS",
    "MAX_LAG_S",
    "MAX_SCHEMAS_PER_CONNECTION",
    "NAME",
    "OPTIONS",
    "PASSWORD",
    "PORT",
    "TEST",
    "TIME_ZONE",
    "USER",
}
_NO_PATHS = {"BASE_DOMAIN", "HOST", "NAME", "READABLE", "host", "username"}
"""Keys of what looks like a dotted path and is none: hosts, and models, which our checks look at."""


def complaint(block: Block) -> str:
    """Tell what is wrong; nothing if all is right. To be called in a process that has not started Django yet."""
    module = _written(block)
    django.setup()
    return "\n".join([*_unknown(block), *_odd_databases(module), *_not_there(block, module), *_checked()])


def _written(block: Block) -> ModuleType:
    (Path.cwd() / "block_of_settings.py").write_text(
        f"from {START.get(block.page, 'saas.settings')} import *\n{block.text}"
    )
    os.environ["DJANGO_SETTINGS_MODULE"] = "block_of_settings"
    importlib.invalidate_caches()
    return importlib.import_module("block_of_settings")


def _unknown(block: Block) -> Iterator[str]:
    for name in dict.fromkeys(block.changes):
        known = {*_OURS, *_WITHOUT_DEFAULT, *dir(global_settings), *block.reads}
        if name.isupper() and name not in known:
            yield f"{name} is no setting, and is not read in the block."


def _odd_databases(module: ModuleType) -> Iterator[str]:
    for alias, options in module.DATABASES.items():
        for key in sorted(set(options) - _OF_DATABASES):
            yield f"DATABASES[{alias!r}] has the unknown key {key!r}."


def _not_there(block: Block, module: ModuleType) -> Iterator[str]:
    for name in dict.fromkeys(block.changes):
        for path in _paths(getattr(module, name)):
            if path not in NOT_INSTALLED and not _importable(path):
                yield f"{name} names {path!r}, which can't be imported."


def _paths(value: Any) -> Iterator[str]:
    """The dotted paths in a setting."""
    if isinstance(value, str) and re.fullmatch(r"[a-z_]\w*(\.\w+)+", value):
        yield value
    if isinstance(value, Mapping):
        value = [each for key, each in value.items() if key not in _NO_PATHS]
    if isinstance(value, list | tuple):
        for each in value:
            yield from _paths(each)
    if value is ...:
        yield "an ellipsis."


def _importable(path: str) -> bool:
    for importing in (importlib.import_module, import_string):
        try:
            importing(path)
        except ImportError:
            continue
        return True
    return False


def _checked() -> Iterator[str]:
    for message in checks.run_checks():
        if message.is_serious():
            yield str(message)
