"""A server that is asked all that its description allows, and all that it forbids; every answer is held against it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded_with
from hypothesis.errors import Unsatisfiable
from requests import Request
from schemathesis import GenerationMode
from schemathesis.checks import load_all_checks, not_a_server_error
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance
from tests.http.desk import app, notes, reminders
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


def described(server: Served) -> Any:
    """Its description, as schemathesis reads it."""
    config = schemathesis.Config.from_dict({
        "checks": {
            "positive_data_acceptance": {"expected-statuses": REFUSABLE},
            "negative_data_rejection": {"expected-statuses": ["400", "401", "403", "404", "405", "406", "413", "415", "422"]},
        }
    })  # fmt: skip
    headers = {"Authorization": f"Bearer {server.token}"}
    return schemathesis.openapi.from_url(f"{server.url}/openapi.json", headers=headers, config=config)


def try_out(server: Served, cases: int, seed: int) -> int:
    """Ask every operation so often, by what the description allows, and by what it forbids. Gives how many requests that were."""
    headers = {"Authorization": f"Bearer {server.token}"}
    operations = [each.ok() for each in described(server).get_all_operations()]
    assert {each.label for each in operations} == LABELS
    modes = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    return sum(_asked(operation, mode, cases, seed, headers) for operation in operations for mode in modes)


def _asked(operation: Any, mode: GenerationMode, cases: int, seed: int, headers: dict[str, str]) -> int:
    follows, asked = operation.path == "/follow", 0
    try:
        strategy = operation.as_strategy(generation_mode=mode, **({"query": {"idle": 0}} if follows else {}))

        @seeded_with(seed)
        @given(case=strategy)
        @settings(MANY, max_examples=cases)
        def ask(case: Any) -> None:
            nonlocal asked
            asked += 1
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
    return asked


def _is_wrong_on_paper_alone(case: Any) -> bool:
    """One text in place of a list of them: in a URL they are the same. Or a parameter too many, of which a URL has nothing."""
    given: Mapping[str, Any] = case.query or {}
    sent = Request("GET", "http://shop", params=case.as_transport_kwargs().get("params")).prepare().url or ""
    names = {name for name, _ in parse_qsl(urlsplit(sent).query, keep_blank_values=True)}
    is_one = any(not isinstance(value, list) for name, value in given.items() if name in {"type", "tag"})
    return is_one or not {*given} <= names
