"""Runners stopped in the middle of a step for longer than their lease, and woken when others have taken over."""

from __future__ import annotations

import contextlib
import signal
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any, Final

from msgspec import Struct
from tests.faults.killing import run
from tests.faults.processes import Process, tell, until
from tests.faults.readmodels import CARDS, EVENTS, OUTBOX, Card, Deposited, chained, moves

from refold import Projection, Recorded, Statement, Store, sql
from refold._bridge.blocking import BlockingEngine
from refold.flows.projections.persevering import Persevering
from refold.flows.projections.work import Stepped
from refold.ports import Unclaimed
from refold.tables import Change

STOPPED: Final = 555
"""At an event of this amount whoever comes first stops."""
LEASE: Final = 0.4
TAKEN_OVER_IN: Final = 60.0
"""Seconds within which another takes over what was left, on a busy machine."""


def watched(stop: Callable[[int], None]) -> Projection:
    """All three kinds of traces that a step leaves: a row looked up and put, a row inserted, an effect; and it may be stopped."""
    projection = Projection("watched", schema="create table entries (position bigint not null)", tables=(CARDS,))

    @projection.on(Deposited, get=lambda e: CARDS[e.stream.id])
    def note(event: Recorded[Deposited], card: Card | None) -> Iterator[Statement | Change]:
        card = card or Card(event.stream.id)
        yield sql("insert into entries values (:position)", position=event.position)
        yield CARDS.put(Card(card.account, card.balance + event.data.amount, chained(card.seen, event.position)))
        if event.data.amount == STOPPED:
            stop(event.position)

    @projection.effect(Deposited)
    def send(event: Recorded[Deposited]) -> Iterator[Statement]:
        yield sql("insert into outbox values (:position, 1)", position=event.position)

    return projection


class Fenced(Struct, frozen=True):
    """What was done with zombies, and how many seconds it took until another had taken over."""

    rounds: int
    refused: int
    take_overs: Sequence[float]

    def __str__(self) -> str:
        stopped = f"{self.rounds} runners stopped past their lease of {LEASE} s and woken"
        return f"{stopped}: {self.refused} refused; {told(self.take_overs)}"


def told(seconds: Sequence[float]) -> str:
    """The middle and the longest."""
    return f"taken over after {statistics.median(seconds):.2f} s (p50), {max(seconds):.2f} s (max)"


def fencing_rounds(url: str, rounds: int, seed: int) -> Fenced:
    """So many times: stop whoever works, let another take over, wake the first one.

    Every other time the second stands in the very same step when the first one wakes: then the position alone would let it in.
    """
    random, seconds = Random(seed), [0.0][:0]  # noqa: S311 - the same each time for a seed
    with tempfile.TemporaryDirectory() as folder, Store.open(url, events=EVENTS) as store, ExitStack() as left:
        place = Path(folder)
        store.catch_up(OUTBOX)
        runners = [left.enter_context(Process(stall, url=url, place=folder, lease=LEASE)) for _ in (0, 1)]
        for number in range(rounds):
            seconds.append(_round(store, place, runners, _append(store, random), is_open=number % 2 == 0))
        refused = sum(line.startswith("refused") for each in runners for line in each.told)
        moved = [line.split()[1] for each in runners for line in each.told if line.startswith("moved")]
        wrong = contradictions(store)
        assert (wrong, len(moved)) == ([], len(set(moved))), wrong
    return Fenced(rounds, refused, seconds)


def _round(store: Store, place: Path, runners: Sequence[Process], position: int, *, is_open: bool) -> float:
    """One take-over, and how many seconds after the stop the other was there."""
    gate = place / f"gate-{position}"
    if is_open:
        gate.touch()
    zombie = _the_one(runners, f"stopped {position}")
    (other,) = (each for each in runners if each is not zombie)
    seconds = until("another is there", lambda: other.has_told(f"inside {position}"), TAKEN_OVER_IN)
    if is_open:
        store.wait_for("watched", position, timeout=TAKEN_OVER_IN)
    before = len(zombie.told)
    zombie.send(signal.SIGCONT)
    until("it is told something", lambda: len(zombie.told) > before, TAKEN_OVER_IN)
    assert zombie.told[before].startswith("refused"), f"the zombie was let in: {zombie.told[before:]}"
    gate.touch()
    store.wait_for("watched", position, timeout=TAKEN_OVER_IN)
    for runner in runners:
        runner.check()
    return seconds


