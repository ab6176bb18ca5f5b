"""Instance: one process that runs, folded from its journal and the inputs that this names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias, cast
from uuid import UUID

from refold.errors import UsageError
from refold.flows.prepare import Runtime
from refold.flows.processes.journal import (
    ENTRIES,
    Compensating,
    Delivered,
    Ended,
    Entry,
    Ignored,
    InputsSkipped,
    Kept,
    Migrated,
    Parked,
    Reacted,
    Refused,
    Retried,
    Sent,
    Skipped,
    Started,
    TimersCancelled,
    TimerSet,
    as_id,
)
from refold.flows.read import all_rows, opened, opened_all
from refold.messages import Recorded
from refold.ports import PAGE, Backend, InStream, Selection
from refold.process import Process

Input: TypeAlias = tuple[UUID, int]
"""An input: the id of the event, and which part of it."""
State: TypeAlias = Literal["running", "finished", "failed", "cancelled", "compensated"]
_CLASSES: Final = frozenset(ENTRIES)
_SETTLED: Final = {Delivered: "delivered", Parked: "parked", Refused: "refused", Retried: "pending", Skipped: "skipped"}


class Instance:
    """What is known of an instance after its journal so far; `None` for a process version: it has not begun."""

    def __init__(self, process: Process[Any, Any], id: str) -> None:
        self.newest, self.id = process, id
        self.process: Process[Any, Any] | None = None
        self.state: Any = None
        self.status: State = "running"
        self.reason = ""
        self.seen: set[Input] = set()
        self.reached = 0
        """The position of its last input. They come in their order, so what it has not seen before that was not taken in."""
        self.result: Any = None
        self.kept: dict[Input, Recorded[Any]] = {}
        """Inputs that came before it has begun."""
        self.timers: dict[UUID, TimerSet] = {}
        self.ever: set[UUID] = set()
        """Every timer that was ever set."""
        self.messages: dict[UUID, str] = {}
        """How far each message is: pending, delivered, refused, parked or skipped."""
        self.steps: set[str] = set()
        """The names of all that it has sent and set, where these have any."""
        self.since: int | None = None
        """The position at which somebody was last forgotten before it was folded, `None` if no input of it is personal."""
        self.started_at: datetime | None = None
        self.moved_at: datetime | None = None

    @property
    def journal(self) -> str:
        """The name of its stream."""
        return str(self.newest.journal(self.id))

    def begin(self, version: int) -> None:
        """Begin, as an instance of a version.

        Raises:
            UsageError: that version is not known here.
        """
        self.process = self._version(version)
        self.state = self.process.initial()

    def move(self, version: int) -> None:
        """Become an instance of another version.

        Raises:
            UsageError: that version is not known here, or does not say any more how.
        """
        assert self.process is not None  # noqa: S101 - it has begun
        moved, before = self._version(version), self.process.version
        if before not in moved.migrate:
            raise UsageError(
                f"instance {self.id!r} of process {self.newest.name!r} moved from version {before} to {version}, and version "
                f"{version} does not say here how: give it migrate={{{before}: ...}} again."
            )
        self.state, self.process = moved.migrate[before](self.state), moved

    def take(self, recorded: Recorded[Any]) -> None:
        """Take in an input."""
        assert self.process is not None  # noqa: S101 - it has begun
        self.seen.add((recorded.id, recorded.part))
        self.kept.pop((recorded.id, recorded.part), None)
        self.reached = max(self.reached, recorded.position)
        self.state = self.process.taken(self.state, recorded)

    def keep(self, recorded: Recorded[Any]) -> None:
        """Put an input aside until it has begun."""
        self.seen.add((recorded.id, recorded.part))
        self.kept[recorded.id, recorded.part] = recorded

    def has_seen(self, recorded: Recorded[Any]) -> bool:
        """Whether an input is no news."""
        return (recorded.id, recorded.part) in self.seen

    def has_passed(self, recorded: Recorded[Any]) -> bool:
        """Whether later inputs were taken in. One that comes so was ignored, or given up, when all was consumed before."""
        return recorded.position < self.reached

    def _version(self, version: int) -> Process[Any, Any]:
        found = self.newest.of_version(version)
        if found is None:
            raise UsageError(
                f"instance {self.id!r} of process {self.newest.name!r} is one of version {version}, and this program has "
                f"{', '.join(map(str, sorted(self.newest.versions)))}: name it in earlier=(...)."
            )
        return found

    def note(self, id: UUID, entry: Entry) -> None:
        """Take in an entry of the journal that is not about an input."""
        self._note_messages(id, entry)
        match entry:
            case Started(version):
                self.begin(version)
            case Migrated(version):
                self.move(version)
            case TimerSet(step=step):
                self.timers[id] = entry
                self.ever.add(id)
                self.steps.add(step)
            case TimersCancelled(_, timers):
                for timer in timers:
                    self.timers.pop(timer, None)
            case Ignored(input, part=part):
                self.seen.add((input, part))
                self.kept.pop((input, part), None)
            case InputsSkipped(positions):
                self.kept = {key: kept for key, kept in self.kept.items() if kept.position not in positions}
            case Ended(state, reason, result):
                self.status, self.reason, self.result = cast("State", state), reason, result
                self.timers.clear()
            case _:
                pass

    def _note_messages(self, id: UUID, entry: Entry) -> None:
        match entry:
            case Sent(lane=step):
                self.messages[id] = "pending"
                self.steps.add(step)
            case Delivered() | Parked() | Refused() | Retried() | Skipped():
                self.messages[entry.message] = _SETTLED[type(entry)]
            case Compensating(_, reason):
                self.reason = reason
            case _:
                pass

    def came_back(self, recorded: Recorded[Any]) -> bool:
        """Whether an input in its own journal is a timeout; then its timer is no longer pending."""
        timer = self.timer_of(recorded)
        if timer is None:
            return False
        self.timers.pop(timer, None)
        return True

    def timer_of(self, recorded: Recorded[Any]) -> UUID | None:
        """The timer that an input comes of."""
        cause = recorded.metadata.causation_id
        if cause is None or str(recorded.stream) != self.journal:
            return None
        timer = as_id(cause)
        return timer if timer in self.ever else None


async def loaded(backend: Backend, runtime: Runtime, process: Process[Any, Any], id: str) -> Instance:
    """An instance after all that its journal holds.

    Raises:
        UsageError: it is of a version that is not known here, or took in what no version here reacts to.
        UnknownEventType, UndecodableEvent: an input cannot be read any more.
    """
    entries, own = await entries_of(backend, runtime, process, str(process.journal(id)))
    inputs = await inputs_of(backend, runtime, process, own, (each.data for each in entries))
    return replayed(process, id, entries, inputs)


def replayed(
    process: Process[Any, Any], id: str, entries: Iterable[Recorded[Any]], inputs: Mapping[Input, Recorded[Any]]
) -> Instance:
    """An instance after these entries of its journal.

    Raises:
        UsageError: it is of a version that is not known here, or took in what no version here reacts to.
    """
    instance = Instance(process, id)
    for recorded in entries:
        instance.started_at = instance.started_at or recorded.recorded_at
        instance.moved_at = recorded.recorded_at
        if isinstance(recorded.data, Kept):
            instance.keep(_came(instance, inputs, recorded.data))
        elif isinstance(recorded.data, Reacted):
            came = _came(instance, inputs, recorded.data)
            instance.came_back(came)
            instance.take(came)
        else:
            instance.note(recorded.id, recorded.data)
    return instance


def _came(instance: Instance, inputs: Mapping[Input, Recorded[Any]], entry: Reacted | Kept) -> Recorded[Any]:
    found = inputs.get((entry.input, entry.part))
    if found is None:
        raise UsageError(
            f"instance {instance.id!r} of process {instance.newest.name!r} took in {entry.type!r} at position {entry.position}, "
            "and no version here reacts to that: name its class again, or give the code without it a version= of its own, and "
            "keep the one with it in earlier=(...)."
        )
    return found


async def journal_of(
    backend: Backend, runtime: Runtime, process: Process[Any, Any], id: str
) -> tuple[Sequence[Recorded[Any]], Mapping[Input, Recorded[Any]]]:
    """`entries_of` an instance's journal; nothing, if no instance can have this id: all that came to it is parked."""
    if not process.can_have(id):
        return (), {}
    return await entries_of(backend, runtime, process, str(process.journal(id)))


