"""Publishers killed at random moments while others write, and what has arrived when the last one has sent the rest."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Final

import msgspec
from msgspec import Struct
from tests.faults.killing import FACES, LEASE, waits_for_work, write
from tests.faults.processes import Process, tell, until
from tests.faults.readmodels import EVENTS, Deposited, Withdrawn

from refold import AsyncStore, CloudEvent, Publication, Store
from refold.runner import StepSeen

NAME: Final = "moves-out"


class Arrived(Struct, frozen=True):
    """What came of one event at the receiver's."""

    id: str
    key: str
    sequence: str


class Published(Struct, frozen=True):
    """What a kill loop did. `repeats`: so many messages came again; `at_work`: so many were killed that had sent something."""

    seed: int
    kills: int
    at_work: int
    events: int
    repeats: int
    seconds: float

    def __str__(self) -> str:
        return (
            f"{self.kills} publishers killed, {self.at_work} of them at work, beside {self.events:,} events, of which "
            f"{self.repeats:,} came again, in {self.seconds:.1f} s (seed {self.seed})"
        )


def publication(arrivals: str) -> Publication:
    """To a file that many processes append to, each message in one write: what is there has arrived, also from the dead."""
    file = os.open(arrivals, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def send(message: CloudEvent) -> None:
        arrived = Arrived(message.id, message.attribute("partitionkey") or "", message.attribute("sequence") or "")
        os.write(file, msgspec.json.encode(arrived) + b"\n")
        time.sleep(0.0005)  # a receiver takes its time

    return Publication(NAME, Deposited, Withdrawn, to=send, source="/bank")


def publish_loop(url: str, arrivals: Path, kills: int, seed: int, *, parts: int = 3) -> Published:
    """Kill so many publishers, let others send the rest, and compare what arrived with what is stored."""
    random, started, at_work = Random(seed), time.monotonic(), 0  # noqa: S311 - the same each time for a seed
    with Store.open(url, events=EVENTS) as store:
        store.catch_up(publication(str(arrivals)))
        store.model(publication(str(arrivals))).repartition(parts)
        with Process(write, url=url, seed=seed, pause=0.002) as writer:
            running = [_begun(url, arrivals, number) for number in range(2)]
            for number in range(kills):
                if waits_for_work(number):
                    until("a publisher works", lambda: any(each.has_told("working") for each in running))
                time.sleep(random.uniform(0, 0.1))  # the moment of the kill is what is random here
                working = [each for each in running if each.has_told("working")]
                victim = random.choice(working or running)
                victim.check()
                running.remove(victim)
                running.append(_begun(url, arrivals, number))
                victim.kill()
                at_work += victim in working
            writer.check()
        with contextlib.ExitStack() as left:
            for each in running:
                left.callback(each.kill)
            head = store.head()
            until("all is published", lambda: store.model(publication(str(arrivals))).status().position >= head)
        wrong, repeats = contradictions(store, arrived(arrivals))
        assert wrong == [], wrong
        assert store.model(publication(str(arrivals))).audit().is_sound
        return Published(seed, kills, at_work, head, repeats, time.monotonic() - started)


def _begun(url: str, arrivals: Path, number: int) -> Process:
    return Process(run, url=url, arrivals=str(arrivals), face=FACES[number % len(FACES)])


def arrived(arrivals: Path) -> Sequence[Arrived]:
    """What has arrived, in its order."""
    return [msgspec.json.decode(line, type=Arrived) for line in arrivals.read_bytes().splitlines()]


def contradictions(store: Store, found: Sequence[Arrived]) -> tuple[list[str], int]:
    """Where what arrived is not what is stored: events that never came, ids that are none, keys out of order; and the repeats."""
    stored = [(str(event.id), str(event.stream)) for event in store.read()]
    first = dict.fromkeys((each.id, each.key) for each in found)
    wrong = [f"never came: {each}" for each in set(stored) - set(first)]
    wrong += [f"nobody knows: {each}" for each in set(first) - set(stored)]
    keys = {key for _, key in stored}
    for key in keys:
        came, wanted = [id for id, at in first if at == key], [id for id, at in stored if at == key]
        if came != wanted:
            wrong.append(f"{key} came in another order")
    if len({(each.id, each.sequence) for each in found}) != len(first):
        wrong.append("an id came with two places")
    return wrong, len(found) - len(first)


# Roles -------------------------------------------------------------------------


def run(url: str, arrivals: str, face: str) -> None:
    """Publish for ever, and tell of each step that did."""
    if face == "AsyncStore":
        asyncio.run(_run_awaiting(url, arrivals))
    lease = timedelta(seconds=LEASE)
    with (
        Store.open(url, events=EVENTS) as store,
        store.run(publication(arrivals), lease=lease, observe=_told) as running,
    ):
        running.join()


async def _run_awaiting(url: str, arrivals: str) -> None:
    lease = timedelta(seconds=LEASE)
    async with (
        await AsyncStore.open(url, events=EVENTS) as store,
        store.run(publication(arrivals), lease=lease, observe=_told) as running,
    ):
        await running.join()


def _told(step: StepSeen) -> None:
    if step.applied:
        tell("working")
