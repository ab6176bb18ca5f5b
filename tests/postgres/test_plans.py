"""Plans in a store that grew quickly, of which the server has no statistics yet: each page and append looks at few rows."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import psycopg
import pytest

from refold import NO_STREAM, AppendCondition, Query, Store
from refold.testing.contract.sample import EVENTS, Deposited, accounts
from refold.testing.postgres import PostgresServer

GROWN = 10_000


@pytest.fixture(scope="module")
def store(postgres: PostgresServer) -> Iterator[Store]:
    """A store with events that no `analyze` has seen, whose connection has its plans from when it was empty."""
    url = postgres.new_database()
    with Store.open(f"{url}&pool_size=1", events=EVENTS) as store:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("alter table refold.events set (autovacuum_enabled = off)")
        for _ in range(10):
            assert [*store.read()] == []
        for n in range(10):
            store.append(f"first-{n}", [Deposited(1)], expected=NO_STREAM)
        for n in range(GROWN // 1_000):
            store.append(f"account-{n}", [Deposited(1)] * 1_000, expected=NO_STREAM)
        yield store
    postgres.drop(url)


def looked_at(store: Store) -> int:
    """How many events the server has looked at until now, in the table and by its indexes."""
    text = "select {} from pg_stat_user_tables where schemaname = 'refold' and relname = 'events'"
    store.query("select pg_stat_force_next_flush()::text")
    return int(store.query(text.format("(seq_tup_read + idx_tup_fetch)::bigint as n"))[0][0])  # type: ignore[arg-type]


def test_an_append_looks_at_few_events_however_many_there_are(store: Store) -> None:
    before = looked_at(store)
    for n in range(5):
        store.append(f"last-{n}", [Deposited(1)], expected=NO_STREAM)
        store.append(f"many-{n}", [Deposited(1)] * 10, expected=NO_STREAM)
        store.append(f"tagged-{n}", [Deposited(1)], condition=AppendCondition(Query.of(tags=["x"]), after=store.head()))
    assert looked_at(store) - before < 100


def test_a_page_is_read_by_an_index_and_not_sorted_out_of_all_that_follows(store: Store) -> None:
    pages = 3
    for read in (store.read, lambda limit: store.subscribe(idle=0), lambda limit: store.read(after=10, limit=limit)):
        before = looked_at(store)
        assert sum(1 for _ in islice(read(limit=pages * 1_000), pages * 1_000)) == pages * 1_000
        assert looked_at(store) - before < (pages + 2) * 1_000


def test_a_state_is_read_by_the_index_of_its_stream(store: Store) -> None:
    before = looked_at(store)
    assert [store.bind(accounts).state(str(n)) for n in range(5)] == [1_000] * 5
    assert looked_at(store) - before < 5 * 1_000 + 100