async def entries_of(
    backend: Backend, runtime: Runtime, process: Process[Any, Any], journal: str
) -> tuple[Sequence[Recorded[Any]], Mapping[Input, Recorded[Any]]]:
    """The entries of a journal, and the inputs that came into it."""
    decoders = runtime.codec.selecting((*ENTRIES, *process.event_types))
    entries: list[Recorded[Any]] = []
    own: dict[Input, Recorded[Any]] = {}
    async for row in all_rows(backend, Selection(InStream(journal))):
        for recorded in opened(decoders, row):
            if recorded.data.__class__ in _CLASSES:
                entries.append(recorded)
            if recorded.data.__class__ in process.event_types:
                own[recorded.id, recorded.part] = recorded
    return entries, own


def beginning(
    process: Process[Any, Any], entries: Iterable[Recorded[Any]], own: Mapping[Input, Recorded[Any]]
) -> Recorded[Any] | None:
    """The event in its own journal by which an instance begins as soon as that is taken in; `None` if none waits there."""
    noted = [each.data for each in entries]
    if any(isinstance(entry, Started) for entry in noted):
        return None
    given_up = {position for entry in noted if isinstance(entry, InputsSkipped) for position in entry.positions}
    begins = process.starts_on or process.named
    return next(
        (each for each in own.values() if isinstance(each.data, begins) and each.position not in given_up), None
    )


async def inputs_of(
    backend: Backend,
    runtime: Runtime,
    process: Process[Any, Any],
    own: Mapping[Input, Recorded[Any]],
    entries: Iterable[Any],
) -> Mapping[Input, Recorded[Any]]:
    """Every input that a journal names."""
    named = {(each.input, each.part) for each in entries if isinstance(each, Reacted | Kept)}
    missing = sorted({id.bytes for id, part in named if (id, part) not in own})
    decoders, found = runtime.codec.selecting(process.event_types), dict(own)
    for start in range(0, len(missing), PAGE):
        rows = await backend.find(missing[start : start + PAGE])
        found.update(((recorded.id, recorded.part), recorded) for recorded in opened_all(decoders, rows))
    return found
