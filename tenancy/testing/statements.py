"""Which tables a statement names, each with the schema that is written before it.

Pure: from text to values. It reads queries and changes of rows as Django and people write them, and refuses what it
does not know. Not seen is what a string says, and what functions and views do within the server.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

__all__ = ["Named", "Refused", "read"]

_TOKEN = re.compile(
    r"""
    (?P<nothing>\s+ | --[^\n]* | /\*(?:(?!/\*|\*/).)*\*/ | %s | %\(\w+\)s)
    | (?P<string>e'(?:[^'\\]|''|\\.)*' | [bxn]?'(?:[^']|'')*' | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$)
    | (?P<quoted>"(?:[^"]|"")+")
    | (?P<word>[^\W\d][\w$]*)
    | (?P<mark>.)
    """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
_KNOWN = re.compile(
    r"begin|close|commit|delete|explain|fetch|insert|listen|lock|merge|notify|release|reset|rollback|savepoint|select|"
    r"set|show|start|truncate|unlisten|update|values|with"
)
"""Words that a statement may begin with."""

_ENDS = re.compile(
    r"except|fetch|for|group|having|intersect|limit|offset|order|returning|select|set|union|values|when|where|window"
)
"""What ends a list of tables."""

_FROM_OTHERWISE = frozenset(("extract", "overlay", "substring", "trim"))
"""Functions between whose arguments a FROM stands that names no table."""


class Refused(Exception):
    """The statement does what can't be told from its text."""


@dataclass(frozen=True, slots=True)
class Named:
    """A table that a statement names, or a function that it names with a schema.

    Attributes:
        schema: the schema written before it; None if there is none.
        name: without quotes.
        written: whether the statement changes it.
    """

    schema: str | None
    name: str
    written: bool = False

    def __str__(self) -> str:
        return ".".join(f'"{part}"' for part in (self.schema, self.name) if part is not None)


@dataclass(frozen=True, slots=True)
class _Token:
    """A piece of text. `word` is a key word, or an unquoted name, in lower case; `name` a name, quoted or not."""

    word: str = ""
    name: str = ""
    mark: str = ""
    string: str = ""


@dataclass
class _Brackets:
    """What stands between two brackets, or in none.

    Attributes:
        of: the word before the bracket.
        expects: whether a table's name comes next.
        lists: whether one comes behind a comma.
        written: whether that table is changed.
    """

    of: str = ""
    expects: bool = False
    lists: bool = False
    written: bool = False


def read(sql: str) -> frozenset[Named]:
    """Tell which tables a text of one statement, or of several, names.

    Raises:
        Refused: a statement is neither a query nor a change of rows, or sets search_path, or can't be read.
    """
    tokens = list(_tokens(sql))
    _refuse(tokens)
    own = _common_tables(tokens)
    return frozenset(each for each in _Reader(tokens).named() if each.schema is not None or each.name not in own)


def _tokens(sql: str) -> Iterator[_Token]:
    for match in _TOKEN.finditer(sql):
        text = match[0]
        if match.lastgroup == "word":
            yield _Token(word=text.lower(), name=text.lower())
        elif match.lastgroup == "quoted":
            yield _Token(name=text[1:-1].replace('""', '"'))
        elif match["string"] is not None:
            yield _Token(string=text)
        elif match.lastgroup == "mark":
            if text in "'\"":
                raise Refused("holds a quote that does not end")
            yield _Token(mark=text)


def _refuse(tokens: list[_Token]) -> None:
    """Raise Refused for what is not to be read any further."""
    begins, before = True, _Token()
    told_by_string = any("search_path" in token.string.lower() for token in tokens)
    for token in tokens:
        if begins and token.mark not in ("(", ";") and not _KNOWN.fullmatch(token.word):
            raise Refused(f"is neither a query nor a change of rows: {token.name.upper() or token.mark}")
        begins = token.mark == ";" or (begins and token.mark == "(")
        if told_by_string and token.word == "set_config":
            raise Refused("sets search_path: use schema_cursor()")
        if token.word == "search_path" and before.word in ("set", "local", "session"):
            raise Refused("sets search_path: use schema_cursor()")
        if (before.mark, token.mark) in (("*", "/"), ("/", "*")):
            raise Refused("holds a comment in a comment")
        if before.word == "u" and token.mark == "&":
            raise Refused('holds a name that is written as U&"..."')
        before = token


