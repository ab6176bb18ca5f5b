"""Process: a decider turned around. Events and timeouts in; commands, timers and the end out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Generic, Literal, TypeAlias, TypeVar, cast

from refold.errors import InvalidName, UsageError, shortened
from refold.external import Call, Retry
from refold.fold import Decider, Send, parameter_classes
from refold.messages import JOURNALS, Recorded, StreamName, checked_name, made, parsed, several, spec_of

E = TypeVar("E")
S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class After:
    """A timeout: an event that comes back to the process after a delay."""

    delay: timedelta
    timeout: object


@dataclass(frozen=True, slots=True)
class At:
    """A timeout: an event that comes back to the process at a time."""

    moment: datetime
    timeout: object


@dataclass(frozen=True, slots=True)
class Cancel:
    """No timeout of this class shall come back any more."""

    timeout: type[Any]


@dataclass(frozen=True, slots=True)
class Finish:
    """The process has reached its end; later events and timeouts no longer concern it."""


@dataclass(frozen=True, slots=True)
class Fail:
    """The process has come to an end that it should not have come to, and says why."""

    reason: str


Effect: TypeAlias = Send | Call | After | At | Cancel | Finish | Fail
"""What `react` may yield."""


def after(delay: timedelta, timeout: object) -> After:
    """Let `timeout` come back when `delay` has passed since the event that `react` is called with was recorded.

    Raises:
        UsageError: the delay is below zero, or the timeout is the class of one.
    """
    if delay < timedelta():
        raise UsageError(f"the timeout {timeout!r} is due {-delay} before what it follows: a delay is 0 or more.")
    return After(delay, made("after()", timeout))


def at(moment: datetime, timeout: object) -> At:
    """Let `timeout` come back at `moment`, which must know its time zone; at once, if that has passed.

    Raises:
        UsageError: it does not, or the timeout is the class of one.
    """
    if moment.tzinfo is None:
        raise UsageError(
            f"the timeout is due at {moment.isoformat()}, which has no time zone: write datetime(..., tzinfo=UTC)."
        )
    return At(moment, made("at()", timeout))


def cancel(timeout: type[Any]) -> Cancel:
    """Let no timeout of this class come back any more; that there is none is fine.

    Raises:
        UsageError: it is no class, or none of events.
    """
    given = cast("object", timeout)
    if not isinstance(given, type):
        raise UsageError(
            f"cancel() was given {shortened(given)}, and takes a class: write cancel({type(given).__qualname__})."
        )
    spec_of(timeout)
    return Cancel(timeout)


def finish() -> Finish:
    """End the process."""
    return Finish()


def fail(reason: str) -> Fail:
    """End the process, as one that failed: it is listed with its reason."""
    return Fail(reason)


def by_stream_id(recorded: Recorded[Any]) -> str:
    """The usual key: one instance for each stream id."""
    return recorded.stream.id


def check_names(kind: str, name: str, version: int) -> None:
    """Raises `UsageError` or `InvalidName` if a process or a saga cannot be named so, or have that version."""
    checked_name(f"{kind} name", name)
    if "-" in name:
        raise UsageError(
            f"{kind} name {name!r} contains '-', which ends the category of a stream name: write {name.replace('-', '_')!r}."
        )
    if version < 1:
        raise UsageError(f"{kind} {name!r} has version {version}: the first is 1.")


@dataclass(frozen=True)
class Process(Generic[E, S]):
    """A process manager: `evolve` folds what it has seen, `react` yields what should follow.

    They are apart so that a replay, which only folds, can never act twice. `react` sees the state *before* the event.
    `key` says which instance an event belongs to.

    `starts_on`: only these classes begin an instance, else any does; `otherwise`: an event that comes before that is
    ignored, or kept until then and reacted to after the event that begins it, or parked, so that what comes behind it waits
    until an operator skips it. `retry`: how often a command is sent that its decider refuses.

    An instance keeps to the `version` that it began with: `earlier` are the versions that still have some. Or it moves to
    this one: `migrate` has, for an earlier version, what makes the state of this one of that one's.
    """

    name: str
    initial: Callable[[], S]
    react: Callable[[Recorded[E], S], Iterable[Effect]]
    evolve: Callable[[S, E], S]
    key: Callable[[Recorded[E]], str] = by_stream_id
    events: tuple[type[Any], ...] = field(default=(), kw_only=True)
    version: int = field(default=1, kw_only=True)
    starts_on: tuple[type[Any], ...] = field(default=(), kw_only=True)
    otherwise: Literal["ignore", "keep", "park"] = field(default="ignore", kw_only=True)
    retry: Retry = field(default=Retry(3), kw_only=True)
    earlier: tuple[Process[Any, Any], ...] = field(default=(), kw_only=True)
    migrate: Mapping[int, Callable[[Any], S]] = field(
        default_factory=dict[int, Callable[[Any], S]], kw_only=True, hash=False
    )

    def __post_init__(self) -> None:
        check_names("process", self.name, self.version)
        for what in ("events", "starts_on", "earlier"):
            object.__setattr__(self, what, tuple(several(what, getattr(self, what))))
        if self.otherwise not in ("ignore", "keep", "park"):
            raise UsageError(
                f"process {self.name!r}: otherwise={self.otherwise!r} is none of 'ignore', 'keep' and 'park'."
            )
        for each in self.earlier:
            if each.name != self.name or each.version >= self.version:
                raise UsageError(
                    f"process {self.name!r}, version {self.version}, cannot have version {each.version} of {each.name!r} "
                    "for an earlier one of itself."
                )
        for version in self.migrate:
            if version not in self.versions or version == self.version:
                raise UsageError(
                    f"process {self.name!r} cannot move instances of version {version}, whose state it cannot fold: name that "
                    "version in earlier=(...)."
                )

    @cached_property
    def named(self) -> tuple[type[Any], ...]:
        """The classes of the events and timeouts that this version reacts to, read from the annotation of `react`.

        Raises:
            UsageError: they can be read from no annotation, and `events` does not name them; or `starts_on` names another one.
        """
        found = self.events or parameter_classes(self.react, 0, f"Process({self.name!r}, ..., events=(...))")
        for cls in self.starts_on:
            if not any(issubclass(each, cls) for each in found):
                raise UsageError(
                    f"process {self.name!r} starts on {cls.__qualname__}, and does not react to it, so nothing would begin an "
                    f"instance: name {cls.__qualname__} in the annotation of `react`, or in events=(...)."
                )
        return found

    @cached_property
    def event_types(self) -> tuple[type[Any], ...]:
        """The classes that any version of it reacts to; an instance is given those that its own version names.

        Raises:
            UsageError: as for `named`.
        """
        return tuple(dict.fromkeys((*self.named, *(cls for each in self.earlier for cls in each.event_types))))

    @cached_property
    def versions(self) -> Mapping[int, Process[Any, Any]]:
        """Every version that an instance may keep to, this one among them."""
        return {each.version: each for each in (*self.earlier, self)}

    @property
    def own(self) -> tuple[Decider[Any, Any, Any], ...]:
        """Deciders that it brings along, beside those that it is run with."""
        return ()

    @property
    def cannot_miss(self) -> tuple[type[Any], ...]:
        """Classes of inputs that no operator can skip."""
        return ()

    def of_version(self, version: int) -> Process[Any, Any] | None:
        """The version that an instance keeps to; `None` if it is not known."""
        return self.versions.get(version)

    def taken(self, state: S, recorded: Recorded[E]) -> S:
        """The state after an input."""
        return self.evolve(state, recorded.data)

    def reacting(self, recorded: Recorded[E], state: S, steps: AbstractSet[str]) -> Iterable[Any]:
        """What an input causes. `steps`: the names of all that the instance has caused so far, where these have any."""
        return self.react(recorded, state)

    @property
    def journals(self) -> str:
        """The category of its instances' journals."""
        return f"{JOURNALS}{self.name}"

    def journal(self, id: str) -> StreamName:
        """The stream in which one instance keeps what it saw and did, and into which its timeouts come."""
        return StreamName(self.journals, id)

    def can_have(self, id: str) -> bool:
        """Whether an instance can have this id: the name of its journal may be too long."""
        try:
            self.journal(id)
        except InvalidName:
            return False
        return True

    def instance_of(self, recorded: Recorded[E]) -> str:
        """Which instance an input belongs to. What is in a journal, of whatever process, is its instance's.

        Raises:
            UsageError: `key` raises, or gives what is no id.
        """
        if self.key is by_stream_id or recorded.stream.category.startswith(JOURNALS):
            return recorded.stream.id
        try:
            key = cast("object", self.key(recorded))
        except Exception as error:
            raise self._no_key(recorded, f"raised {error!r}", "let it tell the instance") from error
        if not isinstance(key, str) or not key:
            raise self._no_key(recorded, f"gave {shortened(key)}", "let it give text")
        try:
            return parsed(f"{self.journals}-{key}").id
        except InvalidName as error:
            raise self._no_key(recorded, f"gave {shortened(key)}", str(error).removesuffix(".")) from error

    def _no_key(self, recorded: Recorded[E], what: str, why: str) -> UsageError:
        where = f"{recorded.type!r} at position {recorded.position}"
        return UsageError(f"key of process {self.name!r} {what} for {where}: {why}.")
