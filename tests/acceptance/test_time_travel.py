"""States at random times, of a real log and of this repository's own history, against computations that know no events."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from random import Random
from typing import TypeAlias

import pytest
from examples.git_time_machine import importing
from examples.git_time_machine.lines import Lines
from examples.git_time_machine.paths import as_text
from examples.git_time_machine.tree import File, Tree, lines

from refold import Fold, Limits, NewEvent, Position, RawEvent, Store
from refold.eventlogs import LogMapping
from refold.eventlogs.importer import checked_log
from refold.testing import ManualClock
from refold.testing.postgres import PostgresServer

ROOT = Path(__file__).parents[2]
LOG = Path(os.environ.get("REFOLD_DATA") or ROOT.parent / "shared" / "data") / "receipt.csv"
TIMES = 1_000
SECOND = timedelta(seconds=1)

# A real log of permit cases -----------------------------------------------------

Case: TypeAlias = tuple[tuple[str, str], ...]
"""What was done in a case, one after another: activities with their instances."""


def did(case: Case, event: RawEvent) -> Case:
    return (*case, (event.type, str(event.data["concept:instance"])))


cases = Fold("case", initial=tuple[tuple[str, str], ...], evolve=did, events=(RawEvent,))


@dataclass(frozen=True)
class Line:
    """A line of the file: what it says, and its number, beginning with 1."""

    number: int
    time: datetime
    said: tuple[str, str]


@cache
def of_file() -> Mapping[str, Sequence[Line]]:
    """The lines of each case, by a program that knows nothing of events or folds."""
    found: dict[str, list[Line]] = {}
    with LOG.open(encoding="utf-8-sig", newline="") as file:
        for number, row in enumerate(csv.DictReader(file), 1):
            time = datetime.fromisoformat(row["time:timestamp"]).astimezone(UTC)
            line = Line(number, time, (row["concept:name"], row["concept:instance"]))
            found.setdefault(row["case:concept:name"], []).append(line)
    return found


def in_time(found: Sequence[Line]) -> Case:
    """What lines say, by their times; of one time, by their numbers."""
    return tuple(line.said for line in sorted(found, key=lambda line: line.time))


def in_order(found: Sequence[Line]) -> Case:
    """What lines say, by their numbers."""
    return tuple(line.said for line in found)


def imported(url: str) -> Store:
    """A store that holds the log."""
    store = Store.open(url, events=[RawEvent])
    with checked_log(LOG, LogMapping(), Limits(), lambda *_: None) as log:
        log.write(store)
    return store


@pytest.fixture(params=["sqlite", "postgresql"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if not LOG.exists():
        pytest.skip(f"{LOG} is not there: set REFOLD_DATA to the directory of {LOG.name}")
    postgres: PostgresServer | None = request.getfixturevalue("postgres") if request.param == "postgresql" else None
    url = postgres.new_database() if postgres else f"sqlite:///{tmp_path}/log.db"
    with imported(url) as store:
        yield store
    if postgres:
        postgres.drop(url)


def drawn(seed: int) -> Iterator[tuple[str, Sequence[Line], Random]]:
    """Cases to ask for, with their lines."""
    random = Random(seed)  # noqa: S311 - where to look
    names = sorted(of_file())
    for _ in range(TIMES):
        name = random.choice(names)
        yield name, of_file()[name], random


def near(found: Sequence[Line], random: Random) -> datetime:
    """A time at which something may have changed: that of a line, an instant before it, or any other."""
    line = random.choice(found)
    return line.time + random.choice(
        (timedelta(0), -timedelta(microseconds=1), random.randint(-9, 9) * timedelta(days=1))
    )


def test_as_of_a_position_a_case_is_what_the_lines_up_to_there_say(log: Store) -> None:
    streams, head = log.bind(cases), log.head()
    differ = [
        (name, position)
        for name, found, random in drawn(1)
        for position in [
            max(0, random.choice((random.choice(found).number + random.randint(-1, 1), random.randint(0, head))))
        ]
        if streams.state(name.removeprefix("case-"), as_of=Position(position))
        != in_order([line for line in found if line.number <= position])
    ]
    assert (head, differ) == (8_577, [])


def test_valid_at_a_time_a_case_is_what_the_lines_of_that_time_say_as_far_as_they_were_known(log: Store) -> None:
    streams = log.bind(cases)
    differ = list[tuple[str, datetime, int]]()
    for name, found, random in drawn(2):
        time, known = near(found, random), random.randint(0, len(found))
        state = streams.state(name.removeprefix("case-"), valid_at=time, as_of=known)
        if state != in_time([line for line in found[:known] if line.time <= time]):
            differ.append((name, time, known))
    assert differ == []


def test_as_of_a_time_a_case_is_what_was_recorded_until_then(tmp_path: Path) -> None:
    if not LOG.exists():
        pytest.skip(f"{LOG} is not there: set REFOLD_DATA to the directory of {LOG.name}")
    url, clock = f"sqlite:///{tmp_path}/recorded.db?durability=best-effort", ManualClock()
    with imported("memory://") as log, Store.open(url, events=[RawEvent], clock=clock) as store:
        for event in sorted(log.read(), key=lambda e: e.valid_at):  # recorded when it happened
            clock.set(event.valid_at)
            store.append(event.stream, [NewEvent(event.data)])
        streams = store.bind(cases)
        differ = [
            (name, time)
            for name, found, random in drawn(3)
            for time in [near(found, random)]
            if streams.state(name.removeprefix("case-"), as_of=time) != in_time([e for e in found if e.time <= time])
        ]
        assert differ == []


def test_every_step_of_a_history_is_the_state_at_its_version(log: Store) -> None:
    streams = log.bind(cases)
    for name, found in sorted(of_file().items())[::29]:
        steps = [*streams.history(name.removeprefix("case-"))]
        told = [(step.before, step.state) for step in steps]
        assert told == [(in_order(found[:n]), in_order(found[: n + 1])) for n in range(len(found))]


# This very repository -----------------------------------------------------------


@dataclass(frozen=True)
class Made:
    """A commit: when it was true, as the machine has it, and the version that ends with it."""

    commit: str
    true_since: datetime
    version: int


class Machine:
    """A store with this repository's way of first parents, one commit a minute, and what git tells of it."""

    def __init__(self, clock: ManualClock) -> None:
        self.store = Store.open("memory://", limits=importing.LIMITS, clock=clock)
        self.began = clock.time
        known = Lines.of(self.store)
        head = git("rev-parse", "HEAD").strip()

        def a_minute_later(done: int, total: int) -> None:
            clock.move(60 * SECOND)

        importing.import_history(self.store, ROOT, head, known, a_minute_later)
        self.line = known.path(head)[0][0]
        self.streams = self.store.bind(lines)
        self.made = [*_made()]

    def expected(self, number: int) -> tuple[str, Mapping[str, File]]:
        """The commit and the files when so many commits had been made."""
        return (commit, files(commit)) if number and (commit := self.made[number - 1].commit) else ("", {})


