"""FastAPI and Litestar: the store, keys and stories come from the request; errors are told as the HTTP API tells them."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import pytest
from examples.concerts.rules import Announced
from fastapi import FastAPI
from tests.frameworks.asgi import client_of
from tests.frameworks.served import SERVED
from tests.http.test_problems import ERRORS, made

from refold import AsyncStore
from refold.frameworks import fastapi
from refold.problems import headers_of, problem_of

MASS = {"title": "Mass in B minor", "seats": 3}


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/concerts.db?durability=best-effort"


@pytest.fixture
async def store(url: str) -> AsyncGenerator[AsyncStore]:
    """What the application stores, seen from elsewhere."""
    async with await AsyncStore.open(url, events=[Announced]) as store:
        yield store


@pytest.fixture(params=SERVED)
def served(request: pytest.FixtureRequest, url: str) -> Callable[..., Any]:
    """An application of each kind; what it is given is done before each command."""
    return lambda first=lambda: None: client_of(SERVED[request.param](url, first))


async def test_a_command_is_decided_and_belongs_to_the_story_of_its_request(
    served: Callable[..., Any], store: AsyncStore
) -> None:
    async with served() as client:
        answer = await client.put("/mass", json=MASS, headers={"X-Correlation-ID": "request 7"})
    assert (answer.status_code, answer.json()) == (200, {"title": "Mass in B minor", "free": 3, "guests": {}})
    (event,) = [event async for event in store.read()]
    assert (event.data, event.metadata.correlation_id) == (Announced("Mass in B minor", 3), "request 7")


async def test_without_a_story_each_request_begins_its_own(served: Callable[..., Any], store: AsyncStore) -> None:
    async with served() as client:
        assert [(await client.put(f"/{id}", json=MASS)).status_code for id in "ab"] == [200, 200]
    first, second = [event.metadata.correlation_id async for event in store.read()]
    assert first != second


async def test_a_repeat_with_the_same_key_gives_the_first_outcome(
    served: Callable[..., Any], store: AsyncStore
) -> None:
    async with served() as client:
        once, again = [await client.put("/mass", json=MASS, headers={"Idempotency-Key": "k-1"}) for _ in range(2)]
        other = await client.put("/other", json=MASS, headers={"Idempotency-Key": "k-1"})
    assert (again.status_code, again.json()) == (once.status_code, once.json())
    assert (int(await store.head()), other.status_code, other.json()["type"]) == (
        1,
        422,
        "urn:refold:problem:key-reused",
    )


async def test_what_a_decider_raises_is_told_in_its_words(served: Callable[..., Any]) -> None:
    async with served() as client:
        await client.put("/mass", json=MASS)
        answer = await client.put("/mass", json=MASS)
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, answer.json()) == (
        422,
        {
            "type": "urn:refold:problem:command-refused", "title": "Command refused", "status": 422,
            "detail": "it is announced already: Mass in B minor", "error": "Refusal",
        },
    )  # fmt: skip


async def test_every_error_is_told_by_the_table(served: Callable[..., Any], caplog: pytest.LogCaptureFixture) -> None:
    waiting = [made(cls) for cls in ERRORS]
    told: list[tuple[int, str, str | None]] = []

    def fail() -> None:
        raise waiting[len(told)]

    with caplog.at_level(logging.ERROR, "refold.frameworks"):
        async with served(fail) as client:
            for _ in waiting:
                answer = await client.put("/mass", json=MASS)
                told.append((answer.status_code, answer.json()["type"], answer.headers.get("retry-after")))
    problems = [problem_of(error) for error in waiting]
    assert told == [(each.status, each.type, headers_of(each).get("Retry-After")) for each in problems]
    logged = [record.getMessage() for record in caplog.records if record.name == "refold.frameworks"]
    assert logged == [each.title for each in problems if each.status in {500, 502, 507}]


@pytest.mark.parametrize(
    "headers",
    [
        {"Idempotency-Key": ""},
        {"Idempotency-Key": "k" * 151},
        {"X-Correlation-ID": "x" * 201},
        {"X-Correlation-ID": ""},
    ],
)
async def test_a_header_that_cannot_be_is_the_clients_fault(
    served: Callable[..., Any], headers: dict[str, str], store: AsyncStore
) -> None:
    async with served() as client:
        answer = await client.put("/mass", json=MASS, headers=headers)
    assert (answer.status_code in {400, 422}, int(await store.head())) == (True, 0), answer.text


async def test_what_nobody_foresaw_stays_the_frameworks_own(served: Callable[..., Any]) -> None:
    def fail() -> None:
        raise ValueError("the password is 1234")

    async with served(fail) as client:
        answer = await client.put("/mass", json=MASS)
    assert (answer.status_code, "1234" in answer.text) == (500, False)


async def test_an_application_without_a_store_is_the_servers_fault() -> None:
    app = FastAPI()
    fastapi.add_problems(app)
    app.get("/", response_model=None)(fastapi.store_of)
    async with client_of(app) as client:
        assert (await client.get("/")).status_code == 500
