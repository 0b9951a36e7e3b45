"""How far a primary had come at a moment, by what was heard of it."""

from django_schemas.freshness import History


def heard(*positions: tuple[float, int], keep_s: float = 100) -> History:
    """The history of a primary that was at these positions at these moments."""
    history = History(keep_s)
    for moment, position in positions:
        history.add(moment, position)
    return history


def at(history: History, *moments: float) -> list[int | None]:
    return [history.position_at(moment) for moment in moments]


def test_nothing_heard() -> None:
    """Nothing is known, at any moment."""
    assert at(heard(), 0, 1e9) == [None, None]


def test_first_position() -> None:
    """The first may have been reached at any time before."""
    assert at(heard((10, 7)), -1e9, 10, 1e9) == [7, 7, 7]


def test_later_positions() -> None:
    """A later one may have been reached as soon as the one before was heard of for the last time."""
    assert at(heard((10, 7), (11, 7), (12, 8), (13, 9)), 10.9, 11, 11.9, 12, 99) == [7, 8, 8, 9, 9]


def test_gap() -> None:
    """What is heard after a long silence may be as old as the silence."""
    assert at(heard((10, 7), (70, 8)), 9, 10, 69) == [7, 8, 8]


def test_other_server() -> None:
    """A position that is behind is another server's: the first one heard of it."""
    assert at(heard((10, 7), (11, 8), (12, 3), (13, 4)), 0, 11.9, 12) == [3, 3, 4]


def test_what_is_kept() -> None:
    """It can be asked as far back as was said, and holds no more than that."""
    history = heard(*((float(moment), moment) for moment in range(100)), keep_s=3)
    assert at(history, 96, 97.5, 98) == [97, 98, 99]
    assert len(history._reached) <= 5
