"""Import and export: what comes in, once, whatever goes wrong, and what goes out comes in again the same."""

from __future__ import annotations

import errno
import gzip
import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from uuid import UUID

import pytest
from tests.cli.conftest import Run
from tests.cli.shop import LOG

from refold.cli import importing
from refold.eventlogs import exporter
from refold.eventlogs.importer import Imported, checked_log
from refold.eventlogs.mapping import LogMapping
from refold.flows.append import Receipt
from refold.flows.together import StreamWrite
from refold.limits import Limits
from refold.messages import RawEvent
from refold.ports import Check, Write
from refold.store import Store

DATA = Path(os.environ.get("REFOLD_DATA") or Path(__file__).parents[3] / "shared" / "data")
HEAD = "case_id,activity,timestamp,officer\n"


def imported(events: int, streams: int, known: int = 0, skipped: int = 0) -> str:
    """The line that an import ends with, as far as it can be foretold."""
    return (
        f"imported {events:,} events into {streams:,} streams, {known:,} were there already, {skipped:,} skipped, in "
    )


def held(path: str) -> list[tuple[object, ...]]:
    """All that a store holds and did not make up itself."""
    with Store.open(f"sqlite:///{path}?mode=ro", events=[RawEvent]) as store:
        return [
            (str(e.stream), e.version, e.data.type, e.data.version, dict(e.data.data), e.id, e.tags, e.metadata)
            for e in store.read()
        ]


# Import -----------------------------------------------------------------------


def test_a_log_becomes_events_that_were_true_when_it_says(refold: Run) -> None:
    code, out, err = refold("import", "log.csv", "--store", "new.db")
    assert (code, out.startswith(imported(3, 2)), err) == (0, True, "")
    assert refold("show", "case-1001", "--store", "new.db").out == (
        '1\t2024-03-01T09:00:00Z\tapplication received\t{"officer":"Ada"}\n'
        '2\t2024-03-04T14:30:00Z\tinspected\t{"officer":"Bob"}\n'
    )


def test_importing_again_adds_nothing_and_a_grown_file_only_what_is_new(refold: Run, directory: Path) -> None:
    refold("import", "log.csv", "--store", "new.db")
    assert refold("import", "log.csv", "--store", "new.db").out.startswith(imported(0, 0, known=3))

    (directory / "log.csv").write_text(LOG + "1001,granted,2024-03-08T11:00:00Z,Ada\n1002,inspected,2024-03-09,Bob\n")
    assert refold("import", "log.csv", "--store", "new.db").out.startswith(imported(2, 2, known=3))
    assert refold("import", "log.csv", "--store", "new.db").out.startswith(imported(0, 0, known=5))


def test_rows_that_say_the_same_are_events_of_their_own(refold: Run, directory: Path) -> None:
    (directory / "twice.csv").write_text(HEAD + "1,paid,2024-03-01,Ada\n" * 2)
    assert refold("import", "twice.csv", "--store", "new.db").out.startswith(imported(2, 1))
    (directory / "twice.csv").write_text(HEAD + "1,paid,2024-03-01,Ada\n" * 3)
    assert refold("import", "twice.csv", "--store", "new.db").out.startswith(imported(1, 1, known=2))


def test_ids_follow_from_what_an_event_says_alone(refold: Run, directory: Path) -> None:
    (directory / "a.jsonl").write_text(
        '{"case":"1","type":"paid","time":"2024-03-01","by":"Ada","sum":[1,{"x":2,"y":3}]}\n'
    )
    (directory / "b.jsonl").write_text(
        '{"sum":[1,{"y":3,"x":2}],"time":"2024-03-01T00:00:00+00:00","case":"1","by":"Ada","type":"paid"}\n'
    )
    refold("import", "a.jsonl", "--store", "new.db")
    assert refold("import", "b.jsonl", "--store", "new.db").out.startswith(imported(0, 0, known=1))
    assert [event[5] for event in held("new.db")] == [UUID("37cd19e7-eb8f-58ff-b9c2-b7564a0655e1")]


def test_a_log_may_name_its_columns_and_its_category(refold: Run) -> None:
    named = ("--stream-from", "order", "--type-from", "what", "--time-from", "at", "--category", "order")
    assert refold("import", "orders.csv", "--store", "new.db", *named).out.startswith(imported(2, 1))
    assert refold("streams", "--store", "new.db").out.startswith("order-A1\t2\t2\t")


