"""Every error that Refold raises on purpose.

RefoldError
├── Refused                 an append or command that certainly wrote nothing
│   ├── Conflict            a condition did not hold: another writer was first
│   ├── InvalidName         a stream, type, tag or key that the grammar does not allow
│   ├── InvalidEvent        data that is not an event, or would not read back equal
│   ├── TooLarge            over one of the store's limits
│   ├── IdReused            an event id that already belongs to another event
│   ├── KeyReused           an idempotency key that already belongs to another request
│   └── CannotUndo          something stands in the way of undoing or redoing an event
├── OutcomeUnknown          the append may or may not have happened: repeat it with the same ids
├── Unreadable              a stored event that this program cannot read
│   ├── UnknownEventType
│   └── UndecodableEvent
├── StoreError              the store itself
│   ├── NotAStore           a file or database that is not ours
│   ├── NewerFormat         written by a newer Refold
│   ├── StoreBusy           another process holds the lock
│   ├── StoreReadOnly
│   ├── StoreFull
│   ├── StoreUnreachable
│   ├── StoreCorrupt
│   │   ├── ArchiveDamaged  a file of an archive is missing, or is not what was written
│   │   └── BackupDamaged   a backup is not what was written, or not what it says
│   ├── Archived            events that were asked for stand in an archive, which is not open
│   └── StoreClosed
├── NotACopy                the target of a copy holds something else than what was copied
├── TransformFailed         a transform raised something, or gave what a store would not take
├── EventLogError           a file that cannot be read as an event log, or not to its end
├── ProjectionChanged       a read model was built by another version of its projection
├── ProjectionStopped       a projection is paused, or failed too often
├── NotCaughtUp             a read model had not taken in an event when the time was over
├── NoSuchProjection        nothing was begun under this name
├── NoSuchInstance          a process has no instance of this id
├── NoSuchVersion           a version that the stream has not reached
├── SnapshotMismatch        a saved state is not what the events give
├── DeliveryError           a message that its receiver did not take
│   ├── ReceiverAway        nobody answers now, or asks to wait: it is tried again
│   ├── MessageRefused      the receiver does not take this one
│   ├── ReceiverGone        the receiver takes none any more
│   └── AddressRefused      an address that nothing is sent to, such as one of a private network
├── BadMessage              what came is no CloudEvent, or not what it should be
│   └── BadSignature        it was not signed by whom it should be, or too long ago
├── MissingExtra            an optional dependency is not installed
└── UsageError              a call that can never work; Unsupported: not on this backend
    └── UpcasterError       upcasters that leave a gap, fork, or lead in a circle
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol


class RefoldError(Exception):
    """Base of every error that Refold raises on purpose."""


class Refused(RefoldError):
    """Certainly nothing was written."""


class FailedCheck(Protocol):
    """What a `Conflict` tells of one check: a `StreamMoved` or a `QueryMatched`, and `str()` of it is a sentence."""

    @property
    def actual(self) -> int:
        """The version, or the position, that was found."""
        ...


class Conflict(Refused):
    """Another writer appended first. Reload and decide again.

    `failures` holds every check that failed, with the actual values.
    """

    def __init__(self, failures: Sequence[FailedCheck]) -> None:
        self.failures = tuple(failures)
        super().__init__("; ".join(map(str, failures)) + ". Reload and decide again, or pass expected=ANY.")


class InvalidName(Refused):
    """A name breaks the grammar: 1 to 200 printable characters."""

    def __init__(self, kind: str, name: object, reason: str) -> None:
        self.kind, self.name, self.reason = kind, name, reason
        super().__init__(f"{shortened(name)} is not {'an' if kind[0] in 'aeiou' else 'a'} {kind}: {reason}.")


class InvalidEvent(Refused):
    """What was to be appended is not an event, or would not read back equal."""


class TooLarge(Refused):
    """Over a limit of the store."""

    def __init__(self, what: str, actual: int, limit: int, setting: str) -> None:
        self.what, self.actual, self.limit, self.setting = what, actual, limit, setting
        super().__init__(
            f"{what} has {actual:,}, the limit is {limit:,}: split it, or open the store with limits=Limits({setting}=...)."
        )


class IdReused(Refused):
    """An event id was seen before, on another event."""

    def __init__(self, ids: Iterable[object]) -> None:
        self.ids = tuple(ids)
        named = ", ".join(map(str, self.ids[:1])) + (f" and {len(self.ids) - 1} more" if self.ids[1:] else "")
        super().__init__(
            f"event id {named} is already in the store with other content, or without the rest of this append: "
            "an id names one event for ever. Give new events new ids, or repeat the first append unchanged."
        )


class KeyReused(Refused):
    """An idempotency key was seen before, with another request."""

    def __init__(self, key: str, was: str, now: str) -> None:
        self.key, self.was, self.now = key, was, now
        super().__init__(
            f"idempotency key {shortened(key)} was used for {was}, and now comes with {now}: one key names one request. "
            "Take a new key for a new request."
        )


class CannotUndo(Refused):
    """Something stands in the way of undoing or redoing events; an inverse raises it with its reasons.

    `reasons` holds what is in the way: each an `Obstacle`, or what the inverse said.
    """

    def __init__(self, *reasons: object) -> None:
        self.reasons = reasons or ("its inverse does not allow it",)
        super().__init__("; ".join(map(str, self.reasons)) + ". Nothing was appended.")


class OutcomeUnknown(RefoldError):
    """The commit failed half-way: the events may be there or not. Repeating it with the same ids settles it."""

    def __init__(self, cause: object) -> None:
        super().__init__(
            f"the commit ended with an error ({cause}), so its events may be stored or not. Repeat the append with the same "
            "event ids, or the command or decision with the same idempotency_key: it gives the first outcome and writes "
            "nothing twice."
        )


class Unreadable(RefoldError):
    """A stored event that this program cannot read."""


class UnknownEventType(Unreadable):
    """No class is known for a stored type."""

    def __init__(self, type: str, stream: str, version: int, position: int, known: Iterable[str]) -> None:
        self.type, self.stream, self.version, self.position = type, stream, version, position
        self.known = tuple(sorted(known))
        super().__init__(
            f"event type {type!r} of stream {stream!r}, version {version}, position {position} has no class here; known are: "
            f"{', '.join(self.known) or 'none'}. Name its class in the fold's union, or open the store with events=[...]."
        )


class UndecodableEvent(Unreadable):
    """The stored data do not fit the class, or an upcaster on the way there failed: then `step` says which."""

    def __init__(
        self, type: str, stream: str, version: int, position: int, reason: object, *, step: object = None
    ) -> None:
        self.type, self.stream, self.version, self.position, self.reason = type, stream, version, position, str(reason)
        self.step = None if step is None else str(step)
        what, advice = (
            ("does not fit its class", "Give the class a default for it, or a new schema version with an upcaster.")
            if step is None
            else ("cannot be brought to the shape of its class", "Mend the upcaster: what is stored stays as it is.")
        )
        if isinstance(reason, RefoldError):  # which tells the way out itself
            advice = ""
        told = f"event {type!r} of stream {stream!r}, version {version}, position {position} {what}: {self.reason.rstrip('.')}."
        super().__init__(f"{told} {advice}".rstrip())


class StoreError(RefoldError):
    """The store cannot do it now, whatever was asked."""


class NotAStore(StoreError):
    """The file or database holds something else."""


class NewerFormat(StoreError):
    """The store was written by a newer Refold."""

    def __init__(self, where: str, found: int, known: int) -> None:
        self.where, self.found, self.known = where, found, known
        super().__init__(
            f"{where} has format {found}, this Refold reads up to {known}: upgrade refold. Nothing was changed."
        )


class StoreBusy(StoreError):
    """Another process holds the write lock for longer than the busy timeout."""


class StoreReadOnly(StoreError):
    """The store was opened read-only, or its file may not be written."""


class StoreFull(StoreError):
    """No space left. Nothing was written; reads go on, and appends do when there is space again."""


class StoreUnreachable(StoreError):
    """The file, directory or server is not there or does not answer."""


class StoreCorrupt(StoreError):
    """The file is damaged. Restore a backup; `refold verify` says what is wrong."""


class ArchiveDamaged(StoreCorrupt):
    """A file of an archive is missing, or not what was written; or the archive is not that of the store."""

    def __init__(self, place: str, problem: str) -> None:
        self.place, self.problem = place, problem
        super().__init__(
            f"archive {place!r}: {problem}. Bring the right files there from a backup; `refold archive verify` checks them all."
        )


class BackupDamaged(StoreCorrupt):
    """A backup is cut off, was changed, or does not give what it says that it holds. Nothing of it was restored."""

    def __init__(self, place: str, problem: str) -> None:
        self.place, self.problem = place, problem
        super().__init__(f"backup {place!r}: {problem}. Nothing of it was restored: take another backup.")


class Archived(StoreError):
    """A read would miss archived events, since the store was opened without `archive=`; or an append to an archived stream.

    `stream` and `position` say which, as far as the store knows; `place` is where the archive was made.
    """

    def __init__(
        self, stream: str | None, place: str, *, position: int | None = None, is_written: bool = False
    ) -> None:
        self.stream, self.place, self.position, self.is_written = stream, place, position, is_written
        super().__init__(_written(stream, place) if is_written else _missed(stream, position, place))


def _written(stream: str | None, place: str) -> str:
    return (
        f"stream {stream!r} is in the archive at {place!r}, so nothing can be appended to it. Nothing was written. "
        f"Append to the period that follows it, or bring it back: `refold archive restore {place} {stream}`."
    )


def _missed(stream: str | None, position: int | None, place: str) -> str:
    what = f"stream {stream!r}" if stream is not None else "what was asked for, or a part of it,"
    what = what if position is None else f"the event at position {position}"
    return (
        f"{what} is in the archive at {place!r}, and this read would miss it: open the store with archive={place!r}, "
        "or `--archive` on the command line."
    )


class StoreClosed(StoreError):
    """The store was closed already."""

    def __init__(self) -> None:
        super().__init__("this store is closed: open it again with Store.open(url).")


class EventLogError(RefoldError):
    """The file as a whole cannot be read as an event log, or not to its end."""

    def __init__(self, reason: str, *, path: str | None = None, line: int | None = None) -> None:
        self.reason, self.path, self.line = reason, path, line
        where = [] if path is None else [repr(path)]
        where += [] if line is None else [f"line {line}"]
        super().__init__(": ".join(filter(None, [", ".join(where), reason])))


class NotACopy(RefoldError):
    """The target of a copy holds, or was given meanwhile, something that was not copied from the source."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"the target is no copy of the source: {reason}. Copy into a new store, to which nobody else writes until it is done."
        )


