"""Frames: what names stand for inside one function while its source is read."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

from refold.architect.values import Known, Value, either

Names = dict[str, Value]


@dataclass
class Frame:
    """One function that is being read."""

    function: Any  # a FunctionType, which a checker would take for a method
    file: str
    names: Mapping[str, object]
    bound: Names
    gives: list[Value] = field(default_factory=list[Value])
    yields: list[Value] = field(default_factory=list[Value])
    gave_early: frozenset[type[Any]] = frozenset()
    """The classes of the message for which it may have given something before, by a test that they alone do not tell."""

    def value(self, name: str) -> Value:
        """What a name stands for."""
        if name in self.bound:
            return self.bound[name]
        try:
            return Known(self.names[name])
        except KeyError:
            return None

    def bind(self, name: str, value: Value) -> None:
        """A name stands for this from now on."""
        self.bound[name] = value

    @contextmanager
    def within(self, names: Sequence[str]) -> Generator[None]:
        """These names stand for something else meanwhile: those of a comprehension, of a lambda."""
        before = {name: self.bound.pop(name) for name in dict.fromkeys(names) if name in self.bound}
        try:
            yield
        finally:
            for name in names:
                self.bound.pop(name, None)
            self.bound.update(before)


def merged(ways: Sequence[Names]) -> Names:
    """What names stand for where these ways come together."""
    names = dict.fromkeys(name for way in ways for name in way)
    return {name: reduce(either, [way[name] for way in ways if name in way]) for name in names}
