"""Dead letters: events that a handler failed for, and those of their key that wait behind them: listed, and grouped."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from refold.clock import as_datetime
from refold.flows.projections.builds import Build
from refold.flows.projections.mending import read_by_all, rows_at
from refold.messages import Position
from refold.ports import PAGE, Backend, Own
from refold.projection import Projection
from refold.rows import Row

LetterState: TypeAlias = Literal["failed", "waiting", "skipped"]


class DeadLetter(Struct, frozen=True):
    """An event that the read model could not take in.

    `state`: it `failed`; or it is `waiting` behind one of its key that did; or it was `skipped`, for ever. `error` tells what
    the last of the `attempts` raised, and is empty where there was none. `parked_at` is UTC.
    """

    position: Position
    key: str
    state: LetterState
    error: str
    attempts: int
    parked_at: datetime


class DeadLetterGroup(Struct, frozen=True):
    """Events of one type that failed with one kind of error, and how many events of their keys wait behind them.

    `error` is the error's class; `first` and `last` are positions of failed events, and `example` is the last.
    """

    error: str
    type: str
    failed: int
    waiting: int
    first: Position
    last: Position
    example: DeadLetter


COLUMNS: Final = "position, key, state, error, attempts, parked_at"
IN: Final = "from {refold}dead_letters where projection = :projection and build = :build"
PARKED: Final = "state in ('failed', 'waiting')"
_PAGE: Final = f"select {COLUMNS} {IN} and position > :after order by position limit :limit"


async def dead_letters(target: Backend, projection: Projection) -> tuple[DeadLetter, ...]:
    """All of the build that readers see, by position.

    Raises:
        NoSuchProjection: nothing was begun under this name.
    """
    build = await read_by_all(target, projection.name)
    return tuple([letter async for page in _pages(target, build) for letter in page])


async def _pages(target: Backend, build: Build) -> AsyncIterator[Sequence[DeadLetter]]:
    after = 0
    while page := await letters_of(target, build, _PAGE, after=after, limit=PAGE):
        yield page
        after = page[-1].position


async def letters_of(target: Backend, build: Build, text: str, **values: int | str) -> Sequence[DeadLetter]:
    """Those that a statement selects."""
    rows: Any = await target.query(Own(text, {**build.key, **values}))
    return [
        DeadLetter(Position(position), key, state, error, attempts, as_datetime(parked_at))
        for position, key, state, error, attempts, parked_at in rows
    ]


# Grouped ----------------------------------------------------------------------


async def dead_letter_groups(source: Backend, target: Backend, projection: Projection) -> tuple[DeadLetterGroup, ...]:
    """What failed, by class of error and type of event; what failed most often is first.

    Raises:
        NoSuchProjection: nothing was begun under this name.
    """
    groups: dict[tuple[str, str], DeadLetterGroup] = {}
    of_key: dict[str, tuple[str, str]] = {}
    build = await read_by_all(target, projection.name)
    async for page in _pages(target, build):
        failed = [letter for letter in page if letter.state == "failed"]
        rows = await rows_at(source, [letter.position for letter in failed])
        for letter in failed:
            name = letter.error.partition(":")[0], _type(rows, letter.position)
            of_key[letter.key], groups[name] = name, _with(groups.get(name), name, letter)
        for letter in page:
            if letter.state == "waiting" and letter.key in of_key:
                group = groups[of_key[letter.key]]
                groups[of_key[letter.key]] = replace(group, waiting=group.waiting + 1)
    return tuple(sorted(groups.values(), key=lambda group: (-group.failed, group.first)))


def _type(rows: Mapping[int, Row], position: int) -> str:
    return rows[position].type if position in rows else ""


def _with(group: DeadLetterGroup | None, name: tuple[str, str], letter: DeadLetter) -> DeadLetterGroup:
    if group is None:
        return DeadLetterGroup(*name, 1, 0, letter.position, letter.position, letter)
    return replace(group, failed=group.failed + 1, last=letter.position, example=letter)
