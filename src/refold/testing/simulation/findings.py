"""Findings: what a simulation found to be wrong, and the collection in which they are noted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, TypeAlias

FindingKind: TypeAlias = Literal[
    "decider", "process", "fold", "invariant", "raised", "repeat", "skipped or doubled", "read model", "dead letter",
    "stopped", "waiting", "journal", "no rest",
]  # fmt: skip
"""What a finding is about."""


class Finding(NamedTuple):
    """Something wrong: of what kind, and what it is, in a sentence."""

    kind: FindingKind
    what: str


class Findings:
    """What was found in one run; `noted` is called with each."""

    def __init__(self, noted: Callable[[], None] = lambda: None) -> None:
        self.all: list[Finding] = []
        self.noted = noted

    def note(self, kind: FindingKind, what: str) -> None:
        """Keep one, the same only once."""
        if (found := Finding(kind, what)) not in self.all:
            self.all.append(found)
            self.noted()

    def have(self, wanted: Finding) -> bool:
        """Whether there is one of the same kind."""
        return any(each.kind == wanted.kind for each in self.all)


def told(error: BaseException) -> str:
    """An error in a sentence, without its end."""
    return f"{type(error).__name__}: {error}".removesuffix(": ").removesuffix(".")


def asserting(check: Callable[..., object], *of: object) -> str:
    """What is wrong by a check that says False, or raises `AssertionError`; empty if nothing is."""
    try:
        if check(*of) is not False:
            return ""
    except AssertionError as error:
        words = str(error).strip().splitlines() or ["it does not hold"]
        return words[0].removesuffix(".")
    return "it does not hold"


def few(many: Sequence[str], most: int = 3) -> str:
    """Some of them, and how many there are besides."""
    rest = len(many) - most
    return "; ".join(many[:most]) + (f"; and {rest} more" if rest > 0 else "")
