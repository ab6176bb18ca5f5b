"""The checker of concurrent histories: told what was attempted and what the log holds in the end, it finds what is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from refold.messages import Recorded
from refold.query import Query


@dataclass(frozen=True)
class Attempt:
    """An append of one event under a condition, and its position if it was told to have succeeded."""

    query: Query
    after: int
    position: int | None


def violations(log: Sequence[Recorded[Any]], attempts: Sequence[Attempt]) -> list[str]:
    """Every way in which the log contradicts what the writers were told; empty for a history as it should be."""
    return [
        *_of_the_log(log),
        *(found for attempt in attempts for found in _of_an_attempt(log, attempt)),
        *_lost(log, attempts),
    ]


def _of_the_log(log: Sequence[Recorded[Any]]) -> Iterator[str]:
    positions = [event.position for event in log]
    if positions != sorted(set(positions)):
        yield f"positions do not rise: {positions}"
    versions: dict[str, int] = {}
    for event in log:
        name = str(event.stream)
        if event.version != versions.get(name, 0) + 1:
            yield f"version {event.version} of {name} follows {versions.get(name, 0)}"
        versions[name] = event.version


def _of_an_attempt(log: Sequence[Recorded[Any]], attempt: Attempt) -> Iterator[str]:
    matching = [e.position for e in log if e.position > attempt.after and attempt.query.matches(e.type, e.tags)]
    if attempt.position is None:
        if not matching:
            yield f"a conflict was told, but nothing after {attempt.after} matches {attempt.query}"
    elif any(position < attempt.position for position in matching):
        yield f"position {attempt.position} was won though {matching[0]}, after {attempt.after}, matches {attempt.query}"


def _lost(log: Sequence[Recorded[Any]], attempts: Sequence[Attempt]) -> Iterator[str]:
    told = [attempt.position for attempt in attempts if attempt.position is not None]
    if len(told) != len(set(told)):
        yield f"one position was told to two writers: {sorted(told)}"
    if missing := set(told) - {event.position for event in log}:
        yield f"acknowledged and not in the log: {sorted(missing)}"
