"""Shrinking: fewer commands, then fewer decisions, as long as a run fails in the same way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from time import monotonic
from typing import Final, TypeVar

from refold.testing.simulation.customers import Sent
from refold.testing.simulation.decisions import Decision, Place
from refold.testing.simulation.running import Question, Ran, ran

T = TypeVar("T")
RUNS: Final = 300
"""So many runs are spent on it at most."""


def shrunk(question: Question, failed: Ran, seconds: float) -> Ran:
    """The smallest run that was found to fail with the same kind of finding, in so many seconds at most."""
    return _Shrinking(question, failed, seconds).smallest()


class _Shrinking:
    def __init__(self, question: Question, failed: Ran, seconds: float) -> None:
        self._question, self._best, self._kind = question, failed, failed.findings[0].kind
        self._left, self._until = RUNS, monotonic() + seconds

    def smallest(self) -> Ran:
        """Commands go first: fewer of them leave fewer decisions."""
        self._without_whole_kinds()
        size = -1, -1
        while size != self._size():
            size = self._size()
            less(self._best.commands, self._fails_without)
            less([*self._best.decisions.items()], lambda decisions: self._fails(self._best.commands, dict(decisions)))
        return self._best

    def _without_whole_kinds(self) -> None:
        """Many a fault needs no turn of fate, or none of the most frequent kinds."""
        if self._fails(self._best.commands, {}):
            return
        for fate, _ in self._best.faults.most_common():
            rest = {place: each for place, each in self._best.decisions.items() if each.fate != fate}
            self._fails(self._best.commands, rest)

    def _size(self) -> tuple[int, int]:
        return len(self._best.commands), len(self._best.decisions)

    def _fails_without(self, commands: Sequence[Sent]) -> bool:
        """Whether fewer commands fail, too, with the decisions that are left, or with those of the seed."""
        return self._fails(commands, self._best.decisions) or self._fails(commands, None)

    def _fails(self, commands: Sequence[Sent], decisions: Mapping[Place, Decision] | None) -> bool:
        """Whether it fails in the same way, with no more than that; then it is the best one."""
        if self._left <= 0 or monotonic() > self._until:
            return False
        self._left -= 1
        found = ran(self._question, self._best.seed, commands, decisions)
        if not any(each.kind == self._kind for each in found.findings):
            return False
        self._best = found
        return True


def less(whole: Sequence[T], fails: Callable[[Sequence[T]], bool]) -> Sequence[T]:
    """What is left when nothing more of it, in pieces of half the size each time, can be done without (Zeller's ddmin)."""
    size = max(1, len(whole) // 2)
    while whole:
        for start in _starts(len(whole), size):
            rest = [*whole[:start], *whole[start + size :]]
            if len(rest) < len(whole) and fails(rest):
                whole = rest
        if size == 1:
            break
        size //= 2
    return whole


def _starts(length: int, size: int) -> Iterator[int]:
    """Where pieces begin, the last one first, so that what goes does not move those that are still to be tried."""
    return reversed(range(0, length, size))
