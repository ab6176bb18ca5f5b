"""Shortcuts: where the loads of one fold begin other than at the first event: at a state in this process, or a saved one."""

from __future__ import annotations

from typing import Any, Final, Generic, TypeVar

from msgspec import Struct

from refold.codec import Codec, Decoders
from refold.errors import UsageError
from refold.fingerprint import fingerprint
from refold.fold import Fold
from refold.sameness import mutable_part
from refold.snapshot import Snapshots, StateForm, state_hint

S = TypeVar("S")


REFUSED: Final = 10_000
"""Of so many streams it is known that a state could not be saved."""


class Standing(Struct, Generic[S], frozen=True):
    """A state that stands at a version and position, folded onto that of a snapshot at version `began`.

    `since`: as in `Loaded`.
    """

    state: S
    version: int
    position: int
    began: int
    since: int | None = None


class StateCache:
    """The newest states that this process knows of some streams: as many as there is room for, those used last.

    A state may be older than its stream. Any number of threads may use it: each step is one of a dictionary's.
    """

    def __init__(self, room: int) -> None:
        self.room = room
        self._states: dict[str, Standing[Any]] = {}

    def get(self, stream: str) -> Standing[Any] | None:
        """What is known of a stream."""
        found = self._states.pop(stream, None)
        if found is not None:
            self._states[stream] = found
        return found

    def known(self, stream: str, since: int | None) -> Standing[Any] | None:
        """The same, unless somebody was forgotten since it was folded: then it is dropped."""
        found = self.get(stream)
        if found is not None and found.since != since:
            self.forget(stream)
            return None
        return found

    def learn(self, stream: str, standing: Standing[Any]) -> None:
        """Keep it, unless it stands before what is known."""
        known = self._states.pop(stream, None)
        behind = known is not None and known.version > standing.version
        self._states[stream] = known if known is not None and behind else standing
        while len(self._states) > self.room:
            self._states.pop(next(iter(tuple(self._states))), None)

    def forget(self, stream: str) -> None:
        """It was not as the stream is."""
        self._states.pop(stream, None)

    def __len__(self) -> int:
        return len(self._states)


class Saving:
    """How the states of one fold are saved: when, under which fingerprint, in which form.

    `codec`: that of the store. Upcasters of other classes that it knows may lead to the fold's, and those that it learns.
    """

    def __init__(self, fold: Fold[Any, Any], policy: Snapshots, codec: Codec | None = None) -> None:
        self.policy, self.form = policy, StateForm(fold)
        self._fold, self._codec = fold, Codec(fold.event_types) if codec is None else codec
        self._found: tuple[Decoders, str] | None = None
        self.given_up = False
        """Whether the store turned out to be one that is only read."""
        self._refused: dict[str, int] = {}
        """Of which streams a state could not be saved, and at which version: that is not tried at each command again."""
        self._complaint, self._has_complained = "", False

    @property
    def fingerprint(self) -> str:
        """Of the fold, with the upcasters that are known now."""
        decoders = self._codec.decoders(self._fold.event_types)
        if self._found is None or self._found[0] is not decoders:
            told = fingerprint(self._fold, self.form.hint, self.policy.version, decoders.older)
            self._found = decoders, told
        return self._found[1]

    def is_due(self, stream: str, standing: Standing[Any], cost: int) -> bool:
        """Whether it is time to save a state, so many microseconds in the making; after a refused one, at twice its version."""
        if self.given_up or standing.version < 2 * self._refused.get(stream, 0):
            return False
        try:
            return self.policy.is_due(standing.state, standing.version, standing.began, cost)
        except Exception:  # noqa: BLE001 - the user's `when`: no command fails for it
            return False

    def refuse(self, stream: str, version: int) -> None:
        """A state cannot be saved. That may be so of this one alone."""
        if not self._has_complained:
            self._has_complained = True
            self._complaint = (
                f"the state of {stream!r} at version {version} cannot be saved, since it would not read back the same; of fold "
                f"{self._fold.category!r} this may be so of others, too. bind(...).snapshot(id) says why."
            )
        if len(self._refused) >= REFUSED:
            self._refused.clear()
        self._refused[stream] = version

    def complaint(self) -> str:
        """What is to be told of that, once."""
        told, self._complaint = self._complaint, ""
        return told


class Shortcut(Struct, frozen=True):
    """What the loads of one fold may begin with."""

    saving: Saving | None
    cache: StateCache | None


def cache_for(fold: Fold[Any, Any], room: int) -> StateCache:
    """A cache for the states of a fold.

    Raises:
        UsageError: they can be changed in place, as far as their annotations tell.
    """
    if part := mutable_part(state_hint(fold)):
        raise UsageError(
            f"states of fold {fold.category!r} cannot be cached: {part}, which can be changed in place. Make it a frozen "
            "dataclass or a frozen msgspec.Struct, with tuples and frozensets in it; or take no cache."
        )
    return StateCache(room)
