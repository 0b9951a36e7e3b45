"""What docs/background.md tells to write."""

import re
from pathlib import Path

__all__ = ["block"]

_PAGE = (Path(__file__).resolve().parents[2] / "docs" / "background.md").read_text()


def block(section: str, number: int = 0) -> str:
    """The code in a section, the first or another."""
    _, text = re.split(rf"^##+ {section}$", _PAGE, flags=re.MULTILINE)
    return str(re.findall(r"```python\n(.*?)```", re.split(r"^## ", text, flags=re.MULTILINE)[0], re.DOTALL)[number])
