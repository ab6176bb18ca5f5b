"""A figure stands only beside its verdict: whoever loses, doubles or reorders an event has none."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from benchmarks import raw_sqlite, refold_runs
from benchmarks.measuring import Clock, Lost, Place, judge
from benchmarks.neighbours import Failed, Neighbour, Way
from benchmarks.peers.asking import Asked, answer
from benchmarks.rounds import Pace, Work, measured, rate

TOLD = [("a", 1), ("a", 2), ("b", 1)]
STORED: Sequence[Place] = ((1, "a", 1), (2, "b", 1), (3, "a", 2))


def test_what_is_all_there_is_believed() -> None:
    judge(TOLD, STORED, STORED)


@pytest.mark.parametrize(
    ("told", "stored", "tailed", "lost"),
    [
        (TOLD, STORED[:2], None, "1 of 3 acknowledged events are not in the store"),
        ([*TOLD, ("a", 2)], STORED, None, "1 of 4 updates were lost: two writers wrote one version"),
        (TOLD, STORED, STORED[1:], "1 of 3 events never reached the reader beside the writers"),
        (TOLD, (*STORED[1:], STORED[0]), None, "position 1 was read after 3"),
        (TOLD, (*STORED, (3, "a", 3)), None, "position 3 was read after 3"),
        (TOLD, (*STORED, (4, "a", 4)), None, "version 4 of a stream was read after 2"),
        (TOLD, STORED, (*STORED, (4, "a", 2)), "version 2 of a stream was read after 2"),
    ],
    ids=["lost", "overwritten", "skipped", "out of order", "twice", "with a hole", "told twice"],
)
def test_what_is_not_is_said(
    told: list[tuple[str, int]], stored: Sequence[Place], tailed: Sequence[Place] | None, lost: str
) -> None:
    with pytest.raises(Lost) as found:
        judge(told, stored, tailed)
    assert str(found.value) == lost


def honest(place: str, clock: Clock, count: int) -> int:
    return _run(count, clock, drop=0)


def lying(place: str, clock: Clock, count: int) -> int:
    return _run(count, clock, drop=1)


def _run(count: int, clock: Clock, drop: int) -> int:
    with clock.running():
        told = [(f"account-{number}", 1) for number in range(count)]
    judge(told, ((position, stream, version) for position, (stream, version) in enumerate(told[drop:])))
    return count


def test_whoever_drops_an_event_has_no_figure(tmp_path: Path) -> None:
    """The last word is a liar's: it acknowledged what it dropped."""
    work = Work("W1", "", "sqlite", 5, 5, [rate("commits")], honest, lying, peers={"liar": lying, "other": honest})
    (row,) = measured(work, Pace(2, 0.0), lambda: "")
    said = "1 of 5 acknowledged events are not in the store"
    assert (len(row.refold), row.raw, row.peers["liar"], len(row.peers["other"])) == (2, [], [], 2)
    assert row.wrong == {"raw": said, "liar": said}
    form = row.as_json()
    assert (form["raw"], list(form["peers"])) == (None, ["other"])  # type: ignore[call-overload]
    assert str(form["verdict"]).endswith(f"; raw: {said}; liar: {said}")


def test_one_loss_takes_the_figures_of_the_rounds_before_it() -> None:
    rounds = iter([0, 0, 0, 1])
    work = Work("W1", "", "sqlite", 5, 5, [rate("commits")], honest, lambda *_: _run(5, _[1], next(rounds)))
    (row,) = measured(work, Pace(3, 0.0), lambda: "")
    assert (len(row.refold), row.raw, row.of_raw) == (3, [], None)
    assert row.wrong == {"raw": "1 of 5 acknowledged events are not in the store"}


def test_refold_has_none_either_if_it_loses() -> None:
    work = Work("W1", "", "sqlite", 5, 5, [rate("commits")], lying, honest)
    (row,) = measured(work, Pace(1, 0.0), lambda: "")
    assert (row.refold, row.of_raw, "refold" in row.wrong) == ([], None, True)