class TransformFailed(RefoldError):
    """A transform raised something, or made of an event what a store would not take. That event was not copied."""

    def __init__(self, type: str, stream: str, version: int, position: int, reason: str) -> None:
        self.type, self.stream, self.version, self.position, self.reason = type, stream, version, position, reason
        super().__init__(
            f"the transform failed on event {type!r} of stream {stream!r}, version {version}, position {position}: {reason}. "
            "Mend it and copy again: it goes on before that event."
        )


class ProjectionChanged(RefoldError):
    """The read model was built by another version of its projection."""

    def __init__(self, name: str, stored: int, version: int) -> None:
        self.name, self.stored, self.version = name, stored, version
        super().__init__(
            f"the read model of projection {name!r} was built by version {stored}, this is version {version}: "
            f"build it beside the old one, which is read until then: `refold projections rebuild {name}`, "
            "or store.model(...).rebuild()."
        )


class ProjectionStopped(RefoldError):
    """A projection is paused, or failed for too many keys in a row."""

    def __init__(self, name: str, state: str, reason: str, position: int, way_out: str = "") -> None:
        self.name, self.state, self.reason, self.position = name, state, reason, position
        usual = f"Resume it when that is settled: `refold projections resume {name}`, or store.model(...).resume()."
        super().__init__(f"projection {name!r} is {state} at position {position}: {reason}. {way_out or usual}")


