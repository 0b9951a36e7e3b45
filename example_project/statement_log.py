"""A log of SQL statements, one JSON object a line: which request, which database, which statement.

Switched on by the setting STATEMENT_LOG. It shows what the ORM sends while a request is answered; whoever
sends `X-Request-ID` finds their own statements again.
"""

import json
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.db import connections
from django.http import HttpRequest, HttpResponse


class StatementLogMiddleware:
    """Log each statement of a request. First in MIDDLEWARE, so that no other's are missed."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        tag = request.headers.get("X-Request-ID") or uuid4().hex
        with ExitStack() as stack:
            for connection in connections.all():
                stack.enter_context(connection.execute_wrapper(partial(log_statement, tag)))
            return self.get_response(request)


def log_statement(
    tag: str, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]
) -> Any:
    """Write one line, then let the statement run. Values are left out: only its form is of interest."""
    line = {"request": tag, "database": str(context["connection"].alias), "sql": str(sql)}
    with open(settings.STATEMENT_LOG, "a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
    return execute(sql, params, many, context)
