"""Two transactions that wait for each other: the server undoes one, and it is begun anew."""

from __future__ import annotations

import threading

import psycopg
import pytest

from refold import Store, StoreBusy, sql
from refold._bridge.stepping import run_sync
from refold.backends.postgres import backend as postgres


@pytest.fixture
def rows(url: str) -> str:
    """A store with two rows of the application's, to be locked in one order and in the other."""
    with Store.open(url) as store, psycopg.connect(url, autocommit=True) as connection:
        del store
        connection.execute("create table two (id integer primary key, times integer not null)")
        connection.execute("insert into two values (1, 0), (2, 0)")
    return url


_TURN = "update two set times = times + 1 where id = %s"


def crossed(url: str) -> None:
    """Lock 2, let the store lock 1 and wait for 2, and then wait for 1: whoever is undone, it is a deadlock."""
    with Store.open(url) as store, psycopg.connect(url) as other:
        other.execute("set deadlock_timeout = '10s'")  # so that it is the store's transaction that is undone
        other.execute(_TURN, (2,))
        waiting = threading.Thread(target=_crossing, args=(url, other.info.backend_pid, other))
        waiting.start()
        try:
            steps = [sql("update two set times = times + 1 where id = :id", id=each) for each in (1, 2)]
            run_sync(store._engine.view.work([steps[0], sql("select 1"), steps[1]]))
        finally:
            waiting.join()


def _crossing(url: str, mine: int, other: psycopg.Connection) -> None:
    """As soon as somebody waits for us, wait for them; then let go."""
    with psycopg.connect(url, autocommit=True) as looking:
        while not looking.execute(
            "select 1 from pg_locks l where %s = any(pg_blocking_pids(l.pid))", (mine,)
        ).fetchone():
            pass
    other.execute(_TURN, (1,))
    other.commit()


def times(url: str) -> list[tuple[int, ...]]:
    """How often each row was changed."""
    with psycopg.connect(url) as connection:
        return connection.execute("select times from two order by id").fetchall()


def test_the_transaction_that_the_server_undid_is_begun_anew(rows: str) -> None:
    crossed(rows)
    assert times(rows) == [(2,), (2,)]


def test_without_another_try_it_would_be_told(rows: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "DEADLOCKS", 1)
    with pytest.raises(StoreBusy, match="deadlock detected"):
        crossed(rows)
    assert times(rows) == [(1,), (1,)]
