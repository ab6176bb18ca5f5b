"""A real event log in DuckDB: what SQL finds in its events is what a program counts in the file."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

from refold import Limits, RawEvent, Store
from refold.eventlogs import LogMapping
from refold.eventlogs.importer import checked_log
from refold.testing.postgres import PostgresServer

LOG = Path(os.environ.get("REFOLD_DATA") or Path(__file__).parents[3] / "shared" / "data") / "receipt.csv"


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A store that holds the log, opened without any class but that for importing."""
    if not LOG.exists():
        pytest.skip(f"{LOG} is not there: set REFOLD_DATA to the directory of {LOG.name}")
    postgres: PostgresServer | None = request.getfixturevalue("postgres") if request.param == "postgresql" else None
    url = {"memory": "memory://", "sqlite": f"sqlite:///{tmp_path}/log.db"}.get(request.param, "")
    url = postgres.new_database() if postgres else url
    with Store.open(url, events=[RawEvent]) as store:
        with checked_log(LOG, LogMapping(), Limits(), lambda *_: None) as log:
            log.write(store)
        yield store
    if postgres:
        postgres.drop(url)


def rows() -> list[dict[str, str]]:
    """The file, by the plainest means."""
    with LOG.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def asked(sql: str, **tables: Any) -> list[tuple[Any, ...]]:
    """What DuckDB answers."""
    with duckdb.connect() as connection:
        for name, table in tables.items():
            connection.register(name, table)
        return connection.execute(sql).fetchall()


def test_counts_per_department_are_those_of_the_file(store: Store, tmp_path: Path) -> None:
    log = rows()
    events = Counter(row["case:department"] for row in log)
    cases = Counter({row["case:concept:name"]: row["case:department"] for row in log}.values())
    expected = sorted((department, events[department], cases[department]) for department in events)

    struct, text = store.to_arrow(data="struct"), store.to_arrow()
    pq.write_table(struct, tmp_path / "events.parquet")

    counted = "select {0} as department, count(*), count(distinct stream) from {1} group by 1 order by 1"
    assert (struct.num_rows, len(log)) == (8_577, 8_577)
    assert asked(counted.format('data."case:department"', "events"), events=struct) == expected
    assert asked(counted.format("data->>'case:department'", "events"), events=text) == expected
    assert asked(counted.format('data."case:department"', f"'{tmp_path}/events.parquet'")) == expected


def test_the_longest_case_lasted_as_long_as_in_the_file(store: Store) -> None:
    spans: dict[str, list[datetime]] = {}
    for row in rows():
        moment = datetime.fromisoformat(row["time:timestamp"]).astimezone(UTC)
        spans.setdefault(row["case:concept:name"], []).append(moment)
    lasted = max(max(moments) - min(moments) for moments in spans.values())

    longest = "select max(lasted) from (select max(valid_at) - min(valid_at) as lasted from events group by stream)"
    assert asked(longest, events=store.to_arrow()) == [(lasted,)]
