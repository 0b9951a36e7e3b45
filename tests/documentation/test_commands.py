"""What the pages tell to type is there to be typed. Lines of `manage.py tenant` are read by `test_examples` as well."""

import re
import shlex
from collections.abc import Iterator

import pytest
from django.core.management import get_commands, load_command_class

from tests.documentation.blocks import PAGES, ROOT, Block, blocks

TYPED = blocks("console", "sh", pages=(*PAGES, ROOT / "CONTRIBUTING.md"))
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z-]+):.*## ", MAKEFILE, re.MULTILINE))
OF_APPS = {"clearsessions": "django.contrib.sessions", "collectstatic": "django.contrib.staticfiles"}
"""Commands of apps that the tests' project does not have, and whose they are."""


def lines(block: Block) -> Iterator[str]:
    """The lines that are typed: all, or those behind a `$` if there is one; comments taken away."""
    found = [line.partition(" #")[0].strip() for line in block.text.splitlines()]
    typed = [line.removeprefix("$ ") for line in found if line.startswith("$ ")]
    yield from typed or found


@pytest.mark.parametrize("block", TYPED, ids=lambda block: block.id)
def test_lines(block: Block) -> None:
    """Each line is of `manage.py`, of `make`, or of one of a few other programs; its words are understood."""
    for line in filter(None, lines(block)):
        typed = re.sub(r"^(\S+\s+){5}(?=manage\.py)", "", line) if re.match(r"[*\d]", line) else line
        words = shlex.split(typed.removeprefix("python "))
        if words[0] == "manage.py":
            understood(words[1:])
        elif words[0] == "make":
            assert {word for word in words[1:] if "=" not in word} <= TARGETS, line
        elif words[0] == "bash":
            assert (ROOT / words[1]).is_file(), line
        else:
            assert words[:2] == ["pip", "install"], line


def understood(words: list[str]) -> None:
    """Parse what stands behind `manage.py` as the command does."""
    name, *arguments = words
    app = get_commands().get(name) or OF_APPS.get(name)
    assert app, f"manage.py {name} is no command"
    command = load_command_class(app, name) if isinstance(app, str) else app
    command.create_parser("manage.py", name).parse_args(arguments)


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md"], ids=lambda page: page.name)
def test_names(page: object) -> None:
    """A command or a target that a sentence names is there."""
    text = (ROOT / str(page)).read_text()
    named = set(re.findall(r"`(?:python )?manage\.py ([a-z_]+)", text))
    assert named <= {*get_commands(), *OF_APPS}
    typed = [shlex.split(words) for words in re.findall(r"`make ([a-z][^`]*)`", text)]
    assert {word for words in typed for word in words if "=" not in word} <= TARGETS