def _common_tables(tokens: list[_Token]) -> set[str]:
    """The names that `WITH name AS (...)` gives."""
    found = set()
    for index, token in enumerate(tokens):
        if token.word != "as" or index == 0:
            continue
        behind = [each.word or each.mark for each in tokens[index + 1 : index + 4]]
        if "(" in behind and set(behind[: behind.index("(")]) <= {"not", "materialized"}:
            found.add(tokens[_before_brackets(tokens, index - 1)].name)
    return found


def _before_brackets(tokens: list[_Token], index: int) -> int:
    """The place before the brackets that end at a place; that place if none do."""
    depth = 0
    while index > 0:
        depth += {")": 1, "(": -1}.get(tokens[index].mark, 0)
        if depth == 0:
            return index - (tokens[index].mark == "(")
        index -= 1
    return index


@dataclass
class _Reader:
    """Goes through the pieces once."""

    tokens: list[_Token]
    at: int = 0
    brackets: list[_Brackets] = field(default_factory=lambda: [_Brackets()])

    def named(self) -> Iterator[Named]:
        """All that is named."""
        while self.at < len(self.tokens):
            token = self.tokens[self.at]
            if token.mark:
                self._mark(token.mark)
            elif token.word and self._is_key_word(token.word):
                self._key_word(token.word)
            elif token.name:
                yield from self._name()
            self.at += 1

    def _word(self, offset: int) -> str:
        """The word so far from here; empty if there is none."""
        index = self.at + offset
        return self.tokens[index].word if 0 <= index < len(self.tokens) else ""

    def _next_mark(self) -> str:
        return self.tokens[self.at + 1].mark if self.at + 1 < len(self.tokens) else ""

    def _mark(self, mark: str) -> None:
        inner = self.brackets[-1]
        if mark == "(":
            self.brackets.append(_Brackets(self._word(-1), inner.expects, inner.expects, inner.written))
            inner.expects = False
        elif mark == ")" and len(self.brackets) > 1:
            self.brackets.pop()
        elif mark == "," and inner.lists:
            inner.expects = True
        elif mark == ";":
            self.brackets = [_Brackets()]

    def _is_key_word(self, word: str) -> bool:
        if word in ("from", "into", "join", "lateral", "only", "table", "truncate", "update", "using"):
            return self._next_mark() != "."
        return _ENDS.fullmatch(word) is not None

    def _key_word(self, word: str) -> None:
        inner = self.brackets[-1]
        before = self._word(-1)
        if _ENDS.fullmatch(word):
            inner.expects = inner.lists = inner.written = False
        elif word == "from":
            if inner.of in _FROM_OTHERWISE or (before == "distinct" and self._word(-2) in ("is", "not")):
                return
            inner.expects = inner.lists = True
            inner.written = before == "delete"
        elif word in ("join", "using"):
            inner.expects, inner.written = self._next_mark() != "(" or word == "join", False
        elif word in ("into", "table", "truncate") or (word == "update" and before not in ("do", "for", "key")):
            inner.expects = inner.written = True
            inner.lists = word in ("table", "truncate")

    def _name(self) -> Iterator[Named]:
        inner = self.brackets[-1]
        parts = [self.tokens[self.at].name]
        while self._next_mark() == "." and self.at + 2 < len(self.tokens) and self.tokens[self.at + 2].name:
            self.at += 2
            parts.append(self.tokens[self.at].name)
        called = self._next_mark() == "(" and not (inner.expects and inner.written)
        schema = parts[-2] if len(parts) > 1 else None
        if (inner.expects and not called) or (called and schema is not None):
            yield Named(schema, parts[-1], inner.expects and inner.written and not called)
        inner.expects = False