def test_a_packed_log_is_unpacked(refold: Run, directory: Path) -> None:
    (directory / "log.csv.gz").write_bytes(gzip.compress(LOG.encode()))
    assert refold("import", "log.csv.gz", "--store", "new.db").out.startswith(imported(3, 2))


def test_the_summary_may_be_json(refold: Run) -> None:
    summary = json.loads(refold("import", "log.csv", "--store", "new.db", "--output", "json").out)
    assert summary.pop("seconds") > 0
    assert summary == {"events": 3, "streams": 2, "known": 0, "skipped": 0}


BAD = (
    HEAD + "1001,application received,2024-03-01,Ada\n"
    "1001,inspected,yesterday,Bob\n"
    ",inspected,2024-03-01,Bob\n"
    "1002,in\x07spected,2024-03-01,Bob\n"
    f"{'x' * 200},inspected,2024-03-01,Bob\n"
    "1003,inspected,2024-03-01\n"
)
REASONS = (
    "bad.csv:3, column timestamp: 'yesterday' is not a time such as 2011-10-11T13:45:40.276+02:00\n"
    "bad.csv:4, column case_id: there is no value\n"
    "bad.csv:5, column activity: 'in\\x07spected' is not an event type: character 3 (U+0007) is not printable\n"
    "bad.csv:6, column case_id: 'case-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...xxxxxxxxx' (207 characters)"
    " is not a stream name: it has 205 characters, 200 are allowed\n"
    "bad.csv:7, column officer: the row has 3 values for 4 columns: this column is the first one missing\n"
)


def test_a_bad_row_stops_the_import_before_anything_is_written(refold: Run, directory: Path) -> None:
    (directory / "bad.csv").write_text(BAD)
    assert refold("import", "bad.csv", "--store", "new.db") == (
        6,
        "",
        REASONS + "refold: 'bad.csv': has 5 bad rows, so nothing was written\n",
    )
    assert not (directory / "new.db").exists()


def test_bad_rows_may_be_skipped(refold: Run, directory: Path) -> None:
    (directory / "bad.csv").write_text(BAD)
    code, out, err = refold("import", "bad.csv", "--store", "new.db", "--on-error", "skip")
    assert (code, out.startswith(imported(1, 1, skipped=5)), err) == (1, True, REASONS)


def test_of_many_bad_rows_the_first_are_told_and_the_rest_counted(refold: Run, directory: Path) -> None:
    (directory / "bad.csv").write_text(HEAD + "1,done,never,Ada\n" * 1_234)
    code, out, err = refold("import", "bad.csv", "--store", "new.db")
    lines = err.splitlines()
    assert (code, out, len(lines)) == (6, "", 22)
    assert lines[19].startswith("bad.csv:21, column timestamp: ")
    assert lines[20:] == ["and 1,214 more bad rows.", "refold: 'bad.csv': has 1,234 bad rows, so nothing was written"]


def test_an_event_over_the_limit_is_a_bad_row(refold: Run, directory: Path) -> None:
    (directory / "big.jsonl").write_text(json.dumps({"case": "1", "type": "grew", "by": "x" * 2_000_000}) + "\n")
    code, _, err = refold("import", "big.jsonl", "--store", "new.db")
    assert (
        code,
        err.startswith("big.jsonl:1: the data of event 'grew', in bytes, has 2,000,009, the limit is 1,048,576"),
    ) == (6, True)


def test_a_dry_run_writes_nothing(refold: Run, directory: Path) -> None:
    code, out, err = refold("import", "log.csv", "--store", "new.db", "--dry-run")
    assert (code, out.startswith(imported(0, 0)), err) == (0, True, "refold: 3 events are good; nothing was written.\n")
    assert not (directory / "new.db").exists()


@pytest.mark.parametrize(
    ("name", "content", "code", "error"),
    [
        ("log.txt", "", 2, "'log.txt' is no event log by its name"),
        ("empty.csv", "", 6, "'empty.csv', line 1: is empty"),
        ("log.csv.gz", "not packed", 6, "'log.csv.gz': cannot be read: Not a gzipped file"),
        ("other.csv", "a,b\n1,2\n", 2, "no column is the stream by its name"),
        ("log.parquet", "PAR1", 6, "'log.parquet': is no Parquet file that can be read: "),
        ("log.ocel.json", "[]", 6, "'log.ocel.json', line 1: is not a JSON object"),
        ("log.ocel.json", '{"events": [{"a', 6, "'log.ocel.json', line 1: is cut off within a text"),
        ("log.db", "SQLite format 3\0 and no more", 6, "'log.db': cannot be read: file is not a database"),
    ],
)
def test_a_file_that_is_no_log_is_told(
    refold: Run, directory: Path, name: str, content: str, code: int, error: str
) -> None:
    (directory / name).write_text(content)
    done = refold("import", name, "--store", "new.db")
    assert (done.code, done.out, done.err.startswith(f"refold: {error}")) == (code, "", True), done
    assert not (directory / "new.db").exists()


