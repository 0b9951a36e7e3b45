"""The pages as such: languages of their blocks, their places in the navigation, and where the README leads."""

import re

import pgparse
import pytest
from django.template import engines

from tests.documentation.blocks import PAGES, ROOT, Block, blocks

LANGUAGES = {"console", "django", "python", "sh", "sql", "text", "yaml"}
README = (ROOT / "README.md").read_text()


def test_languages() -> None:
    """Each block says in what it is written, so that one of these tests takes it."""
    assert {block.id: block.language for block in blocks() if block.language not in LANGUAGES} == {}
    assert sum(page.read_text().count("\n```") for page in PAGES) == 2 * len(blocks())


@pytest.mark.parametrize("block", blocks("sql"), ids=lambda block: block.id)
def test_sql(block: Block) -> None:
    """PostgreSQL understands it."""
    assert pgparse.parse(block.text)


@pytest.mark.parametrize("block", blocks("django"), ids=lambda block: block.id)
def test_templates(block: Block) -> None:
    """Django understands it."""
    assert engines.all()[0].from_string(block.text)


def test_navigation() -> None:
    """Each page is in it, once."""
    pages = re.findall(r"^ +- (?:.*: )?(\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    assert sorted(pages) == sorted(str(page.relative_to(ROOT / "docs")) for page in PAGES[1:])


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)\s]+)\)", README))))
def test_links_of_the_readme(link: str) -> None:
    """A relative one leads to a file, and to a heading in it."""
    if link.startswith(("https://", "mailto:")):
        pytest.skip("Not ours.")
    path, _, heading = link.partition("#")
    target = ROOT / path if path else ROOT / "README.md"
    assert target.is_file()
    assert not heading or heading in headings(target.read_text())


def headings(text: str) -> set[str]:
    """What the headings of a page are called in links."""
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
