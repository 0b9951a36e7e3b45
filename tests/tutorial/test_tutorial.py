"""docs/tutorial.md, followed step by step by somebody who has nothing else: on a project that was just made."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.adoption.project import REPOSITORY, made_database
from tests.ports import free_port
from tests.tutorial.polls import FILES

pytestmark = pytest.mark.slow

PAGE = (REPOSITORY / "docs" / "tutorial.md").read_text()
BEFORE = "from polls.models import Question; Question.objects.create(question_text='What is new?').choice_set.create()"
USER = "from django.contrib.auth.models import User; User.objects.create_superuser('ada', 'ada@acme.example', 'secret')"


def blocks(section: str) -> Iterator[tuple[str, str]]:
    """The language and the text of what a section tells to write."""
    text = PAGE.partition(f"\n## {section}")[2].partition("\n## ")[0]
    yield from re.findall(r"```(\w+)\n(.*?)```", text, re.DOTALL)


class Newcomer:
    """Somebody in the folder of a project."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.environ = {
            **{name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")},
            "DATABASE_URL": url,
            "PYTHONPATH": str(REPOSITORY),
            "DJANGO_SUPERUSER_PASSWORD": "secret",
        }

    def types(self, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, *words], cwd=self.folder, env=self.environ, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def follows(self, section: str) -> str:
        """Write what is Python to the settings, type what is for the shell; what was said last."""
        said = ""
        for language, text in blocks(section):
            if language == "python":
                with (self.folder / "mysite" / "settings.py").open("a") as settings:
                    settings.write(f"\n{text}")
            elif language == "sh":
                for line in text.splitlines():
                    said = self.types(*shlex.split(line)[1:])
        return said


@pytest.fixture
def newcomer(tmp_path: Path) -> Iterator[Newcomer]:
    with made_database(f"tutorial_{os.getpid()}") as url:
        newcomer = Newcomer(tmp_path, url)
        newcomer.types("-m", "django", "startproject", "mysite", ".")
        for path, text in FILES.items():
            (tmp_path / path).parent.mkdir(exist_ok=True)
            (tmp_path / path).write_text(text)
        with (tmp_path / "mysite" / "settings.py").open("a") as settings:
            settings.write('INSTALLED_APPS = ["polls", *INSTALLED_APPS]\n')
        for words in (("makemigrations", "polls"), ("migrate",), ("shell", "-c", BEFORE), ("shell", "-c", USER)):
            newcomer.types("manage.py", *words)
        yield newcomer


def test_tutorial(newcomer: Newcomer) -> None:
    """Two tenants are served, one with the polls that there were; nothing of one is seen at the other."""
    for section in ("1.", "3."):
        newcomer.follows(section)
    listed = newcomer.follows("4.")
    assert [line.split()[0] for line in listed.splitlines() if "active" in line] == ["acme", "globex"]
    newcomer.follows("5.")
    newcomer.follows("6.")
    port = free_port()
    words = [sys.executable, "manage.py", "runserver", "--noreload", str(port)]
    with (newcomer.folder / "log").open("wb") as log:
        server = subprocess.Popen(words, cwd=newcomer.folder, env=newcomer.environ, stdout=log, stderr=log)
    try:
        looks(port, newcomer.folder / "log")
    finally:
        server.terminate()
        server.wait()


def looks(port: int, log: Path) -> None:
    with httpx.Client(transport=httpx.HTTPTransport(retries=12), trust_env=False, timeout=30) as client:

        def at(slug: str, path: str, **data: str) -> tuple[int, str]:
            host = {"Host": f"{slug}.localhost:{port}"}
            url = f"http://127.0.0.1:{port}{path}"
            answer = client.post(url, headers=host, data=data) if data else client.get(url, headers=host)
            return answer.status_code, answer.text

        assert at("acme", "/polls/") == (200, "What is new?"), log.read_text()
        assert at("globex", "/polls/") == (200, "No polls are available.")
        assert at("nobody", "/polls/")[0] == 404
        assert at("acme", "/vote/1/", really="yes") == (200, "1")
        assert at("globex", "/vote/1/", really="yes")[0] == 404
        for slug, username, entered in (("acme", "ada", True), ("globex", "ada", False), ("globex", "gina", True)):
            assert logs_in(port, slug, username) is entered


def logs_in(port: int, slug: str, username: str) -> bool:
    """Whether a user gets into a tenant's admin."""
    host = {"Host": f"{slug}.localhost:{port}"}
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=host, trust_env=False, timeout=30) as client:
        token = client.get("/admin/login/").cookies["csrftoken"]
        form = {"username": username, "password": "secret", "csrfmiddlewaretoken": token}
        cookies = {"Cookie": f"csrftoken={token}"}
        return client.post("/admin/login/?next=/admin/", data=form, headers=cookies).status_code == 302