def test_what_is_not_there_or_no_place_is_told(refold: Run) -> None:
    assert refold("import", "lost.csv", "--store", "new.db").code == 2
    assert refold("import", "log.csv", "--table", "events", "--store", "new.db") == (
        2,
        "",
        "refold: 'log.csv' is no database, so it has no table 'events'.\n",
    )
    assert refold("import", "ftp://ada:secret@example.org/log.csv", "--store", "new.db") == (
        2,
        "",
        "refold: 'ftp://example.org/log.csv' is no place that events can be imported from: give a file, or postgresql://...\n",
    )
    code, _, err = refold("import", "shop.db", "--store", "new.db")
    assert (
        code,
        err.startswith("refold: there is no table of events such as stored_events"),
        "refold copy" in err,
    ) == (
        2,
        True,
        True,
    )


def test_two_imports_at_once_end_right(directory: Path) -> None:
    rows = [f"{n % 700},step {n % 7},2024-03-01T09:00:00.{n:06}Z,{n}\n" for n in range(20_000)]
    (directory / "a.csv").write_text(HEAD + "".join(rows))
    (directory / "b.csv").write_text(HEAD + "".join(rows[::-1]))
    refold = [sys.executable, "-c", "from refold.cli import main; main()"]
    runs = [
        subprocess.Popen([*refold, "import", f, "--store", "new.db", "--output", "json"], stdout=subprocess.PIPE)
        for f in ("a.csv", "b.csv")
    ]
    told = [json.loads(run.communicate(timeout=60)[0]) for run in runs]
    assert [run.returncode for run in runs] == [0, 0]
    assert sum(one["events"] for one in told) == 20_000
    assert [one["events"] + one["known"] for one in told] == [20_000, 20_000]
    assert len({event[5] for event in held("new.db")}) == 20_000


class Forestalled(Store):
    """A store in which another import is quicker with the first of several writes."""

    def append_all(self, writes: Iterable[StreamWrite | Write], *, checks: Sequence[Check] = ()) -> tuple[Receipt, ...]:
        first, *rest = writes
        if rest:
            super().append_all([first])
        return super().append_all([first, *rest], checks=checks)


def test_what_another_import_wrote_meanwhile_is_left_out(directory: Path) -> None:
    with (
        Forestalled.open("memory://", events=[RawEvent]) as store,
        checked_log("log.csv", LogMapping(), Limits(), untold) as log,
    ):
        assert log.write(store) == Imported(events=1, streams=1, known=2)
        assert [(str(e.stream), e.version) for e in store.read()] == [
            ("case-1001", 1),
            ("case-1001", 2),
            ("case-1002", 1),
        ]


def test_progress_goes_from_nothing_to_all(directory: Path) -> None:
    told: list[tuple[str, int, int]] = []

    def tell(stage: str, done: int, total: int) -> None:
        told.append((stage, done, total))

    with (
        Store.open("memory://", events=[RawEvent]) as store,
        checked_log("log.csv", LogMapping(), Limits(batch_events=2), tell) as log,
    ):
        log.write(store)
    size = len(LOG)
    assert told == [("check", size, size), ("check", size, size), ("write", 2, 3), ("write", 3, 3)]


def untold(stage: str, done: int, total: int) -> None:
    """Nobody watches."""


def test_an_import_that_is_interrupted_says_where_and_goes_on(refold: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "_LIMITS", Limits(batch_events=2))
    calls = iter([None, KeyboardInterrupt])

    def append_all(store: Store, writes: Iterable[Write]) -> tuple[Receipt, ...]:
        if interrupt := next(calls):
            raise interrupt
        return original(store, writes)

    original = Store.append_all
    with monkeypatch.context() as patch:
        patch.setattr(Store, "append_all", append_all)
        assert refold("import", "log.csv", "--store", "new.db") == (
            130,
            "",
            "refold: stopped after 2 of 3 events: the same command goes on, and writes none twice.\n",
        )
    assert refold("import", "log.csv", "--store", "new.db").out.startswith(imported(1, 1, known=2))


