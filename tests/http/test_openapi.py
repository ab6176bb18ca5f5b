"""The description is true: whatever it allows is taken, whatever it forbids is refused, and every answer is as it says."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from jsonschema_rs import validator_for
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks, not_a_server_error
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance
from tests.http.desk import app, notes, reminders
from tests.http.reference import PAGE, page
from tests.http.serving import served

from refold import AsyncStore, RawEvent
from refold.http import Quotas, api
from refold.http.application import ROUTES
from refold.http.classes import Classes
from refold.http.openapi import openapi
from refold.http.quotas import Guesses
from refold.http.tokens import TOKEN, IssueToken, TokenBearers, hashed, new_id, new_secret, written

load_all_checks()
OPERATIONS = len(ROUTES) + 1  # there are two commands
LABELS = {
    f"{method.upper()} {path}" for path, methods in openapi(ROUTES, Classes(app))["paths"].items() for method in methods
} - {"GET /openapi.json"}  # where the description is taken from
MANY = settings(
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    phases=[Phase.generate],
    print_blob=False,
)
REFUSABLE = ["2xx", "400", "401", "403", "404", "409", "410", "412", "422"]
"""What the description allows may still not be: a name's grammar, a stream that is not there, a decider that says no."""


class Served:
    """A server in a thread of its own, and a token for it."""

    def __init__(self, directory: Path) -> None:
        self.url, self.token = "", ""
        self._directory, self._ready, self._over = directory, threading.Event(), threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(60)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(60)

    async def _serve(self) -> None:
        async with await AsyncStore.open(f"sqlite:///{self._directory}/shop.db", events=[RawEvent]) as store:
            id, secret = new_id(), new_secret()
            scopes = ("read", "append", "admin")
            await store.bind(TOKEN).handle(id, IssueToken("schemathesis", hashed(secret), scopes, None, None))
            await store.append("cart-1", [RawEvent("cart.noted", {"note": "x"}), RawEvent("cart.noted", {"note": "y"})])
            await store.catch_up(notes)
            await store.process(reminders).catch_up()
            bearers = TokenBearers(store, guesses=Guesses(free=10**9))  # wrong tokens are tried out, too
            served_app = api(store, app=app, authorize=bearers, quotas=Quotas(rate=1e6, burst=10**6))
            async with served(served_app) as (client, _):
                self.url, self.token = str(client.base_url), written(id, secret)
                self._ready.set()
                await asyncio.to_thread(self._over.wait)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Served(tmp_path_factory.mktemp("openapi")) as running:
        yield running


@pytest.fixture(scope="module")
def described(server: Served) -> Any:
    config = schemathesis.Config.from_dict({
        "checks": {
            "positive_data_acceptance": {"expected-statuses": REFUSABLE},
            "negative_data_rejection": {"expected-statuses": ["400", "401", "403", "404", "405", "406", "413", "415", "422"]},
        }
    })  # fmt: skip
    headers = {"Authorization": f"Bearer {server.token}"}
    return schemathesis.openapi.from_url(f"{server.url}/openapi.json", headers=headers, config=config)


def try_out(server: Served, described: Any, cases: int) -> None:
    """Ask every operation so often, by what the description allows, and by what it forbids."""
    headers = {"Authorization": f"Bearer {server.token}"}
    operations = [each.ok() for each in described.get_all_operations()]
    assert {each.label for each in operations} == LABELS
    for operation in operations:
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            _ask(operation, mode, cases, headers)


def _ask(operation: Any, mode: GenerationMode, cases: int, headers: dict[str, str]) -> None:
    follows = operation.path == "/follow"
    try:
        strategy = operation.as_strategy(generation_mode=mode, **({"query": {"idle": 0}} if follows else {}))

        @given(case=strategy)
        @settings(MANY, max_examples=cases)
        def ask(case: Any) -> None:
            excluded = [negative_data_rejection] if _is_wrong_on_paper_alone(case) else []
            if (
                operation.path == "/readyz"
            ):  # after a while, and a pause, what it serves is stuck, and it says so by a 503
                excluded += [not_a_server_error, positive_data_acceptance]
            case.call_and_validate(headers=headers, timeout=30, excluded_checks=excluded)

        ask()
    except (schemathesis.errors.SchemathesisError, Unsatisfiable):
        if mode is GenerationMode.POSITIVE:  # else there is nothing that it forbids
            raise


def _is_wrong_on_paper_alone(case: Any) -> bool:
    """One text in place of a list of them: in a URL they are the same."""
    return any(not isinstance(value, list) for name, value in (case.query or {}).items() if name in {"type", "tag"})


def test_what_it_says_is_so(server: Served, described: Any) -> None:
    try_out(server, described, 4)


@pytest.mark.long
def test_what_it_says_is_so_ten_thousand_times(server: Served, described: Any) -> None:
    try_out(server, described, 10_000 // (2 * OPERATIONS) + 1)


def test_the_checks_are_all_there() -> None:
    names = {check.__name__ for check in CHECKS.get_all()}
    assert names >= {"not_a_server_error", "response_schema_conformance", "negative_data_rejection", "ignored_auth"}


def test_it_is_openapi_and_every_reference_leads_somewhere() -> None:
    text = openapi(ROUTES, Classes(app))
    names = [*_references(text)]
    assert text["openapi"] == "3.1.0"
    assert {name for name in names if name not in text["components"]["schemas"]} == set()
    for schema in text["components"]["schemas"].values():
        validator_for(
            {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "components": text["components"]}
        )


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"].rpartition("/")[2]
        for each in value.values():
            yield from _references(each)
    elif isinstance(value, list):
        for each in value:
            yield from _references(each)


def test_every_route_is_told_and_every_command_by_its_name() -> None:
    paths = openapi(ROUTES, Classes(app))["paths"]
    told = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    expected = {(route.method, route.path) for route in ROUTES if route.path != "/commands/{name}"}
    assert told == expected | {("POST", "/commands/cart.add"), ("POST", "/commands/cart.note")}


def test_names_of_operations_are_names_and_each_stands_once() -> None:
    paths = openapi(ROUTES, Classes(app))["paths"]
    ids = [operation["operationId"] for methods in paths.values() for operation in methods.values()]
    assert len(ids) == len(set(ids)) == OPERATIONS


def test_the_page_of_the_reference_is_up_to_date() -> None:
    assert PAGE.read_text("utf-8") == page(), "the routes have changed: run `python -m tests.http.reference`"
