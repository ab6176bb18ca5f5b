"""Crash images of a SQLite store: appends whose calls are written down, images made of that, and each of them judged."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final, TypeAlias

from tests.faults.filecalls import watched
from tests.faults.folders import quick_folder
from tests.faults.writelog import Image, WriteLog

from refold import AsyncStore, RawEvent, Store

LOADS: Final = 500
"""So many images are made of one load, before there is another."""
Part: TypeAlias = tuple[int, int]
"""The number of an append, and of an event in it."""


@dataclass
class Found:
    """What was found in images."""

    seed: int
    images: int = 0
    appends: int = 0
    acknowledged: int = 0
    lost: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def examine(count: int, level: str, seed: int, made: Callable[[], WriteLog] = WriteLog) -> Found:
    """Make so many images of stores with this durability, and judge each."""
    random, found = Random(seed), Found(seed)  # noqa: S311 - the same each time for a seed
    while found.images < count:
        with ExitStack() as open:
            folders = [open.enter_context(quick_folder()) for _ in range(2)]
            log = made()
            history = asyncio.run(_load(f"sqlite:///{folders[0]}/store.db?durability={level}", random, log))
            found.appends += len({append for append, _ in history})
            for image in log.images(random, min(LOADS, count - found.images)):
                _judge(image, folders[1], history, found)
    return found


# Appends --------------------------------------------------------------------------------------------------------------


async def _load(url: str, random: Random, log: WriteLog) -> list[Part]:
    """Open the store some times and append to it, some at once, which then share a commit. All of it, in its order."""
    with watched(log):
        for first in (0, 100, 200):
            async with await AsyncStore.open(url, events=[RawEvent]) as store:
                _checkpoint_often(store)
                for number in range(first, first + 100, random.choice((10, 20, 50))):
                    await _appended_at_once(store, random, number, log)
        async with await AsyncStore.open(url, events=[RawEvent]) as store:
            return [_part(event.data) async for event in store.read()]


async def _appended_at_once(store: AsyncStore, random: Random, first: int, log: WriteLog) -> None:
    async def append(number: int) -> None:
        receipt = await store.append(f"s-{number % 3}", _events(random, number))
        done.append(int(receipt.positions[-1]))

    done: list[int] = []
    await asyncio.gather(*(append(number) for number in range(first, first + random.choice((1, 1, 2, 5)))))
    log.acknowledged(max(done))


def _events(random: Random, number: int) -> list[RawEvent]:
    parts = random.choice((1, 2, 3, 9))
    return [RawEvent("X", {"append": number, "part": part, "text": "x" * _size(random)}) for part in range(parts)]


def _size(random: Random) -> int:
    return random.choice((10, 10, 400, 5_000))


def _checkpoint_often(store: AsyncStore) -> None:
    """As it is after a thousand pages else."""
    engine: Any = store._engine
    engine._writer.backend._db.pragma("wal_autocheckpoint", 16)


def _part(event: RawEvent) -> Part:
    return event.data["append"], event.data["part"]


# Judging --------------------------------------------------------------------------------------------------------------


def _judge(image: Image, folder: Path, history: list[Part], found: Found) -> None:
    """It holds a beginning of the history, which ends where an append does, with all that was acknowledged in it."""
    image.put(folder)
    found.images += 1
    found.acknowledged += image.acknowledged > 0
    at = f"seed {found.seed}, image {found.images}: "
    try:
        parts, damages = _read(f"sqlite:///{folder}/store.db?durability=best-effort")
    except Exception as error:
        found.wrong.append(f"{at}{type(error).__name__}: {error}")
        return
    found.wrong += [at + wrong for wrong in (*damages, *_not_whole(parts, history))]
    if len(parts) < image.acknowledged:
        found.lost.append(f"{at}{image.acknowledged} events were acknowledged, {len(parts)} are there")


def _read(url: str) -> tuple[list[Part], list[str]]:
    with Store.open(url, events=[RawEvent]) as store:
        parts = [_part(event.data) for event in store.read()]
        damages = [damage.problem for _, some in store.verify() for damage in some]
        receipt = store.append("after-1", [RawEvent("X", {"append": -1, "part": 0})])
        if receipt.positions != (len(parts) + 1,):
            damages.append(f"the next event stands at {receipt.positions}")
    return parts, damages


def _not_whole(parts: list[Part], history: list[Part]) -> Iterator[str]:
    if parts != history[: len(parts)]:
        yield f"this is no beginning of what was appended: {parts[-20:]}"
    with suppress(IndexError):
        if parts and history[len(parts)][1] != 0:
            yield f"an append is there by half: {parts[-9:]}"
