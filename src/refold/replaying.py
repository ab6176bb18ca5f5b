"""Replay: a saga's code run from its beginning with the results that are recorded, up to where it has to wait."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeAlias, cast, get_type_hints

import msgspec
from msgspec import Struct

from refold.clock import EPOCH
from refold.errors import UsageError
from refold.sagas import Saga
from refold.steps import SagaAborted, SagaFailure, StepFailed, Steps, StepTimedOut, Want

_LEAVING: Final = 1_000
"""So often the code may wait for something else while it is ended."""


class Result(Struct, frozen=True):
    """What came of a step, and when. `value` is JSON; `skipped`: an operator gave it up, and it gives None."""

    at: datetime
    value: Any = None
    error: str | None = None
    timed_out: bool = False
    declined: bool = False
    skipped: bool = False


class Record(Struct, frozen=True):
    """All that a saga's code depends on: the event that began it, results by name, and the events it has heard.

    `aborted`: why an operator wants it to end. `undo`: what is undone, in this order, once that is decided.
    """

    event: Any = None
    began_at: datetime = EPOCH
    results: Mapping[str, Result] = {}
    heard: Sequence[tuple[datetime, Any]] = ()
    aborted: str | None = None
    undo: Sequence[str] | None = None
    reason: str = ""


class Waiting(Struct, frozen=True):
    """The code waits for these."""

    wants: Sequence[Want]


class Completed(Struct, frozen=True):
    """The code came to its end, with a value."""

    value: object


class Broken(Struct, frozen=True):
    """The code was left by a failure: what was done is to be undone."""

    reason: str


Ending: TypeAlias = Waiting | Completed | Broken


class _Left(BaseException):
    """Raised where the code waits, to end a run of it: whatever delegates hands it on, which it does not with `close()`."""


class Run:
    """One run of a saga's code. `met`: every step that it came to, in that order; `open`: those without a result.

    `now`: when the last result came that the code has seen.
    """

    def __init__(self, saga: Saga[Any], instance: str, record: Record) -> None:
        self.met: dict[str, Want] = {}
        self.open: dict[str, Want] = {}
        self._record, self.now = record, record.began_at
        self._used: set[int] = set()
        """Which of the events that were heard the code was given, by their place: an equal one is another one."""
        self._name = saga.name
        self._steps = Steps(saga.name, instance, lambda: self.now, saga.event_types)
        self.ending = self._run(saga)

    @property
    def forgotten(self) -> Sequence[Want]:
        """The steps that the code made so far, and has not awaited."""
        return [want for want in self._steps.made if self.met.get(want.name) is not want]

    def _run(self, saga: Saga[Any]) -> Ending:
        code: Any = saga.run(self._steps, self._record.event).__await__()
        given: Any = None
        try:
            while True:
                wants = cast("Sequence[Want]", self._resumed(code, given))
                for want in wants:
                    self._meet(want)
                given = self._settled(wants)
                if given is None:
                    return Waiting(wants)
        except StopIteration as stop:
            return Completed(stop.value)
        except SagaFailure as failure:
            return Broken(f"{type(failure).__name__}: {failure}" if isinstance(failure, SagaAborted) else str(failure))
        finally:
            self._leave(code)

    def _leave(self, code: Any) -> None:
        """End the code where it waits. What it does then, as in `finally`, means nothing: no result of that has come."""
        made = len(self._steps.made)
        for _ in range(_LEAVING):
            try:
                code.throw(_Left())
            except (_Left, Exception):  # noqa: BLE001 - or it has ended before
                del self._steps.made[made:]
                return
        raise UsageError(
            f"saga {self._name!r} goes on whatever is raised: let its code catch StepFailed, or raise again what else it caught."
        )

    def _resumed(self, code: Any, given: Any) -> Any:
        if isinstance(given, SagaFailure):
            return code.throw(given)
        return code.send(given)

    def _meet(self, want: Want) -> None:
        if want.name in self.met:
            raise UsageError(
                f"saga {self._name!r} takes step {want.name!r} twice in one run: each needs a name of its own."
            )
        self.met[want.name] = want

    def _settled(self, wants: Sequence[Want]) -> Any:
        """What the code goes on with: results, or the first failure; `None` if one of them is still to come."""
        found = [self._result(want) for want in wants]
        self.open = {want.name: want for want, result in zip(wants, found, strict=True) if result is None}
        if self.open:
            return None
        results = [result for result in found if result is not None]
        self.now = max(self.now, *(result.at for result in results))
        failed = [(want, result) for want, result in zip(wants, results, strict=True) if result.error is not None]
        if failed:
            want, result = failed[0]
            return (StepTimedOut if result.timed_out else StepFailed)(want.name, result.error or "")
        return [self._read(want, result) for want, result in zip(wants, results, strict=True)]

    def _result(self, want: Want) -> Result | None:
        if want.kind == "signal" and want.name not in self._record.results:
            return self._signal(want)
        return self._record.results.get(want.name)

    def _signal(self, want: Want) -> Result | None:
        for place, (at, event) in enumerate(self._record.heard):
            if place not in self._used and isinstance(event, want.signal or ()):
                self._used.add(place)
                return Result(at, event)
        return None

    def _read(self, want: Want, result: Result) -> Any:
        """A result as what the step's function says that it returns."""
        hint = None if want.function is None or result.skipped else returned(want.function)
        return result.value if hint is None else msgspec.convert(result.value, hint)


def returned(function: Any) -> Any:
    """The annotation of what a step's function returns; `None` if there is none that can be read."""
    try:
        return get_type_hints(function).get("return")
    except (NameError, TypeError):
        return None
