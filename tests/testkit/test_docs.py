"""What docs/testing.md shows is run as it stands there."""

import re
from pathlib import Path

import pytest

from tests.adoption.project import Project
from tests.testkit.test_runs import desk, pytest_of, unittest_of, url  # noqa: F401  # fixtures

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "testing.md").read_text()
pytestmark = pytest.mark.slow


def test_snippets(desk: Project) -> None:  # noqa: F811
    """Each block is a file, which its first line names."""
    blocks = dict(re.findall(r"```python\n# (\w+\.py)\n(.*?)```", PAGE, re.DOTALL))
    assert len(blocks) == PAGE.count("```python")
    (desk.folder / "test_desk.py").unlink()
    for name, text in blocks.items():
        (desk.folder / name).write_text(text)
    assert pytest_of(desk) == {"passed": 6}
    unittest_of(desk, "tests")
