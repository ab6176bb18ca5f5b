"""Baseline: findings that are known, and are not told again. They are known by what they say, not by their line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
from msgspec import Struct

from refold.architect.finding import Finding
from refold.errors import UsageError


class Known(Struct, frozen=True, order=True):
    """A finding as it stands in a baseline."""

    rule: str
    about: str
    message: str


class Baseline(Struct, frozen=True):
    """The findings that are known, in order."""

    findings: tuple[Known, ...] = ()
    schema: int = 1

    def new(self, found: Iterable[Finding]) -> Sequence[Finding]:
        """Those that are not known."""
        known = {*self.findings}
        return [each for each in found if _known(each) not in known]

    def gone(self, found: Iterable[Finding]) -> Sequence[Known]:
        """Those that are known, and are found no more."""
        now = {_known(each) for each in found}
        return [each for each in self.findings if each not in now]

    @property
    def text(self) -> str:
        """As it is written: sorted, so that a difference shows what is new."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2).decode() + "\n"


def baseline_of(found: Iterable[Finding]) -> Baseline:
    """The baseline in which all of these are known."""
    return Baseline(tuple(sorted({_known(each) for each in found})))


def read_baseline(text: bytes, name: str) -> Baseline:
    """The baseline that a file holds.

    Raises:
        UsageError: it is none.
    """
    try:
        found = msgspec.json.decode(text, type=Baseline)
    except msgspec.DecodeError as error:
        raise UsageError(f"{name} is no baseline: {error}. `refold review --write-baseline` writes one.") from error
    if found.schema != 1:
        raise UsageError(f"{name} has schema {found.schema}, and this Refold reads 1: take a newer Refold.")
    return found


def _known(finding: Finding) -> Known:
    return Known(finding.rule, finding.about, finding.message)
