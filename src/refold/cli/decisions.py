"""Kept commands decided again, as JSON, so that what two codes decide can be laid side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import msgspec

from refold.app import App
from refold.cli.edits import Told
from refold.cli.exits import NotFound
from refold.cli.nearby import no_such_stream
from refold.errors import RefoldError, UsageError
from refold.flows.redecide import Redecision
from refold.fold import Decider
from refold.messages import Position, RawEvent, StreamName, spec_of
from refold.patching import Operation, changes, comparable
from refold.store import Store

Verdict: TypeAlias = Literal["other events", "fails", "no longer fails", "fails otherwise"]


class Decision(msgspec.Struct, frozen=True):
    """A kept command, the events that it led to, and what one code makes of it; `error` is None where that is events."""

    stream: str
    version: int
    command: str
    data: Any
    happened: Sequence[Told]
    decided: Sequence[Told]
    error: str | None

    @property
    def is_same(self) -> bool:
        """Whether it leads to what happened."""
        return self.error is None and not _difference(self.happened, self.decided)


class Difference(msgspec.Struct, frozen=True):
    """A kept command upon which an old and a new code decide differently; the old one may be history itself."""

    stream: str
    version: int
    command: str
    data: Any
    verdict: Verdict
    old: Sequence[Told]
    new: Sequence[Told]
    old_error: str | None
    new_error: str | None
    diff: Sequence[Operation]


def compared(new: Decision, old: Decision | None = None) -> Difference | None:
    """How a decision differs from what happened, or from that of an old code; None if it does not.

    Where the old code decides as it happened, the events count as the new code reads them: so a new shape of an event is no
    difference by itself.
    """
    by_history = old is None or old.is_same
    before, error = (new.happened, None) if old is None or by_history else (old.decided, old.error)
    diff = _difference(before, new.decided)
    if error == new.error and not diff:
        return None
    told = new.stream, new.version, new.command, new.data if old is None or new.data is not None else old.data
    return Difference(*told, _verdict(error, new.error), before, new.decided, error, new.error, diff)


def _verdict(old: str | None, new: str | None) -> Verdict:
    if old is None:
        return "other events" if new is None else "fails"
    return "no longer fails" if new is None else "fails otherwise"


def _difference(old: Sequence[Told], new: Sequence[Told]) -> tuple[Operation, ...]:
    return tuple(changes(msgspec.to_builtins(old), msgspec.to_builtins(new)))


class Decisions:
    """What an application decides upon the kept commands of a stream, a category, or (subject None) all of its deciders.

    `passed` counts the events, and `streams` the streams, that it has come by; kept commands led to `explained` of the events.

    Raises:
        UsageError: no application is named, or a fold of it fails on its history.
        NotFound: there is no such stream, or no such decider.
    """

    def __init__(self, store: Store, app: App | None, subject: str | None, until: Position) -> None:
        self._store, self._until = store, until
        self._deciders = _deciders(app, subject)
        self._stream = None if subject is None or "-" not in subject else StreamName.parse(subject)
        if self._stream and next(store.read(self._stream, limit=1), None) is None:
            raise no_such_stream(store, str(self._stream))
        self.passed = self.streams = self.explained = 0

    @property
    def total(self) -> int:
        """How many events there are to come by."""
        if self._stream is not None:
            (last,) = self._store.read(self._stream, direction="backward", limit=1)
            return last.version
        counts = self._store.stats().categories
        return sum(counts.get(category, 0) for category in self._deciders)

    def __iter__(self) -> Iterator[Decision]:
        for stream, version in self._streams():
            before = self.passed
            for decision in self._of(stream):
                self.passed, self.explained = before + decision.version, self.explained + len(decision.happened)
                yield decision
            self.passed, self.streams = before + version, self.streams + 1

    def _streams(self) -> Iterator[tuple[StreamName, int]]:
        if self._stream is not None:
            yield self._stream, self.total
            return
        for category in sorted(self._deciders):
            for info in self._store.streams(f"{category}-"):
                yield StreamName.parse(info.stream), info.version

    def _of(self, stream: StreamName) -> Iterator[Decision]:
        decider = self._deciders[stream.category]
        try:
            for decided in self._store.bind(decider).redecide(stream.id, as_of=self._until):
                yield _decision(decided)
        except RefoldError:
            raise
        except Exception as error:
            said = " ".join([f"{type(error).__name__}: {error}.", *getattr(error, "__notes__", ())])
            raise UsageError(f"the fold of {stream.category!r} fails on its history: {said}") from error


def _deciders(app: App | None, subject: str | None) -> Mapping[str, Decider[Any, Any, Any]]:
    if app is None:
        raise UsageError("who decides? Name the application that has the deciders: --app module:name, or REFOLD_APP.")
    known: Mapping[str, Any] = {category: fold for category, fold in app.folds.items() if isinstance(fold, Decider)}
    category = None if subject is None else subject.partition("-")[0]
    if category is None:
        return known
    if category not in known:
        raise NotFound(
            f"the app has no decider for category {category!r}: it has {', '.join(sorted(known)) or 'none'}."
        )
    return {category: known[category]}


def _decision(decided: Redecision[Any, Any]) -> Decision:
    error = None if decided.error is None else f"{type(decided.error).__name__}: {decided.error}"
    return Decision(
        str(decided.stream),
        decided.version,
        decided.name,
        None if decided.command is None else comparable(decided.command),
        [_told(event.data) for event in decided.happened],
        [_told(event) for event in decided.decided],
        error,
    )


def _told(event: object) -> Told:
    """With keys and the items of sets in order, so that what is equal looks equal."""
    if isinstance(event, RawEvent):
        return Told(event.type, comparable(event.data), event.version)
    spec = spec_of(type(event))
    return Told(spec.name, comparable(event), spec.version)