def test_bars_are_for_terminals(directory: Path) -> None:
    mine, theirs = pty.openpty()
    command = [sys.executable, "-c", "from refold.cli import main; main()", "import", "log.csv", "--store", "new.db"]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs)
    out, _ = run.communicate(timeout=20)
    os.close(theirs)
    shown = os.read(mine, 10_000).decode()
    os.close(mine)
    assert (run.returncode, out.decode().startswith(imported(3, 2))) == (0, True)
    assert [stage for stage in ("check", "write") if f"{stage} " in shown] == ["check", "write"]


def receipt() -> str:
    path = DATA / "receipt.csv"
    if not path.exists():
        pytest.skip(f"{path} is not there: set REFOLD_DATA to the directory of receipt.csv")
    return str(path)


def test_the_receipt_log_is_8577_events_in_1434_streams(refold: Run) -> None:
    assert refold("import", receipt(), "--store", "new.db").out.startswith(imported(8_577, 1_434))
    assert refold("import", receipt(), "--store", "new.db").out.startswith(imported(0, 0, known=8_577))
    state = json.loads(
        refold("state", "case-10011", "--valid-at", "2011-10-20", "--store", "new.db", "--output", "json").out
    )
    assert (state["version"], state["state"]["concept:instance"]) == (2, "task-42935")


# Export -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "events.jsonl",
        "events.csv",
        "events.parquet",
        "events.xes",
        "events.ocel.json",
        "events.jsonocel",
        "events.cloudevents.jsonl",
    ],
)
def test_what_is_exported_comes_in_again_the_same(refold: Run, name: str) -> None:
    assert refold("export", name, "--store", "shop.db") == (0, f"exported 6 events to {name}\n", "")
    assert refold("import", name, "--store", "new.db").out.startswith(imported(6, 3))
    assert held("new.db") == held("shop.db")
    assert refold("import", name, "--store", "new.db").out.startswith(imported(0, 0, known=6))


def test_what_the_tail_shows_comes_in_as_well(refold: Run, directory: Path) -> None:
    (directory / "tail.jsonl").write_text(refold("tail", "--store", "shop.db", "--output", "jsonl").out)
    refold("import", "tail.jsonl", "--store", "new.db")
    assert held("new.db") == held("shop.db")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--stream", "order-1"], [4, 6]),
        (["--category", "cart"], [1, 2, 3]),
        (["--type", "cart.noted", "--type", "order.paid"], [3, 6]),
        (["--category", "cart", "--type", "cart.noted"], [3]),
        (["--category", "nothing"], []),
    ],
)
def test_a_part_may_be_exported(refold: Run, options: Sequence[str], expected: list[int]) -> None:
    out = refold("export", "-", *options, "--store", "shop.db").out
    assert [json.loads(line)["position"] for line in out.splitlines()] == expected


def test_stories_may_be_traces_and_messages_have_a_source(refold: Run, directory: Path) -> None:
    refold("export", "stories.xes", "--by", "correlation", "--store", "shop.db")
    traces = re.findall(r'<trace><string key="concept:name" value="(.*?)"/>', (directory / "stories.xes").read_text())
    assert traces == ["c-1", "order-1"]
    out = refold(
        "export", "-", "--format", "cloudevents", "--source", "/shop", "--type", "order.paid", "--store", "shop.db"
    ).out
    assert [(told["source"], told["subject"], told["type"]) for told in map(json.loads, out.splitlines())] == [
        ("/shop", "order-1", "order.paid")
    ]


KNOWN = ".cloudevents.jsonl, .ocel.json, .jsonocel, .jsonl, .csv, .parquet and .xes"


@pytest.mark.parametrize(
    ("args", "error"),
    [
        (["a.csv", "--by", "stream"], "--by tells what a trace of XES is, and csv has none."),
        (["a.xes", "--source", "/shop"], "--source is an attribute of CloudEvents, and xes has none."),
        (["-", "--format", "parquet"], "Parquet is written to a file, not to stdout: name one."),
        (["a.xml"], f"'a.xml' tells no format by its end: known are {KNOWN}; or name one with --format."),
    ],
)  # fmt: skip
def test_what_a_format_has_not_is_told(refold: Run, directory: Path, args: Sequence[str], error: str) -> None:
    assert refold("export", *args, "--store", "shop.db") == (2, "", f"refold: {error}\n")
    assert not (directory / args[0]).exists()


