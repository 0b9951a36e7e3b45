"""Querysets made while a module is imported: they belong to no schema, whoever imports it first."""

import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from importlib import import_module, reload
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType

import pytest

from django_schemas import schema_context, wrap_context
from django_schemas.exceptions import NoActiveSchema
from django_schemas.importing import importing

Write = Callable[[str, str], None]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Write a module that can be imported; forget it afterwards."""
    monkeypatch.syspath_prepend(tmp_path)
    names = []

    def write_module(name: str, source: str) -> None:
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(source))
        names.append(name)

    yield write_module
    for name in names:
        sys.modules.pop(name, None)


VIEWS = """
    from tests.apps.garage.models import Car, Owner

    module_level = Car.objects.all()

    class CarList:
        queryset = Car.objects.filter(name="Beetle")
        by_manager = Owner.objects.named("Ada")

    def made_when_called():
        return Car.objects.all()

    def default_argument(queryset=Car.objects.order_by("name")):
        return queryset
"""


def placed(module: ModuleType) -> list[object]:
    return [
        queryset.placement
        for queryset in (
            module.module_level,
            module.CarList.queryset,
            module.CarList.by_manager,
            module.default_argument(),
        )
    ]


def test_queryset_made_at_import_is_not_captured(write: Write) -> None:
    """A module that is first imported while a schema is active: its querysets are of none, and follow who uses them."""
    write("views_of_cars", VIEWS)
    with schema_context("default", "acme"):
        views = import_module("views_of_cars")
    assert placed(views) == [None] * 4
    with schema_context("default", "globex"):
        assert views.CarList.queryset.all().db.schema == "globex"
    with pytest.raises(NoActiveSchema):
        _ = views.CarList.queryset.all().db


def test_queryset_made_by_a_function_of_that_module_is_captured(write: Write) -> None:
    """Once the module is imported its functions make querysets of the active schema, as all others do."""
    write("views_of_cars", VIEWS)
    with schema_context("default", "acme"):
        views = import_module("views_of_cars")
        assert not importing()
        made = views.made_when_called()
    assert made.placement.schema == "acme"


def test_queryset_in_a_module_imported_by_another(write: Write) -> None:
    """The same holds for a module that is imported by one that is being imported, and for the rest of the latter."""
    write("inner_views", VIEWS)
    write("outer_views", "import inner_views\nfrom inner_views import Car\nlater = Car.objects.all()")
    with schema_context("default", "acme"):
        outer = import_module("outer_views")
    assert placed(outer.inner_views) == [None] * 4
    assert outer.later.placement is None


def test_reloaded_module(write: Write) -> None:
    """A module that is imported once more by `reload` is being imported as well."""
    write("views_of_cars", VIEWS)
    views = import_module("views_of_cars")
    with schema_context("default", "acme"):
        assert placed(reload(views)) == [None] * 4


def test_finder_that_was_installed_later(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same holds for a module that is found by an import hook of another package (beartype's, typeguard's)."""

    class LaterFinder(MetaPathFinder):
        find_spec = PathFinder.find_spec

    write("views_of_cars", VIEWS)
    monkeypatch.setattr(sys, "meta_path", [LaterFinder(), *sys.meta_path])
    with schema_context("default", "acme"):
        assert placed(import_module("views_of_cars")) == [None] * 4


def test_finder_that_was_installed_behind_the_capture(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """And if the hook was installed after a function was wrapped, that imports the module where it runs."""

    class LaterFinder(MetaPathFinder):
        find_spec = PathFinder.find_spec

    # One of a name that was never imported: it would be known.
    write("views_behind", VIEWS)
    with schema_context("default", "acme"):
        wrapped = wrap_context(lambda: placed(import_module("views_behind")))
    monkeypatch.setattr(sys, "meta_path", [LaterFinder(), *sys.meta_path])
    assert wrapped() == [None] * 4


def test_import_that_fails(write: Write) -> None:
    """After an import that failed, or found no module, querysets are captured again."""
    write("broken_views", "1 / 0")
    with schema_context("default", "acme"):
        with pytest.raises(ZeroDivisionError):
            import_module("broken_views")
        with pytest.raises(ImportError):
            import_module("views_that_are_not_there")
        assert not importing()


def test_bound_model_at_import(write: Write) -> None:
    """What is bound by hand stays bound, at import as ever."""
    write("bound_views", "from tests.apps.garage.models import Car\ncars = Car.set_db('default', 'acme').objects.all()")
    with schema_context("default", "globex"):
        assert import_module("bound_views").cars.placement.schema == "acme"


def test_import_in_another_thread(write: Write) -> None:
    """Only the thread that imports is importing: the querysets of others are captured meanwhile."""
    write(
        "slow_views",
        """
        import sys
        sys.modules["threading"].slow_views_started.set()
        sys.modules["threading"].slow_views_go_on.wait(10)
        """,
    )
    started, go_on = threading.Event(), threading.Event()
    threading.slow_views_started, threading.slow_views_go_on = started, go_on  # type: ignore[attr-defined]
    try:
        thread = threading.Thread(target=import_module, args=["slow_views"])
        thread.start()
        assert started.wait(10)
        assert not importing()
    finally:
        go_on.set()
        thread.join()
        del threading.slow_views_started, threading.slow_views_go_on  # type: ignore[attr-defined]


def test_import_inside_a_function_of_a_running_import(write: Write) -> None:
    """A function that a module calls while it is imported, as a decorator or a class body does, counts as import."""
    write(
        "registering_views",
        """
        from tests.apps.garage.models import Car

        def make():
            return Car.objects.all()

        made = make()
        """,
    )
    with schema_context("default", "acme"):
        assert import_module("registering_views").made.placement is None
