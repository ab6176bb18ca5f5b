"""Medians, ratios and marks are as they are said to be, and the results have the form that others read."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from benchmarks import __main__ as program
from benchmarks.environments import LOCKS, NotMade, python_of
from benchmarks.graphs import draw
from benchmarks.growing import grown
from benchmarks.marks import Mark, Row, percentile, shown, spread
from benchmarks.measuring import Clock
from benchmarks.neighbours import WAYS, docs_of
from benchmarks.rounds import Pace, Work, each, measured, quantile, rate

RATES = Row(
    "W2", "", "sqlite", "commits/s", refold=[90, 200, 100], raw=[50, 400, 80], peers={"eventsourcing": [40, 50, 60]}
)


def test_ratios_are_of_medians() -> None:
    assert (RATES.of_raw, RATES.of_best_peer) == (100 / 80, 2.0)
    times = replace(RATES, unit="ms", peers={"eventsourcing": [400.0], "umadb": [25.0]})
    assert (times.of_raw, times.of_best_peer) == (80 / 100, 0.25)
    assert (replace(RATES, raw=[]).of_raw, replace(RATES, peers={}).of_best_peer) == (None, None)


@pytest.mark.parametrize(
    ("mark", "met", "words"),
    [
        (Mark(1.25, "raw"), True, ">= 1.25 of raw"),
        (Mark(1.3, "raw"), False, ">= 1.3 of raw"),
        (Mark(2, "peer"), True, ">= 2 x the best peer"),
        (Mark(2.1, "python peer"), False, ">= 2.1 x the best Python peer"),
        (Mark(0.5, "beside", "1 client"), True, ">= 0.5 x 1 client (150)"),
        (Mark(1, "beside", "1 client"), False, ">= 1 x 1 client (150)"),
    ],
)
def test_marks_of_rates(mark: Mark, met: bool, words: str) -> None:
    row = replace(RATES, marks=[mark], beside=[150])
    assert (row.met, row.mark) == (met, words)


@pytest.mark.parametrize(
    ("mark", "met", "words"),
    [
        (Mark(100, "limit"), True, "<= 100 ms"),
        (Mark(99, "limit"), False, "<= 99 ms"),
        (Mark(2, "within", "the plain append"), True, "within 2 x the plain append (50)"),
        (Mark(1.9, "within", "the plain append"), False, "within 1.9 x the plain append (50)"),
    ],
)
def test_marks_of_times(mark: Mark, met: bool, words: str) -> None:
    row = replace(RATES, unit="ms", marks=[mark], beside=[50])
    assert (row.met, row.mark) == (met, words)


def test_all_marks_of_a_row_must_be_met_and_without_a_peer_nobody_knows() -> None:
    assert replace(RATES, marks=[Mark(1, "raw"), Mark(1, "peer")]).met is True
    assert replace(RATES, marks=[Mark(1, "raw"), Mark(9, "peer")]).met is False
    assert replace(RATES, marks=[Mark(1, "raw"), Mark(1, "peer")], peers={}).met is None
    assert replace(RATES, marks=[Mark(9, "raw"), Mark(1, "peer")], peers={}).met is False
    assert replace(RATES, marks=[]).met is None
    assert replace(RATES, marks=[Mark(1, "raw")], refold=[], wrong={"refold": "1 of 2 ..."}).met is False


def test_a_server_of_its_own_is_no_python_peer() -> None:
    row = replace(RATES, marks=[Mark(2, "python peer")], peers={"umadb": [9_000], "eventsource-py": [50]})
    assert (row.met, row.of_best_peer) == (True, 100 / 9_000)


def test_figures_are_rounded_for_their_readers() -> None:
    assert spread([3, 1.23456, 2]) == [1.235, 2.0, 3.0]
    assert spread([]) is None
    assert [shown(x) for x in (0.12345, 12.345, 1_234.5, 12_345, 123_456)] == [
        "0.123",
        "12.3",
        "1,234",
        "12.3k",
        "123k",
    ]
    assert (percentile([5.0], 99), percentile([1.0, 2.0, 3.0], 50), percentile(list(range(101)), 99)) == (
        5.0,
        2.0,
        99.0,
    )


def test_each_takes_its_turn_after_a_warm_up_and_does_as_much_as_its_time_allows() -> None:
    turns = list[tuple[str, int]]()

    def runs(name: str, seconds_each: float) -> object:
        def run(place: str, clock: Clock, count: int) -> int:
            turns.append((name, count))
            clock.seconds, clock.laps = seconds_each * count, [0.001, 0.003]
            return count

        return run

    views = [rate("commits"), each(), quantile(50, beside_raw=False)]
    quick, slow = runs("quick", 0.001), runs("slow", 0.1)
    work = Work("W1", "", "sqlite", 10, 500, views, quick, slow)  # type: ignore[arg-type]
    commits, mean, median = measured(work, Pace(2, 0.2), lambda: "")
    assert turns == [("quick", 10), ("slow", 10), *[("quick", 200), ("slow", 10)] * 2]
    assert [round(figure) for figure in (*commits.refold, *commits.raw)] == [1_000, 1_000, 10, 10]
    assert [round(figure, 6) for figure in mean.refold] == [1.0, 1.0]
    assert (list(median.refold), median.raw, median.unit) == ([2.0, 2.0], (), "ms p50")


def test_a_small_run_writes_the_results_and_the_graphs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(program.FORMS, "quick", program.Form(Pace(1, 0.0), (100,), 1_000))
    assert (
        program.main(["--quick", "--store", "sqlite", "--no-peers", "--only", "W1,W3", "--results", str(tmp_path)]) == 0
    )
    results = json.loads((tmp_path / "latest.json").read_text())
    assert list(results) == ["machine", "rows"]
    assert {"refold", "python", "system", "cores", "load", "load_after", "at", "peers", "durability"} <= set(
        results["machine"]
    )
    assert results["machine"]["durability"] == {"sqlite": {"journal_mode": "wal", "synchronous": "full"}}
    keys = ["work", "store", "unit", "refold", "raw", "peers", "of_raw", "of_best_peer", "mark", "met", "verdict"]
    assert [list(row) for row in results["rows"]] == [keys] * 4
    assert [(row["work"], row["unit"]) for row in results["rows"]] == [
        ("W1", "commits/s"), ("W1", "ms p50"), ("W1", "ms p99"), ("W3", "events/s"),
    ]  # fmt: skip
    first = results["rows"][0]
    assert (len(first["refold"]), first["mark"], first["refold"] == sorted(first["refold"])) == (
        3,
        ">= 0.85 of raw",
        True,
    )
    (page,) = tmp_path.glob("*.svg")
    assert page.read_text().count("<path ") == 4  # Refold and the limit, twice


def test_a_graph_has_a_bar_for_each_that_has_a_figure(tmp_path: Path) -> None:
    rows = [
        replace(RATES, peers={"eventsourcing": [40], "liar & co": []}).as_json(),
        replace(RATES, store="-").as_json(),
    ]
    (page, _) = draw({"machine": {"at": "2026-01-01T00:00", "cores": 2}, "rows": rows}, tmp_path)
    assert re.findall("<text[^>]*>([^<]*)</text>", page.read_text()) == [
        "Refold", "raw", "eventsourcing", "W2, commits/s", "100", "80", "40", "sqlite, 2026-01-01, cores 2",
    ]  # fmt: skip


def test_growth_is_held_against_the_smaller_store(tmp_path: Path) -> None:
    rows = list(grown("sqlite", lambda: f"sqlite:///{tmp_path}/a.db", [1_000, 12_000], Pace(1, 0.0)))
    assert [(row.work, row.mark and row.mark.partition(" (")[0]) for row in rows] == [
        ("append@1k", None), ("load@1k", None), ("DCB@1k", "within 2 x the plain append"), ("project@1k", None),
        ("append@12k", "within 1.5 x that at 10,000"), ("load@12k", "within 1.5 x that at 10,000"),
        ("DCB@12k", "within 2 x the plain append"), ("project@12k", None),
    ]  # fmt: skip


def test_every_peer_says_how_it_is_used_and_is_pinned_by_hashes_alone() -> None:
    for way in WAYS:
        lock = (LOCKS / f"{way.lock}.txt").read_text()
        assert len(docs_of(way)) > 100
        pins, hashes = re.findall(r"^\S+==\S+", lock, re.MULTILINE), re.findall("--hash=sha256:", lock)
        assert (0 < len(pins) <= len(hashes), "://" in lock) == (True, False)


def test_without_an_index_a_peer_is_left_out_and_it_is_said_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path), "PIP_CONFIG_FILE": "/dev/null"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(NotMade, match="No matching distribution found for umadb"):
        python_of("umadb", tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []
