"""Frames: what names stand for inside one function while its source is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from refold.architect.values import Known, Value, either


@dataclass
class Frame:
    """One function that is being read."""

    function: Any  # a FunctionType, which a checker would take for a method
    file: str
    names: Mapping[str, object]
    bound: dict[str, Value]
    gives: list[Value] = field(default_factory=list[Value])
    yields: list[Value] = field(default_factory=list[Value])

    def value(self, name: str) -> Value:
        """What a name stands for."""
        if name in self.bound:
            return self.bound[name]
        try:
            return Known(self.names[name])
        except KeyError:
            return None

    def bind(self, name: str, value: Value) -> None:
        """A name stands for this from now on, or for what it did."""
        self.bound[name] = either(self.bound[name], value) if name in self.bound else value