class NotCaughtUp(RefoldError):
    """A read model had not taken in an event when the time was over."""

    def __init__(self, name: str, wanted: int, position: int, timeout: float, is_stuck: bool) -> None:  # noqa: FBT001 - a fact to tell
        self.name, self.wanted, self.position, self.timeout, self.is_stuck = name, wanted, position, timeout, is_stuck
        advice = "it is on its way: wait longer."
        if is_stuck:
            advice = "nobody works on it: is `refold run` running, or store.run(...)?"
        super().__init__(
            f"projection {name!r} is at position {position} after {timeout:g} s, not yet at {wanted}: {advice}"
        )


class NoSuchProjection(RefoldError):
    """Nothing was begun under this name in this database."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            f"no projection {name!r} was begun in this database: it is when it first runs, `refold run` or store.catch_up(...)."
        )


class NoSuchInstance(RefoldError):
    """A process has no instance of this id, and nothing of it is parked."""

    def __init__(self, process: str, id: str) -> None:
        self.process, self.id = process, id
        super().__init__(
            f"process {process!r} has no instance {id!r}: `refold processes list` tells which there are. One begins when its "
            "first input is taken in."
        )


class NoSuchVersion(RefoldError):
    """The stream has not reached the version asked for."""

    def __init__(self, stream: object, version: int, actual: int, counted: str = "") -> None:
        self.stream, self.version, self.actual = str(stream), version, actual
        super().__init__(f"stream {str(stream)!r} has no version {version}: it is at version {actual}{counted}.")


class SnapshotMismatch(RefoldError):
    """A state that was folded from a snapshot, or kept in this process, is not what all events of the stream give.

    `found` is that state, `expected` the one that all events give.
    """

    def __init__(self, stream: str, version: int, began: int, found: object, expected: object) -> None:
        self.stream, self.version, self.began, self.found, self.expected = stream, version, began, found, expected
        super().__init__(
            f"stream {stream!r} at version {version}: folded from the state kept at version {began} it is {shortened(found)}, "
            f"from the first event {shortened(expected)}. Raise the version of the fold's Snapshots, and see that evolve is pure."
        )


class DeliveryError(RefoldError):
    """A message was not delivered, or nobody knows whether it was: it is sent again, with the same id."""


class ReceiverAway(DeliveryError):
    """Nobody answers now, or asks to wait, at least `retry_after` seconds. Whoever sends waits, too, and gives nothing up."""

    def __init__(self, reason: object, retry_after: float = 0.0) -> None:
        self.reason, self.retry_after = str(reason), retry_after
        super().__init__(f"{self.reason}. Nothing is given up: it is tried again.")


class MessageRefused(DeliveryError):
    """The receiver did not take this message; after some attempts its key is parked."""


class ReceiverGone(DeliveryError):
    """The receiver takes no messages any more, and said so. The publication stops."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"{reason}. Take the publication out of the application, or give it another receiver and resume it."
        )


