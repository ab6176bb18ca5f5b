"""Handlers that are watched: each is run twice, and whatever is no pure function of its event is found."""

from __future__ import annotations

import gc
import random
import sys
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from copy import deepcopy
from datetime import date
from itertools import repeat
from types import ModuleType
from typing import Any, Final

from refold.messages import Recorded
from refold.projection import Asking, Call, Caused, Handling, Question
from refold.testing.outcomes import listed
from refold.testing.projections import answered, talking

_CLOCKS: Final = {"now", "utcnow", "today"}
_OUTSIDE: Final = {
    "time": {"time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "clock_gettime"},
    "posix": {"urandom", "getrandom"},
    "nt": {"urandom"},
    "_uuid": {"generate_time_safe"},
    "_io": {"open"},
    "io": {"open"},
}
_SHARED_RANDOM: Final = getattr(random.random, "__self__", None)


def watched(call: Call) -> Call:
    """The same handler, which says so when it is not pure.

    It is run a second time with the same event, rows and answers. The event and the rows are compared with what they were.

    Raises:
        AssertionError: it looks at the clock, at randomness or at files; it changes what it is given; or it yields
            something else the second time.
    """

    def twice(recorded: Recorded[Any], *rows: object) -> Iterable[Caused] | None:
        before = deepcopy((recorded.data, rows))
        outside: list[str] = []
        with _noting(outside):
            caused = call(recorded, *rows)
        return None if caused is None else _twice(call, caused, recorded, rows, before, outside)

    return twice


def _twice(
    call: Call,
    caused: Iterable[Caused],
    recorded: Recorded[Any],
    rows: tuple[object, ...],
    before: object,
    outside: list[str],
) -> Asking:
    where, yielded, answers = (
        f"the handler of {recorded.type!r} at position {recorded.position}",
        list[Caused](),
        list[Any](),
    )
    handler = talking(caused)
    answer: Any = None
    while True:
        try:
            with _noting(outside):
                one = handler.send(answer)
        except StopIteration:
            break
        yielded.append(one)
        answer = yield one
        if isinstance(one, Question):
            answers.append(answer)
    if outside:
        raise AssertionError(f"{where} calls {outside[0]}: what it causes must follow from the event alone.")
    again = [*answered(call(recorded, *rows), iter(answers))]
    if again != yielded:
        raise AssertionError(
            f"{where} caused something else the second time\n  first:  {listed(yielded)}\n  second: {listed(again)}"
        )
    if (recorded.data, rows) != before:
        raise AssertionError(f"{where} changes what it is given\n  before: {before}\n  after:  {(recorded.data, rows)}")


def alone(handling: Handling, recorded: Recorded[Any]) -> object:
    """What a handler does with a copy of an event, when there are no rows and no answers: what it yields, or its error."""
    copy = deepcopy(recorded)
    try:
        return [*answered(handling.call(copy, *(None for _ in handling.gets)), repeat(()))]
    except Exception as error:  # noqa: BLE001 - that, too, must always be the same
        return f"{type(error).__name__}: {error}"


@contextmanager
def _noting(outside: list[str]) -> Generator[None, None, None]:
    """Note calls of clocks, randomness and `open`, which are functions of the interpreter that a profiler is told of."""

    def note(_frame: object, event: str, called: object) -> None:
        if event == "c_call" and (name := _outside(called)):
            outside.append(name)

    before, collecting = sys.getprofile(), gc.isenabled()
    gc.disable()  # what is told of a collection may look at the clock
    sys.setprofile(note)
    try:
        yield
    finally:
        sys.setprofile(before)
        if collecting:
            gc.enable()


def _outside(called: object) -> str | None:
    name, owner = getattr(called, "__name__", ""), getattr(called, "__self__", None)
    if isinstance(owner, ModuleType):
        return f"{owner.__name__}.{name}()" if name in _OUTSIDE.get(owner.__name__, ()) else None
    if isinstance(owner, type):
        return f"{owner.__name__}.{name}()" if issubclass(owner, date) and name in _CLOCKS else None
    return f"random.{name}()" if owner is _SHARED_RANDOM and owner is not None else None


def copied(values: object) -> object:
    """A copy to compare with, of what can be changed in place."""
    try:
        hash(values)
    except TypeError:
        return deepcopy(values)
    return None
