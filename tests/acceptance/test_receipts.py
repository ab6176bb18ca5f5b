"""A real log of permit cases: what a read model says of them is what a program finds in the file in one pass, then and now."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from random import Random

import pytest

from refold import App, Limits, Position, Projection, RawEvent, Recorded, Store, Table
from refold.eventlogs import LogMapping
from refold.eventlogs.importer import checked_log
from refold.projection import Caused
from refold.testing.postgres import PostgresServer

LOG = Path(os.environ.get("REFOLD_DATA") or Path(__file__).parents[3] / "shared" / "data") / "receipt.csv"


@dataclass(frozen=True)
class Case:
    """One permit case: where it stands, and since when."""

    id: str
    department: str
    state: str
    began: datetime
    ended: datetime
    events: int = 1


table = Table("cases", Case, key="id")


def cases(version: int = 1) -> Projection:
    """Where each case stands, by the time that things happened."""
    projection = Projection("cases", version=version, tables=[table], key=lambda e: str(e.stream))

    @projection.on(RawEvent, get=lambda e: table[str(e.stream)])
    def happened(event: Recorded[RawEvent], case: Case | None) -> Iterator[Caused]:
        now, department = event.valid_at, str(event.data.data["case:department"])
        case = case or Case(str(event.stream), department, event.type, now, now, 0)
        last = event.type if now >= case.ended else case.state
        yield table.put(replace(
            case, department=department, state=last, began=min(case.began, now), ended=max(case.ended, now),
            events=case.events + 1,
        ))  # fmt: skip

    return projection


@dataclass(frozen=True)
class Figures:
    """What people ask of the cases."""

    by_state: Mapping[str, int]
    by_department: Mapping[str, int]
    percentiles: Sequence[timedelta]
    events: int


def percentiles(durations: Sequence[timedelta]) -> Sequence[timedelta]:
    """The nearest ranks of 10, 50, 90, 99 and 100 percent."""
    ordered = sorted(durations)
    return [ordered[max(0, -(-len(ordered) * p // 100) - 1)] for p in (10, 50, 90, 99, 100)] if ordered else []


def of_rows(rows: Sequence[Case]) -> Figures:
    """The figures of a read model."""
    return Figures(
        Counter(row.state for row in rows), Counter(row.department for row in rows),
        percentiles([row.ended - row.began for row in rows]), sum(row.events for row in rows),
    )  # fmt: skip


def of_file(limit: int | None = None) -> Figures:
    """The same from the file, or from its first lines, by a program that knows nothing of events or folds."""
    state: dict[str, str] = {}
    department: dict[str, str] = {}
    times: dict[str, list[datetime]] = {}
    with LOG.open(encoding="utf-8-sig", newline="") as file:
        for line in islice(csv.DictReader(file), limit):
            name, moment = line["case:concept:name"], datetime.fromisoformat(line["time:timestamp"]).astimezone(UTC)
            if moment >= max(times.get(name, [moment])):
                state[name] = line["concept:name"]
            department[name] = line["case:department"]
            times.setdefault(name, []).append(moment)
    return Figures(
        Counter(state.values()), Counter(department.values()),
        percentiles([max(all) - min(all) for all in times.values()]), sum(map(len, times.values())),
    )  # fmt: skip


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A store that holds the log."""
    if not LOG.exists():
        pytest.skip(f"{LOG} is not there: set REFOLD_DATA to the directory of {LOG.name}")
    postgres: PostgresServer | None = request.getfixturevalue("postgres") if request.param == "postgresql" else None
    url = postgres.new_database() if postgres else f"sqlite:///{tmp_path}/log.db"
    with Store.open(url, events=[RawEvent]) as store, checked_log(LOG, LogMapping(), Limits(), lambda *_: None) as log:
        log.write(store)
    yield url
    if postgres:
        postgres.drop(url)


def shown(store: Store) -> Figures:
    """The figures of what people read now."""
    return of_rows([table.read(row) for row in store.query("select * from cases")])


def test_cases_stand_where_the_file_says_before_and_after_rebuilds(url: str) -> None:
    expected = of_file()
    with Store.open(url, events=[RawEvent]) as store:
        assert store.catch_up(cases()) == 8_577
        assert shown(store) == expected
        store.model(cases(2)).rebuild()
        assert shown(store) == expected


def test_the_same_comes_of_a_rebuild_in_parallel(url: str) -> None:
    here = [sys.executable, "-m", "refold", "projections", "rebuild", "cases", "--parallel", "3", "--yes"]
    app = ["--app", "tests.acceptance.test_receipts:app", "--store", url]
    with Store.open(url, events=[RawEvent]) as store:
        store.catch_up(cases(1))
        made = subprocess.run([*here, *app], capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
        assert made.returncode == 0, made.stdout + made.stderr
        status = store.model(cases(2)).status()
        assert (status.version, status.lag, len(status.partitions)) == (2, 0, 3)
        assert shown(store) == of_file()
        assert store.model(cases(2)).audit().is_sound


def test_as_of_any_position_it_is_what_the_first_lines_of_the_file_say(url: str) -> None:
    random = Random(1434)  # noqa: S311 - where to look
    with Store.open(url, events=[RawEvent]) as store:
        for position in sorted(random.sample(range(1, 8_578), 10)):
            live = store.live(cases(), as_of=Position(position))
            assert of_rows([*live.rows(table).values()]) == of_file(position), position


app = App(cases(2))
"""What the processes of a rebuild in parallel load."""