class AddressRefused(DeliveryError):
    """The receiver's name leads to an address that nothing is sent to. The publication stops."""

    def __init__(self, host: str, address: str, kind: str) -> None:
        self.host, self.address, self.kind = host, address, kind
        super().__init__(
            f"nothing is sent to {host!r}: its address {address} is {kind}. If that is meant, say so with allow_private=True."
        )


class BadMessage(RefoldError):
    """What came is no CloudEvent 1.0, or not one that is read here. Sent again, it will be no better."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"the message is not taken: {reason}.")


class BadSignature(BadMessage):
    """The message was not signed with the secret, or longer ago than is allowed: do not read it."""


class MissingExtra(RefoldError):
    """An optional dependency is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"this needs the package {package!r}: pip install 'refold[{extra}]'.")


class UsageError(RefoldError):
    """A call that can never work as written."""


class Unsupported(UsageError):
    """The backend cannot give what was asked."""


class UpcasterError(UsageError):
    """Upcasters that leave a gap, fork, lead in a circle or past the class: `type` and `version` say where."""

    def __init__(self, type: str, version: int | None, sentence: str) -> None:
        self.type, self.version = type, version
        super().__init__(sentence)


def shortened(value: object, limit: int = 80) -> str:
    """`repr` of a value of any size, fit for a sentence."""
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - nested too deeply, an integer of 5,000 digits, a class that cannot show itself
        return f"<{type(value).__name__} that cannot be shown>"
    return text if len(text) <= limit else f"{text[: limit - 25]}...{text[-10:]} ({len(text):,} characters)"
