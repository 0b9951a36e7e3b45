"""A visitor: somebody with a browser's cookies at one host, who remembers all that they were shown."""

import html
import re
from dataclasses import dataclass
from uuid import uuid4

import httpx


@dataclass(frozen=True)
class Visit:
    """One request and what came back.

    Attributes:
        label: What was asked for, in the words of the report.
        request_id: The tag of its statements in the statement log.
    """

    label: str
    request_id: str
    status: int
    body: str
    location: str


class Unexpected(Exception):
    """A response is not what it should be, or there is none."""


class Visitor:
    """A client of one host. It talks to 127.0.0.1 and says the host's name, so no name need be resolved."""

    def __init__(self, port: int, host: str) -> None:
        self.host = host
        self.visits: list[Visit] = []
        # Each connection is closed behind its request, so that nobody must close the visitor.
        self.client = httpx.Client(
            base_url=f"http://127.0.0.1:{port}",
            headers={"Host": f"{host}:{port}"},
            limits=httpx.Limits(max_keepalive_connections=0),
            timeout=30,
        )

    def get(self, label: str, path: str, expect: int = 200, headers: dict[str, str] | None = None) -> Visit:
        """Get a page."""
        return self._ask(label, "GET", path, expect, headers=headers)

    def submit(self, label: str, path: str, data: dict[str, str], expect: int = 302) -> Visit:
        """Get the page with a form, fill it in and send it."""
        page = self.get(f"{label}: form", path)
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.body)
        if token is None:
            raise Unexpected(f"{self.host}{path} has no form")
        return self._ask(label, "POST", path, expect, data={**data, "csrfmiddlewaretoken": token[1]})

    def log_in(self, username: str, password: str) -> Visit:
        """Log in with the form."""
        return self.submit("log in", "/login/", {"username": username, "password": password})

    def _ask(
        self,
        label: str,
        method: str,
        path: str,
        expect: int,
        headers: dict[str, str] | None = None,
        data: dict[str, str] | None = None,
    ) -> Visit:
        tag = uuid4().hex
        try:
            answer = self.client.request(method, path, data=data, headers={"X-Request-ID": tag, **(headers or {})})
        except httpx.HTTPError as error:
            raise Unexpected(f"{label}: {method} {self.host}{path} gave no answer: {error!r}") from error
        body = html.unescape(answer.text)
        visit = Visit(label, tag, answer.status_code, body, answer.headers.get("Location", ""))
        self.visits.append(visit)
        if answer.status_code != expect:
            raise Unexpected(
                f"{label}: {method} {self.host}{path} gave {answer.status_code}, not {expect}\n{body[:2000]}"
            )
        return visit
