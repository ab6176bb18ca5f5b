"""A reader that follows a query of several items misses nothing, on every backend that holds a log for several connections."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from tests.postgres.traffic import NONE, QUERY, Tail, faults

from refold import Store
from refold.messages import RawEvent
from refold.testing.postgres import PostgresServer


@pytest.mark.guarantee("G6")
@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
def test_a_reader_of_several_items_misses_nothing_that_is_appended_meanwhile(
    backend: str, postgres: PostgresServer, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/store.db?durability=best-effort" if backend == "sqlite" else postgres.new_database()
    with Store.open(url, events=[RawEvent]) as store:
        tail, end = Tail(url, QUERY), time.monotonic() + 1

        def write() -> None:
            while time.monotonic() < end:
                for type in "XY":
                    store.append("a-1", [RawEvent(type, {})])

        writers = [threading.Thread(target=write) for _ in range(2)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        seen = tail.stop()
        assert faults(seen, range(1, store.head() + 1)) == NONE
    print(f"\n{backend}: {len(seen)} events followed by a query of three items: missing 0")
    if backend == "postgresql":
        postgres.drop(url)
