"""The same concerts in three frameworks: one scenario, in the process and on a real server."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from importlib import import_module
from pathlib import Path

import httpx
import pytest
from examples.concerts.rules import (
    Announce,
    Announced,
    Concert,
    Refusal,
    ReturnSeats,
    SeatsReturned,
    SeatsTaken,
    TakeSeats,
    concerts,
)
from tests.frameworks.asgi import client_of
from tests.frameworks.servers import by_uvicorn, ran

from refold.testing import spec

MANAGE = "examples.django_concerts.manage"


async def evening(client: httpx.AsyncClient) -> None:
    """Ada takes two of three seats, asks for too many, and gives one evening back."""
    announced = await client.put("/concerts/mass", json={"title": "Mass in B minor", "seats": 3})
    assert (announced.status_code, announced.json()["free"]) == (201, 3)
    await client.put("/concerts/tosca", json={"title": "Tosca", "seats": 1})

    for _ in range(2):  # the second time is a repeat
        taken = await client.post(
            "/concerts/mass/seats", json={"guest": "ada", "seats": 2}, headers={"Idempotency-Key": "ada-1"}
        )
        assert (taken.status_code, taken.json()["guests"]) == (201, {"ada": 2})
    refused = await client.post("/concerts/mass/seats", json={"guest": "ada", "seats": 2})
    assert (refused.status_code, refused.json()["detail"]) == (422, "2 seats asked for, 1 free")

    await client.post("/concerts/tosca/seats", json={"guest": "ada", "seats": 1})
    assert (await client.delete("/concerts/tosca/seats/ada")).json() == {"title": "Tosca", "free": 1, "guests": {}}
    assert (await client.get("/concerts/mass")).json() == {"title": "Mass in B minor", "free": 1, "guests": {"ada": 2}}
    assert (await client.post("/concerts/mass/seats", content=b"{")).status_code in {400, 422}


@pytest.mark.parametrize("name", ["fastapi", "litestar"])
async def test_an_evening_in_this_process(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = import_module(f"examples.{name}_concerts.app")
    monkeypatch.setattr(program, "URL", f"sqlite:///{tmp_path}/concerts.db?durability=best-effort")
    async with client_of(program.app) as client:
        await evening(client)
        assert (await client.get("/guests/ada")).json() == {"mass": 2}


@pytest.mark.parametrize("name", ["fastapi", "litestar"])
async def test_an_evening_on_a_real_server(name: str, tmp_path: Path) -> None:
    async with by_uvicorn(tmp_path, "uvicorn", f"examples.{name}_concerts.app:app") as client:
        await evening(client)
        assert (await client.get("/guests/ada")).json() == {"mass": 2}


async def test_an_evening_with_django_on_a_real_server(tmp_path: Path) -> None:
    ran(tmp_path, MANAGE, "migrate")
    ran(tmp_path, MANAGE, "refold", "migrate")
    async with by_uvicorn(tmp_path, "uvicorn", "examples.django_concerts.asgi:application") as client:
        await evening(client)
        assert (await client.get("/guests/ada")).json() == {}
        said = await asyncio.to_thread(ran, tmp_path, MANAGE, "refold", "run", "--once")
        assert said.startswith("evenings\t1\t1\tactive\trunning\t")
        assert (await client.get("/guests/ada")).json() == {"mass": 2}
        with closing(sqlite3.connect(tmp_path / "evenings.db")) as database:  # where the checkpoint is, too
            assert database.execute("select projection from refold_partitions").fetchall() == [("evenings",)]
        ready = await client.get("/readyz")
        assert (ready.status_code, ready.json()) == (200, {"status": "ok", "what": ""})


def test_djangos_own_tests_pass(tmp_path: Path) -> None:
    assert "Ran 2 tests" in ran(tmp_path, MANAGE, "test", "examples.django_concerts.tests")


def test_the_migrations_are_those_of_the_models(tmp_path: Path) -> None:
    assert "No changes detected" in ran(tmp_path, MANAGE, "makemigrations", "--check", "--dry-run")


def test_the_rules_of_a_concert() -> None:
    given = spec(concerts)
    mass = Announced("Mass", 3)
    given().when(Announce("Mass", 3)).then(mass)
    given(mass).when(Announce("Mass", 3)).then_raises(Refusal, "announced already")
    given(mass).when(TakeSeats("ada", 3)).then(SeatsTaken("ada", 3))
    given(mass).when(TakeSeats("ada", 0)).then_raises(Refusal, "0 seats asked for")
    given(mass, SeatsTaken("ada", 2)).when(TakeSeats("bob", 2)).then_raises(Refusal, "2 seats asked for, 1 free")
    given(mass, SeatsTaken("ada", 1), SeatsTaken("ada", 1)).when(ReturnSeats("ada")).then(SeatsReturned("ada", 2))
    given(mass).when(ReturnSeats("ada")).then_raises(Refusal, "ada has no seats")
    assert given(mass, SeatsTaken("ada", 2), SeatsReturned("ada", 2)).state == Concert("Mass", 3, {})
