"""A process as it behaves: each function called twice with the same values, what came of it remembered, and compared."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, get_args
from uuid import UUID

from msgspec.structs import replace

from refold.errors import UsageError, shortened
from refold.external import Call
from refold.fold import Send
from refold.messages import Position, Recorded
from refold.process import After, At, Cancel, Effect, Process
from refold.testing.history import in_stream, placed
from refold.testing.processcheck.instance import (
    Asked,
    How,
    Input,
    Instance,
    Reaction,
    Timer,
    Trouble,
    few,
    in_order,
    message,
)
from refold.testing.processcheck.values import Values
from refold.testing.purity import copied

_EFFECTS: Final = get_args(Effect)
_REPEATED: Final = 1 << 20
"""Added to the position of an event, and to its id: the same once more is another event."""


class Behaviour:
    """What one instance of a process makes of its inputs; `id` is its key.

    Without `notes`, instances do not keep what they have seen: those that differ in that alone are then the same.

    Raises:
        UsageError: its states have no equality.
    """

    def __init__(self, process: Process[Any, Any], id: str, *, notes: bool = False) -> None:
        self.process, self._id, self._notes, self._states = process, id, notes, Values()
        self._inputs: dict[tuple[str, int], Input] = {}
        self._messages = Values()
        self._reactions: dict[tuple[Input, int], Reaction] = {}
        self._repeats: dict[tuple[Input, int], tuple[Asked, ...]] = {}
        initial, twin = process.initial(), process.initial()
        if initial != twin:
            raise UsageError(
                f"process {process.name!r} has initial states that differ, {shortened(initial)} and {shortened(twin)}: "
                "`initial` must give the same each time, and of a class that can be compared, as a dataclass can."
            )
        self.initial = self._states.number(initial)

    def react(self, input: Input, state: int) -> Reaction:
        """What it does in a state, and the state after it."""
        found = self._reactions.get((input, state))
        if found is None:
            found = self._reactions[input, state] = self._reacted(input, state)
        return found

    def asked_again(self, input: Input, state: int) -> tuple[Asked, ...]:
        """What it asks if the event is delivered once more, as another event with the same data."""
        found = self._repeats.get((input, state))
        if found is None:
            recorded = input.recorded
            repeat = replace(
                recorded,
                id=UUID(int=(recorded.id.int + _REPEATED) % (1 << 128)),
                version=recorded.version + _REPEATED,
                position=Position(recorded.position + _REPEATED),
            )
            again = self._reacted(Input(input.how, input.number, repeat), state)
            found = self._repeats[input, state] = again.asked
        return found

    def after(self, instance: Instance, input: Input, reaction: Reaction) -> Instance:
        """The instance when it has taken an input."""
        if reaction.ends:
            return Instance(reaction.state, has_begun=True, has_ended=True)
        timers, new = _without(instance.timers, input), list[Timer]()
        refusals = [*_without_one(instance.refusals, input)]
        for effect in reaction.effects:
            match effect:
                case After(due, timeout) | At(due, timeout):
                    new.append(Timer(due, self.back("timeout", timeout)))
                case Cancel(cls):
                    timers, new = ([timer for timer in some if timer.timeout.cls is not cls] for some in (timers, new))
                case Send() | Call() if effect.fallback is not None:
                    refusals.append(self.back("refusal", effect.fallback, effect))
                case _:
                    pass
        return Instance(
            reaction.state,
            tuple(few((*timers, *in_order(new)))),
            tuple(sorted(few(refusals), key=_number)),
            instance.seen | _classes(input, reaction) if self._notes else frozenset(),
            has_begun=True,
        )

    def event(self, recorded: Recorded[Any]) -> Input:
        """An event from outside, as an input; what tells such events apart is their data, stream and tags."""
        name = "event", self._messages.number((recorded.data, recorded.stream, recorded.tags))
        return self._inputs.setdefault(name, Input("event", len(self._inputs), recorded))

    def back(self, how: How, event: object, asked: Asked | None = None) -> Input:
        """An event that the process itself lets come back, as an input: it comes in its journal. Equal ones are one input."""
        name, number = (how, self._messages.number((event, asked))), len(self._inputs)
        if name not in self._inputs:
            self._inputs[name] = Input(how, number, self._in_journal(event, number + 1_000), asked)
        return self._inputs[name]

    def _in_journal(self, event: object, number: int) -> Recorded[Any]:
        (recorded,) = placed(in_stream(self.process.journal(self._id), event))
        return replace(recorded, id=UUID(int=number), version=number, position=Position(number))

    # Twice --------------------------------------------------------------------

    def _reacted(self, input: Input, number: int) -> Reaction:
        state = self._states[number]
        before = copied((state, input.recorded.data))
        try:
            first, second = ([*self.process.react(input.recorded, state)] for _ in range(2))
        except Exception as error:  # noqa: BLE001 - whatever a user's function raises is found
            return Reaction((), number, Trouble("raises", f"react raises {_told(error)}"))
        trouble = _difference("react", first, second) or _stranger(first)
        effects = () if trouble else tuple(first)
        try:
            after, again = (self.process.evolve(state, input.recorded.data) for _ in range(2))
        except Exception as error:  # noqa: BLE001 - as above
            return Reaction((), number, trouble or Trouble("raises", f"evolve raises {_told(error)}"))
        trouble = trouble or _difference("evolve", after, again) or _changed(before, (state, input.recorded.data))
        return Reaction(effects, number if trouble else self._states.number(after), trouble)


def _classes(input: Input, reaction: Reaction) -> frozenset[type[Any]]:
    return frozenset((input.cls, *(message(asked).__class__ for asked in reaction.asked)))


def _difference(name: str, first: object, second: object) -> Trouble | None:
    if first == second:
        return None
    return Trouble("impure", f"{name} gives {shortened(first)} first, and {shortened(second)} when it is called again")


def _changed(before: object, after: object) -> Trouble | None:
    if before is None or before == after:
        return None
    return Trouble(
        "impure", f"react or evolve changes what it is given: {shortened(before)} becomes {shortened(after)}"
    )


def _stranger(effects: Iterable[object]) -> Trouble | None:
    for effect in effects:
        if not isinstance(effect, _EFFECTS):
            return Trouble("no effect", f"react yields {shortened(effect)}, which is no effect")
    return None


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _number(input: Input) -> int:
    return input.number


def _without(timers: Iterable[Timer], input: Input) -> list[Timer]:
    """Those that are left when one has come: of equal ones, the first goes."""
    left = list(timers)
    for place, timer in enumerate(left):
        if timer.timeout is input:
            del left[place]
            break
    return left


def _without_one(refusals: tuple[Input, ...], input: Input) -> tuple[Input, ...]:
    if input not in refusals:
        return refusals
    place = refusals.index(input)
    return (*refusals[:place], *refusals[place + 1 :])