RUNS = {
    "one by one": (refold_runs.one_by_one, 3, 3),
    "by threads": (refold_runs.by_threads(2), 4, 4),
    "by tasks": (refold_runs.by_tasks(2), 4, 4),
    "by tasks, watched": (refold_runs.by_tasks(2, watched=True), 4, 4),
    "hundreds": (refold_runs.hundreds, 2, 200),
    "load": (refold_runs.load, 2, 2),
    "read": (refold_runs.read, 200, 200),
    "subscribe": (refold_runs.subscribe, 200, 200),
    "project": (refold_runs.project, 200, 200),
    "commands": (refold_runs.commands(), 3, 3),
    "commands by tasks": (refold_runs.commands(2), 4, 4),
    "commands on one stream": (refold_runs.commands(2, hot=True), 4, 4),
    "raw one by one": (raw_sqlite.one_by_one, 3, 3),
    "raw hundreds": (raw_sqlite.hundreds, 2, 200),
    "raw load": (raw_sqlite.load, 2, 2),
    "raw read": (raw_sqlite.read, 200, 200),
    "raw project": (raw_sqlite.project, 200, 200),
    "raw commands": (raw_sqlite.commands, 3, 3),
}


@pytest.mark.parametrize("name", RUNS)
def test_every_run_does_what_it_says(name: str, tmp_path: Path) -> None:
    run, count, units = RUNS[name]
    clock = Clock()
    assert run(f"sqlite:///{tmp_path}/a.db", clock, count) == units
    assert clock.seconds > 0


@pytest.mark.parametrize("name", ["one by one", "by threads", "by tasks", "hundreds", "commands", "commands by tasks"])
def test_a_run_sees_that_an_event_is_missing(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fault is in the reading back: what comes last is left out."""
    read = refold_runs.stored

    def without_the_last(url: str) -> Iterator[Place]:
        yield from list(read(url))[:-1]

    monkeypatch.setattr(refold_runs, "stored", without_the_last)
    run, count, _ = RUNS[name]
    with pytest.raises(Lost, match=r"1 of \d+ acknowledged events are not in the store"):
        run(f"sqlite:///{tmp_path}/a.db", Clock(), count)


def test_a_reader_that_is_given_less_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refold_runs.Tail, "_follow", lambda tail: list(tail._events) and None)
    monkeypatch.setattr(refold_runs.Tail, "places", [], raising=False)
    with pytest.raises(Lost, match="4 of 4 events never reached the reader"):
        refold_runs.by_threads(2)(f"sqlite:///{tmp_path}/a.db", Clock(), 4)


def test_a_peer_answers_with_what_came_of_it() -> None:
    def lost(asked: Asked, clock: Clock) -> int:
        raise Lost("1 of 2 acknowledged events are not in the store")

    def broken(asked: Asked, clock: Clock) -> int:
        raise ValueError("no such table")

    def done(asked: Asked, clock: Clock) -> int:
        clock.seconds, clock.laps = 2.0, [0.5]
        return asked.count

    works = {"append": done, "read": lost, "load": broken}
    assert answer(works, Asked("append", "", 7)) == {"units": 7, "seconds": 2.0, "laps": [0.5]}
    assert answer(works, Asked("read", "", 7)) == {"lost": "1 of 2 acknowledged events are not in the store"}
    assert answer(works, Asked("load", "", 7)) == {"failed": "ValueError: no such table"}


PEER = """
import sys
sys.path.insert(0, {root!r})
from benchmarks.measuring import judge
from benchmarks.peers.asking import serve

def append(asked, clock):
    print("a word that is no answer")
    with clock.running():
        told = [("a", number) for number in range(1, asked.count + 1)]
    judge(told, [(number, "a", number) for number in range(1, asked.count + 1 - asked.hot)])
    return asked.count

def leave(asked, clock):
    sys.exit(3)

serve({{"liar": "1.0"}}, {{"append": append, "load": leave}})
"""


def test_a_peer_is_asked_over_its_pipes(tmp_path: Path) -> None:
    import subprocess  # noqa: PLC0415 - here alone

    program = tmp_path / "peer.py"
    program.write_text(PEER.format(root=str(Path(__file__).parents[2])))
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, str(program)], stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        peer = Neighbour(Way("liar", "", "", ("sqlite",)), process)
        assert (peer.versions, peer.works) == ({"liar": "1.0"}, ["append", "load"])
        clock = Clock()
        assert (peer.doing(Asked("append", "", 0))("", clock, 5), clock.seconds > 0) == (5, True)
        with pytest.raises(Lost, match="1 of 5 acknowledged events are not in the store"):
            peer.doing(Asked("append", "", 0, hot=True))("", Clock(), 5)
        with pytest.raises(Failed, match="its process has ended"):
            peer.doing(Asked("load", "", 0))("", Clock(), 1)
