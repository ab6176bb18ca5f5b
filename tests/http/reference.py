"""The page of the reference that tells every route: made from the description that programs read.

python -m tests.http.reference    writes docs/reference/http.md anew
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from refold.errors import RefoldError
from refold.http.application import ROUTES
from refold.http.classes import Classes
from refold.http.openapi import openapi
from refold.problems import STATUSES

PAGE: Final = Path(__file__).parents[2] / "docs" / "reference" / "http.md"

_TOP: Final = """# HTTP

The routes of [`refold serve`](../how-to/serve-over-http.md), as `/openapi.json` tells them, with all shapes. Lists are
`{"schema": 1, "data": [...], "next": cursor}`, where the cursor is what to give as `after`; times are ISO 8601 in UTC. GET also
works as HEAD, but for what never ends. Where events are large, a page ends before its `limit`, and `next` leads on.

The ETag of what is read begins with the version of the stream, and ends with a digest of the answer: `If-None-Match` takes it
as it is, `If-Match` the version alone, too. Nothing may be kept by caches on the way, `Cache-Control: no-store`.

What came of a command has its `state`, and that of a repeat its `events`, only for who may `read` the category.

Errors are `application/problem+json` (RFC 9457): `type` is for programs, `detail` for people. Any route may answer 400, 429
and 503; one that takes a token 401 and 403.

This page is made from the description: `python -m tests.http.reference`.
"""


def page() -> str:
    """The whole page."""
    return "\n".join(_parts()) + "\n"


def _parts() -> Iterator[str]:
    yield _TOP
    paths = openapi(ROUTES, Classes(None))["paths"]
    decided = next(route for route in ROUTES if route.path == "/commands/{name}")
    operations = [(method, path, each) for path, methods in paths.items() for method, each in methods.items()]
    for group in dict.fromkeys(route.group for route in ROUTES):
        yield f"## {group.capitalize()}\n\n| | what | scope | answers |\n|---|---|---|---|"
        for method, path, operation in operations:
            if operation["tags"] == [group]:
                scope = operation.get("description", "").rpartition("scope ")[2].strip(".")
                yield _row(method, path, operation["summary"], scope, operation["responses"])
        if group == decided.group:
            answers: dict[str, Any] = {str(status): {} for status in (*decided.told, *decided.problems)}
            yield _row("post", decided.path, decided.summary, f"`{decided.action}`", answers)
        yield ""
        yield from _parameters([each for _, _, each in operations if each["tags"] == [group]])
    yield _STATUSES
    yield from (f"| `{cls.__name__}` | {status} |" for cls, status in STATUSES if cls is not RefoldError)


def _row(method: str, path: str, summary: str, scope: str, responses: dict[str, Any]) -> str:
    always = {"default", "400", "401", "403", "429", "503"}
    answers = " ".join(sorted(status for status in responses if status not in always))
    return f"| `{method.upper()} {path}` | {summary} | {scope} | {answers} |"


def _parameters(operations: list[dict[str, Any]]) -> Iterator[str]:
    for operation in operations:
        told = [each for each in operation["parameters"] if each["in"] != "path"]
        if told:
            names = ", ".join(f"`{each['name']}`" for each in told)
            yield f"{operation['summary']}: {names}.\n"


_STATUSES: Final = """## Errors

The first row that fits counts; anything else is 500.

| error | status |
|---|---|"""


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
