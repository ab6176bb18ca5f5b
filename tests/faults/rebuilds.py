"""New versions built by runners that are killed, beside readers who must see one state, whole, and never an earlier one."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import accumulate, count, pairwise
from random import Random
from typing import Any, Final, TypeAlias

import apsw
import msgspec
import psycopg
from msgspec import Struct
from tests.faults.killing import FACES, LEASE, keep_running, write
from tests.faults.processes import Process, tell, until
from tests.faults.readmodels import EVENTS, OUTBOX, Deposited, Moved, Withdrawn, amount, moves

from refold import Projection, Statement, Store, Table, sql
from refold.tables import Change


@dataclass(frozen=True)
class Latest:
    """What was last in an account, times the version."""

    account: str
    balance: int = 0


LATEST: Final = Table("latest", Latest, key="account")
SEEN: Final = """
select version, events_seen, total, (select count(*) from entries), (select sum(amount) from entries),
  (select sum(balance) from latest) from tally"""
"""One statement, so one snapshot: the version, and five figures that belong together."""


def tally(version: int, *, effects: bool) -> Projection:
    """The same by statements and by rows; every figure times the version, so that two versions mixed are seen."""
    projection = Projection(
        "tally",
        version=version,
        schema="create table tally (version integer primary key, events_seen bigint not null, total bigint not null);"
        "create table entries (position bigint not null, amount bigint not null);"
        "create view big_entries as select position from entries where amount > 50",
        tables=(LATEST,),
    )

    def note(event: Moved, latest: Latest | None) -> Iterator[Statement | Change]:
        value = amount(event) * version
        yield sql(
            "insert into tally values (:version, 1, :value) on conflict (version) do update"
            " set events_seen = tally.events_seen + 1, total = tally.total + excluded.total",
            version=version, value=value,
        )  # fmt: skip
        yield sql("insert into entries values (:position, :value)", position=event.position, value=value)
        yield LATEST.put(Latest(event.stream.id, (latest.balance if latest else 0) + value))

    def send(event: Moved) -> Iterator[Statement]:
        yield sql("insert into outbox values (:position, :version)", position=event.position, version=version)

    kinds: tuple[type[Deposited | Withdrawn], ...] = Deposited, Withdrawn
    for kind in kinds:
        projection.on(kind, get=lambda e: LATEST[e.stream.id])(note)
        if effects:
            projection.effect(kind)(send)
    return projection


Seen: TypeAlias = Sequence[int]


class Rebuilt(Struct, frozen=True):
    """What a loop of rebuilds did. `early`: so many runners were killed before the new version was what people read."""

    seed: int
    versions: int
    kills: int
    early: int
    events: int
    reads: int
    states: int
    seconds: float

    def __str__(self) -> str:
        return (
            f"{self.versions} new versions, {self.kills} runners killed, {self.early} of them before the switch, beside "
            f"{self.events:,} events; {self.reads:,} reads saw {self.states:,} states, in {self.seconds:.1f} s "
            f"(seed {self.seed})"
        )


def rebuild_loop(url: str, versions: int, seed: int, *, effects: bool, kills: int = 4) -> Rebuilt:
    """Roll out so many versions after the first, each with so many kills; compare all that was read, and what is left."""
    started = time.monotonic()
    with Store.open(url, events=EVENTS) as store, ExitStack() as left:
        _begin(store, effects=effects)
        left.enter_context(Process(write, url=url, seed=seed, pause=0.05))
        readers = [left.enter_context(Process(each, url=url)) for each in (read, read_by_driver)]
        fleet = _Fleet(store, url, effects, Random(seed))  # noqa: S311 - the same each time for a seed
        left.callback(fleet.end)
        for version in range(2, versions + 2):
            fleet.roll_out(version, kills)
            store.model(tally(version, effects=effects)).drop_retired()
            for reader in readers:
                until("it is read, and goes on", lambda: _goes_on(reader, version))  # noqa: B023 - called at once
        last = tally(versions + 1, effects=effects)
        states = [_states(each) for each in readers]
        reads = sum(_reads(each) for each in readers)
    with Store.open(url, events=EVENTS) as store:
        assert store.catch_up(last) >= 0
        events = moves(store)
        wrong = [*contradictions(store, last, events), *(wrong for seen in states for wrong in wrongs(seen, events))]
        assert wrong == [], wrong
    seconds = time.monotonic() - started
    return Rebuilt(seed, versions, fleet.kills, fleet.early, len(events), reads, sum(map(len, states)), seconds)


def _begin(store: Store, *, effects: bool) -> None:
    """A history that takes a few steps, and its first read model."""
    store.catch_up(OUTBOX)
    for i in range(24):
        store.append(f"account-{i % 12}", [Deposited(i + j) for j in range(50)])
    store.catch_up(tally(1, effects=effects))


class _Fleet:
    """Runners, those of the last version and those of a new one beside them."""

    def __init__(self, store: Store, url: str, effects: bool, random: Random) -> None:
        self._store, self._url, self._effects, self._random = store, url, effects, random
        self._running: list[Process] = []
        self.kills = self.early = 0
        self._start(1)

    def roll_out(self, version: int, kills: int) -> None:
        """Two of the new version beside one of the old; whoever is killed is replaced by one of the new version."""
        self._start(version)
        self._start(version)
        for number in range(kills):
            time.sleep(self._random.uniform(0, 0.15))  # the moment of the kill is what is random here
            self._start(version)
            oldest = 0 if number == kills - 1 else 1  # one of the old version goes on nearly to the end
            self._running.pop(self._random.randrange(oldest, len(self._running))).kill()
            self.kills += 1
            self.early += not self._is_active(version)
        until(f"version {version} is active", lambda: self._is_active(version))
        while len(self._running) > 1:  # the youngest is of the new version
            self._running.pop(0).kill()

    def _start(self, version: int) -> None:
        face = FACES[self.kills % len(FACES)]
        self._running.append(Process(run_version, url=self._url, version=version, effects=self._effects, face=face))

    def _is_active(self, version: int) -> bool:
        return any(each.role == "active" and each.version == version for each in self._store.projections())

    def end(self) -> None:
        for each in self._running:
            each.kill()


# What was read -----------------------------------------------------------------


def _states(reader: Process) -> list[Seen]:
    return [msgspec.json.decode(line.split(" ", 1)[1]) for line in reader.told]


def _goes_on(reader: Process, version: int) -> bool:
    """Whether it has seen a few states of a version."""
    reader.check()
    return sum(state[:1] == [version] for state in _states(reader)) >= 3


def _reads(reader: Process) -> int:
    return int(reader.told[-1].split()[0])


def wrongs(states: Sequence[Seen], events: Sequence[Moved]) -> list[str]:
    """States that are not the fold of the log at some position, and those that are earlier than one seen before."""
    sums = [0, *accumulate(map(amount, events))]
    found = [f"half of something: {state}" for state in states if list(state) != _whole(state, sums)]
    found += [
        f"{after} was read after {before}"
        for before, after in pairwise(filter(None, states))
        if after[0] < before[0] or after[1] < before[1]
    ]
    return found


def _whole(state: Seen, sums: Sequence[int]) -> list[int]:
    """What the state should be, going by its version and how many events it has seen."""
    version, count = state[:2] or (0, 0)
    total = sums[count] * version if count < len(sums) else -1
    return [version, count, total, count, total, total]


def contradictions(store: Store, last: Projection, events: Sequence[Moved]) -> list[str]:
    """Where what is left in the end says something else than the log does."""
    found = wrongs([store.query(SEEN)[0]], events)  # type: ignore[list-item] # they are numbers
    (state,) = store.query(SEEN)
    if state[:2] != (last.version, len(events)):
        found.append(f"the read model is {state}")
    sent = Counter(int(str(position)) for (position,) in store.query("select position from outbox"))
    wanted = Counter(int(event.position) for event in events if last.has_effects)
    found += [f"effects too many: {sorted(sent - wanted)[:5]}"] if sent - wanted else []
    found += [f"effects lost: {sorted(wanted - sent)[:5]}"] if wanted - sent else []
    audit = store.model(last).audit()
    found += [] if audit.is_sound else [str(audit)]
    roles = [each.role for each in store.projections() if each.name == last.name]
    found += [] if roles == ["active"] else [f"builds are left: {roles}"]
    return found


# Roles -------------------------------------------------------------------------


def run_version(url: str, version: int, effects: bool, face: str) -> None:
    """Keep one version running, for ever."""
    keep_running(url, [tally(version, effects=effects)], LEASE, face, lambda step: None)


def read(url: str) -> None:
    """Read for ever, as an application does."""
    with Store.open(url) as store:
        _keep_reading(lambda: store.query(SEEN))


def read_by_driver(url: str) -> None:
    """Read for ever over a connection of its own, whose prepared statements outlive the tables' names."""
    if url.startswith("sqlite"):
        db = apsw.Connection(url.removeprefix("sqlite:///").partition("?")[0], flags=apsw.SQLITE_OPEN_READONLY)
        db.set_busy_timeout(5_000)
        _keep_reading(lambda: db.execute(SEEN).fetchall())
    with psycopg.connect(url, autocommit=True, prepare_threshold=0) as connection:
        _keep_reading(lambda: connection.execute(SEEN).fetchall())


def _keep_reading(query: Callable[[], Sequence[Sequence[Any]]]) -> None:
    """Tell each state that is another than the last one, and how many reads there were."""
    last: list[int] = []
    for reads in count(1):
        state = [int(value) for row in query() for value in row]
        if state != last:
            tell(reads, msgspec.json.encode(state).decode())
            last = state
        time.sleep(0.001)