def _append(store: Store, random: Random) -> int:
    """A few events in one append, one of which stops who handles it; its position."""
    amounts = [random.randrange(1, 100) for _ in range(random.randrange(6))]
    at = random.randrange(len(amounts) + 1)
    amounts.insert(at, STOPPED)
    receipt = store.append(f"account-{random.randrange(3)}", [Deposited(each) for each in amounts])
    return int(receipt.positions[at])


def _the_one(runners: Sequence[Process], line: str) -> Process:
    """Who has told that it stops, and has stopped."""
    until("one stops", lambda: any(each.has_told(line) for each in runners), TAKEN_OVER_IN)
    (found,) = (each for each in runners if each.has_told(line))
    until("it has stopped", lambda: Path(f"/proc/{found.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T")
    return found


def contradictions(store: Store) -> list[str]:
    """Where the read model or the outbox says something else than the log does."""
    events = moves(store)
    positions = [(int(event.position),) for event in events]
    cards: dict[str, tuple[int, int]] = {}
    for event in events:
        balance, seen = cards.get(event.stream.id, (0, 0))
        cards[event.stream.id] = balance + event.data.amount, chained(seen, event.position)
    there = {
        "entries": store.query("select position from entries order by position"),
        "outbox": store.query("select position from outbox order by position"),
        "cards": store.query("select account, balance, seen from cards order by account"),
    }
    wanted = {
        "entries": positions, "outbox": positions, "cards": [(account, *cards[account]) for account in sorted(cards)],
    }  # fmt: skip
    audit = store.model(watched(lambda _: None)).audit()
    found = [] if audit.is_sound else [str(audit)]
    return found + [f"{name}: {there[name]}" for name, rows in wanted.items() if list(there[name]) != rows]


# Taken over after a death ---------------------------------------------------------


def death_rounds(url: str, rounds: int, seed: int) -> Sequence[float]:
    """So many times: kill who works; the seconds from its death until the next event is applied by another."""
    random, seconds = Random(seed), [0.0][:0]  # noqa: S311 - the same each time for a seed
    with Store.open(url, events=EVENTS) as store, ExitStack() as left:
        running = [left.enter_context(Process(run, url=url, names=["totals"], lease=LEASE)) for _ in (0, 1)]
        store.append("account-1", [Deposited(1)])
        for _ in range(rounds):
            until("one of them works", lambda: _owner(store))
            time.sleep(random.uniform(0, LEASE))  # the moment of the kill is what is random here
            owner = _owner(store)
            victim = next((each for each in running if each.pid == owner), None)
            if victim is None:
                continue
            running.remove(victim)
            victim.kill()
            died = time.monotonic()
            receipt = store.append("account-1", [Deposited(1)])
            store.wait_for("totals", receipt, timeout=TAKEN_OVER_IN)
            seconds.append(time.monotonic() - died)
            running.append(left.enter_context(Process(run, url=url, names=["totals"], lease=LEASE)))
    return seconds


def _owner(store: Store) -> int:
    """The number of the process that has the partition, which its name tells."""
    owners = [part.owner for each in store.projections() for part in each.partitions if part.owner]
    return int(owners[0].split(":")[1]) if owners else 0


# Roles ---------------------------------------------------------------------------


def stall(url: str, place: str, lease: float) -> None:
    """Keep the projection running that stops its process, and tell of what was accepted and what was refused."""
    step: Any = Persevering.step

    async def told_step(self: Persevering, *of: Any) -> Stepped | None:
        before = self.work.position
        try:
            stepped: Stepped | None = await step(self, *of)
        except Unclaimed:
            tell("refused", before)
            raise
        if stepped is not None:
            tell("moved", before, stepped.position)
        return stepped

    Persevering.step = told_step  # type: ignore[method-assign, assignment] # this process is there for nothing else
    with Store.open(url, events=EVENTS) as store:
        projection = watched(lambda position: _stand_still(store, Path(place), position))
        with store.run(projection, lease=timedelta(seconds=lease)) as running:
            running.join()


def _stand_still(store: Store, place: Path, position: int) -> None:
    """The first that comes here stops in the middle of its step; the next one waits there for the gate to be opened."""
    try:
        (place / f"stopped-{position}").touch(exist_ok=False)
    except FileExistsError:
        tell("inside", position)
        until("the gate is open", (place / f"gate-{position}").exists)
    else:
        engine: Any = store._engine
        with engine._writer._work if isinstance(engine, BlockingEngine) else contextlib.nullcontext():
            tell("stopped", position)  # and it holds no lock of SQLite's that others would wait for
            signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)  # this thread first, within the lock
