"""Remarks: a comment behind each statement, as PostgreSQL's activity and log show it.

It is put there by the cursor, behind whatever looks at statements or takes them down (`execute_wrappers`, blueprints),
so no remark of one moment is sent again at another.
"""

from collections.abc import Callable
from functools import lru_cache

__all__ = ["Remark", "maker", "remarked", "use"]

Remark = Callable[[], str]
"""What is said of a statement that is sent now, without the signs around it; nothing if empty."""

_chosen: list[Callable[[], Remark | None]] = []


def use(choose: Callable[[], Remark | None]) -> None:
    """Have a function say, when a connection is opened, what makes the remarks on it; None: there are none."""
    _chosen[:] = [choose]


def maker() -> Remark | None:
    """What makes the remarks on a connection that is being opened; None if there are none."""
    return _chosen[0]() if _chosen else None


def remarked(sql: str, remark: str, *, has_params: bool) -> str:
    """A statement with a remark behind it, which can neither end the comment nor be taken for a parameter.

    Args:
        sql: the statement.
        remark: what is said of it.
        has_params: whether it is sent with parameters, so that `%` stands for one.
    """
    if not remark:
        return sql
    # On a line of its own: the statement may end in a comment to the end of its line.
    return f"{sql}\n{_comment(remark, has_params)}"


_SIGNS = dict.fromkeys(map(ord, "*/\x00"))
"""What would end the comment, or begin one in it, since PostgreSQL's nest; and what PostgreSQL takes nowhere."""


@lru_cache(maxsize=10_000)
def _comment(remark: str, has_params: bool) -> str:
    comment = f"/*{remark.translate(_SIGNS)}*/"
    return comment.replace("%", "%%") if has_params else comment
