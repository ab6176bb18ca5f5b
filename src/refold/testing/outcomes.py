"""Outcome: what came out of something pure, to be compared with what should have."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, NoReturn, TypeVar

Out = TypeVar("Out")


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Out]):
    """What came out, to be compared with what should have."""

    outputs: tuple[Out, ...]
    error: Exception | None = None

    def then(self, *expected: Out) -> None:
        """Exactly these came out, in this order."""
        if self.error is not None:
            self._fail(listed(expected))
        compare(expected, self.outputs)

    def then_nothing(self) -> None:
        """Nothing came out."""
        self.then()

    def then_raises(self, error: type[Exception], match: str = "") -> None:
        """It was refused with this error, whose text contains `match`."""
        if self.error is None:
            raise AssertionError(f"\n  expected: {error.__name__}\n  actual:   {listed(self.outputs)}")
        if not isinstance(self.error, error) or match not in str(self.error):
            self._fail(error.__name__ + (f" with {match!r}" if match else ""))

    def _fail(self, expected: str) -> NoReturn:
        raise AssertionError(f"\n  expected: {expected}\n  actual:   it raised {self.error!r}") from self.error


def outcome_of(outputs: Callable[[], Iterable[Out]]) -> Outcome[Out]:
    """What came out, or the error that did."""
    try:
        return Outcome(tuple(outputs()))
    except Exception as error:  # noqa: BLE001 - an outcome, too
        return Outcome((), error)


def compare(expected: tuple[object, ...], actual: tuple[object, ...]) -> None:
    """Raises `AssertionError`, with both, if they are not equal."""
    if actual != expected:
        raise AssertionError(f"\n  expected: {listed(expected)}\n  actual:   {listed(actual)}")


def listed(outputs: Iterable[object]) -> str:
    """In a row, as Python writes them."""
    return ", ".join(map(repr, outputs)) or "nothing"
