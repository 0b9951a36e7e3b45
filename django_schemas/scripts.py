"""Scripts: SQL of several statements, taken apart where PostgreSQL would.

For who must send one statement at a time. Pure.
"""

import re
from collections.abc import Iterator

__all__ = ["statements_of"]

_PIECE = re.compile(
    r"""
    (?P<nothing>\s+ | --[^\n]*)
    | (?P<comment>/\*)
    | (?P<string>e'(?:[^'\\]|''|\\.)*' | '(?:[^']|'')*' | "(?:[^"]|"")*" | \$(?P<tag>(?:[^\W\d]\w*)?)\$.*?\$(?P=tag)\$)
    | (?P<word>[^\W\d][\w$]*)
    | (?P<mark>.)
    """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
_COMMENT = re.compile(r"/\*|\*/")


def statements_of(script: str) -> list[str]:
    """The statements of a script, without what separates them; what says nothing is left out."""
    return [script] if ";" not in script else list(_statements(script))


def _statements(script: str) -> Iterator[str]:
    begin = position = brackets = bodies = 0
    said, before = False, ""
    while position < len(script):
        piece = _PIECE.match(script, position)
        assert piece is not None
        position, kind, text = piece.end(), piece.lastgroup, piece.group().lower()
        if kind == "comment":
            position = _behind_comment(script, position)
        elif kind == "word":
            bodies = _within(bodies, before, text)
        elif kind == "mark":
            brackets += (text == "(") - (text == ")")
        if text == ";" and kind == "mark" and not brackets and not bodies:
            if said:
                yield script[begin : piece.start()].strip()
            begin, said, before = position, False, ""
        elif kind not in ("nothing", "comment"):
            said, before = True, text
    if said:
        yield script[begin:].strip()


def _within(bodies: int, before: str, word: str) -> int:
    """How many bodies of functions in standard SQL, and CASEs in them, the next word stands in."""
    if word == "atomic" and before == "begin":
        return 1
    return bodies + (word == "case") - (word == "end") if bodies else 0


def _behind_comment(script: str, position: int) -> int:
    """Where a comment ends that begins before a position; they nest."""
    depth = 1
    while depth and (sign := _COMMENT.search(script, position)):
        depth += 1 if sign.group() == "/*" else -1
        position = sign.end()
    return len(script) if depth else position