def test_an_interrupted_export_leaves_no_file(refold: Run, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(records: Iterable[object], *_: object) -> None:
        next(iter(records))
        raise KeyboardInterrupt

    monkeypatch.setitem(exporter.FORMATS, "xes", lambda: interrupted)
    before = {path.name for path in directory.iterdir()}
    assert refold("export", "events.xes", "--store", "shop.db") == (
        130,
        "",
        "refold: stopped: 'events.xes' was not written. The same command begins anew.\n",
    )
    assert {path.name for path in directory.iterdir()} - {"shop.db-shm", "shop.db-wal"} == before


def test_a_file_is_replaced_only_if_told_so(refold: Run, directory: Path) -> None:
    (directory / "events.jsonl").write_text("mine\n")
    assert refold("export", "events.jsonl", "--store", "shop.db") == (
        7,
        "",
        "refold: 'events.jsonl' is there already: choose another name, or replace it with --yes.\n",
    )
    assert (directory / "events.jsonl").read_text() == "mine\n"
    assert refold("export", "events.jsonl", "--store", "shop.db", "--yes").code == 0
    assert len((directory / "events.jsonl").read_text().splitlines()) == 6


def test_an_export_that_fails_leaves_no_file(refold: Run, directory: Path) -> None:
    before = sorted(directory.iterdir())
    assert refold("export", "x.jsonl", "--stream", "nothing-1", "--store", "shop.db").code == 3
    assert refold("export", "no/such/dir/x.jsonl", "--store", "shop.db") == (
        2,
        "",
        "refold: 'no/such/dir/x.jsonl' cannot be written: No such file or directory.\n",
    )
    assert refold("export", "x.xml", "--store", "shop.db").code == 2
    assert sorted(path for path in directory.iterdir() if not path.name.startswith("shop.db-")) == before


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"id": "7"}, "events.jsonl:2, column id: Invalid UUID"),
        ({"data": [1]}, "events.jsonl:2, column data: Expected `object`, got `array`"),
        (
            {"valid_at": "2026-01-01T00:00:00"},
            "events.jsonl:2, column valid_at: Expected `datetime` with a timezone component",
        ),
        ({"metadata": {"free": {"a": 1}}}, "events.jsonl:2, column metadata.free[...]: Expected `str`, got `int`"),
        ({"tags": [""]}, "events.jsonl:2: '' is not a tag: it is empty"),
        (
            {"stream": "cart"},
            "events.jsonl:2: 'cart' is not a stream name: it needs a category and an id, as in 'cart-c-1'",
        ),
        (
            {"stream": "$mine-1"},
            "events.jsonl:2: '$mine-1' is not a stream name: categories that begin with '$' are kept for Refold's own streams",
        ),
    ],
)
def test_a_bad_row_of_an_export_is_told(refold: Run, directory: Path, change: dict[str, object], reason: str) -> None:
    first, second, *_ = refold("export", "-", "--store", "shop.db").out.splitlines()
    (directory / "events.jsonl").write_text(f"{first}\n{json.dumps(json.loads(second) | change)}\n")
    assert refold("import", "events.jsonl", "--store", "new.db") == (
        6,
        "",
        f"{reason}\nrefold: 'events.jsonl': has 1 bad row, so nothing was written\n",
    )


def test_an_id_that_stands_twice_is_a_bad_row(refold: Run, directory: Path) -> None:
    first = refold("export", "-", "--store", "shop.db").out.splitlines()[0]
    (directory / "events.jsonl").write_text(f"{first}\n{first}\n")
    reason = f"events.jsonl:2, column id: {json.loads(first)['id']} stands on line 1 already\n"
    assert refold("import", "events.jsonl", "--store", "new.db").err.startswith(reason)


def test_an_id_of_another_event_is_refused(refold: Run, directory: Path) -> None:
    lines = refold("export", "-", "--store", "shop.db").out.splitlines()
    changed = json.loads(lines[1]) | {"data": {"other": True}}
    (directory / "events.jsonl").write_text("\n".join([lines[0], json.dumps(changed), *lines[2:]]))
    code, out, err = refold("import", "events.jsonl", "--store", "shop.db")
    assert (code, out, err.startswith(f"refold: event id {changed['id']} is already in the store")) == (7, "", True)


def test_an_export_to_a_full_disk_ends_with_5_and_leaves_what_was_there(
    refold: Run, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    said = "refold: no space is left for 'x.jsonl' (No space left on device): it is as it was before.\n"
    assert refold("export", "x.jsonl", "--store", "shop.db") == (5, "", said)
    assert [*directory.glob("x*"), *directory.glob(".x*")] == []
