"""What fields and bases of models are made of; migrations refer to it."""


class Described:
    """A mixin that is no model."""

    def described(self) -> str:
        return str(self)


def sharp() -> bool:
    """The default of a field."""
    return True