def git(*arguments: str) -> str:
    return subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=True).stdout


@cache
def files(commit: str) -> Mapping[str, File]:
    entries = (entry.partition("\t") for entry in git("ls-tree", "-r", "-z", commit).split("\0")[:-1])
    return {as_text(path.encode()): File(facts.split()[0], facts.split()[2]) for facts, _, path in entries}


def _made() -> Iterator[Made]:
    """The commits on the way of first parents, each with as many events as `git diff-tree` tells changes, and one more."""
    true_since, version = datetime.fromtimestamp(0, UTC), 0
    for told in git("log", "--first-parent", "--reverse", "--format=%H %ct").splitlines():
        commit, seconds = told.split()
        changed = git(
            "diff-tree", "--root", "--first-parent", "-m", "-r", "-M", "--name-status", "--no-commit-id", commit
        )
        true_since = max(true_since, datetime.fromtimestamp(int(seconds), UTC))
        version += len(changed.splitlines()) + 1
        yield Made(commit, true_since, version)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip(f"there is no git, or {ROOT} is no git checkout, so there is no history of it to read")
    if git("rev-parse", "--is-shallow-repository").strip() == "true":
        pytest.skip(f"{ROOT} is a shallow clone, so most of its history is not there")
    monkeypatch.setattr(importing, "BATCH", 1)  # a commit is recorded alone, a minute after the one before
    return Machine(ManualClock())


COUNTS = [100, pytest.param(TIMES, marks=pytest.mark.long)]


@pytest.mark.parametrize("count", COUNTS)
def test_valid_at_a_time_the_tree_is_that_of_the_last_commit_that_was_true(machine: Machine, count: int) -> None:
    random, since = Random(4), [made.true_since for made in machine.made]  # noqa: S311
    for _ in range(count):
        time = random.choice(since) + random.choice((0, -1, 1, random.randint(-100_000, 100_000))) * SECOND
        tree = machine.streams.state(machine.line, valid_at=time)
        assert tree == Tree(*machine.expected(bisect_right(since, time))), time


@pytest.mark.parametrize("count", COUNTS)
def test_as_of_a_time_the_tree_is_that_of_the_last_commit_that_was_recorded(machine: Machine, count: int) -> None:
    random = Random(5)  # noqa: S311
    for _ in range(count):
        minutes = random.randrange(-1, len(machine.made) + 1)
        time = machine.began + minutes * 60 * SECOND + random.choice((0, 1, 59)) * SECOND
        tree = machine.streams.state(machine.line, as_of=time)
        assert tree == Tree(*machine.expected(min(minutes + 1, len(machine.made)))), time


@pytest.mark.parametrize("count", COUNTS)
def test_as_of_any_version_or_position_the_tree_is_that_of_the_last_whole_commit(machine: Machine, count: int) -> None:
    random, ends = Random(6), [made.version for made in machine.made]  # noqa: S311
    assert machine.streams.load(machine.line).version == ends[-1]
    for _ in range(count):
        version = random.randint(0, ends[-1])
        tree = machine.streams.state(machine.line, as_of=random.choice((version, Position(version))))
        number = bisect_right(ends, version)
        assert (tree.commit, tree.files) == machine.expected(number), version
        assert len(tree.unsealed) == version - ([0, *ends][number]), version
