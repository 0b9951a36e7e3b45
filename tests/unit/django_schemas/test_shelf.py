"""What a blueprint is kept by."""

from typing import Any

from django.db.models import Field

from django_schemas.shelf import described


class Descriptor(Field):  # type: ignore[type-arg]
    """A field that is its own descriptor, as taggit's TaggableManager."""

    def __get__(self, instance: Any, owner: Any) -> Any:
        return self


def test_field_with_get() -> None:
    """A field that has `__get__`, which routines have too, is described by what it is made of."""
    kind, made_of = described(Descriptor(null=True))
    assert kind.endswith(".Descriptor")
    assert ("null", True) in made_of[-1]
    assert described(Descriptor()) != described(Descriptor(null=True))


def test_routines_and_classes() -> None:
    """Functions and classes are described by their names."""
    assert described(described) == "django_schemas.shelf.described"
    assert described(dict.fromkeys) == "None.dict.fromkeys"
    assert described(int) == "builtins.int"
