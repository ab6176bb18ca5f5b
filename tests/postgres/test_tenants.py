"""Tenants in schemas of their own: each is woken by its own appends, and goes with the store."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from refold import RefoldError, Store
from refold.messages import RawEvent
from refold.testing.contract.sample import EVENTS
from refold.testing.postgres import PostgresServer

pytestmark = pytest.mark.guarantee("G11")


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path, postgres: PostgresServer) -> Iterator[Store]:
    """An empty store on each backend."""
    match request.param:
        case "memory":
            url = "memory://"
        case "sqlite":
            url = f"sqlite:///{tmp_path}/store.db"
        case _:
            url = postgres.new_database()
    with Store.open(url, events=EVENTS) as store:
        yield store
    if url.startswith("postgresql:"):
        postgres.drop(url)


def test_closing_a_tenant_leaves_the_store_open_and_closing_the_store_ends_all(store: Store) -> None:
    with store.tenant("a") as tenant:
        tenant.append("x-1", [RawEvent("X", {})])
        tenant.wait(0, timeout=1)
    assert store.append("x-1", [RawEvent("X", {})]).positions == (1,)
    store.tenant("b").wait(0, timeout=0.01)
    store.close()
    with pytest.raises(RefoldError):
        store.head()


@pytest.mark.parametrize("name", ["acme", "A B"])
def test_a_tenant_is_woken_by_its_own_appends_alone(url: str, name: str) -> None:
    with Store.open(url, events=EVENTS) as store, Store.open(url, events=EVENTS) as other:
        woken: list[int] = []
        tenant = store.tenant(name)
        waiting = threading.Thread(target=lambda: woken.append(tenant.wait(0, timeout=20)))
        waiting.start()
        other.append("x-1", [RawEvent("X", {})])
        waiting.join(0.1)
        assert (woken, waiting.is_alive()) == ([], True)
        other.tenant(name).append("x-1", [RawEvent("X", {})])
        waiting.join(10)
        assert woken == [1]


def test_the_schemas_of_tenants_hold_only_their_own(url: str) -> None:
    with Store.open(url, events=EVENTS) as store:
        for name in ("a", "b"):
            store.tenant(name).append("x-1", [RawEvent(name, {})])
    with psycopg.connect(url) as connection:
        for schema, held in (("refold", []), ("refold__a", ["a"]), ("refold__b", ["b"])):
            connection.execute("select set_config('search_path', %s, false)", (schema,))
            rows = connection.execute("select type from events").fetchall()
            assert [type for (type,) in rows] == held
