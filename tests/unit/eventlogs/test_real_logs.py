"""Real event logs, if they lie beside the checkout: read whole, with no bad row."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from refold.eventlogs import BadRow, LogEntry, LogMapping, entries, open_log

DATA = Path(os.environ.get("REFOLD_DATA") or Path(__file__).parents[4] / "shared" / "data")


def read(name: str) -> list[LogEntry | BadRow]:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{path} is not there: set REFOLD_DATA to the directory of {name}")
    with open_log(path) as log:
        return list(entries(log, LogMapping()))


def test_the_receipt_log_is_8577_events_in_1434_streams() -> None:
    log = read("receipt.csv")

    assert [entry for entry in log if isinstance(entry, BadRow)] == []
    assert (len(log), len({entry.stream for entry in log if isinstance(entry, LogEntry)})) == (8_577, 1_434)
    assert log[0] == LogEntry(
        2,
        "case-10011",
        "Confirmation of receipt",
        datetime(2011, 10, 11, 11, 45, 40, 276_000, UTC),
        {
            "case:channel": "Internet",
            "case:deadline": "2011-12-06 13:41:31.788000+01:00",
            "case:department": "General",
            "case:enddate_planned": "2011-12-06 13:41:31.788000+01:00",
            "case:group": "Group 2",
            "case:responsible": "Resource21",
            "case:startdate": "2011-10-11 13:42:22.688000+02:00",
            "concept:instance": "task-42933",
            "lifecycle:transition": "complete",
            "org:group": "Group 1",
            "org:resource": "Resource21",
        },
    )


def test_the_road_traffic_log_is_390_events_in_100_streams() -> None:
    log = read("roadtraffic100traces.csv")

    assert [entry for entry in log if isinstance(entry, BadRow)] == []
    streams = {entry.stream for entry in log if isinstance(entry, LogEntry)}
    assert (len(log), len(streams), "case-N77802" in streams) == (390, 100, True)
