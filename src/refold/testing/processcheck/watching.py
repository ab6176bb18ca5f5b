"""Runs in which something is asked twice, or a timer is left set: each step may begin a watch, which goes along with a run."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from refold.testing.processcheck.behaviour import Behaviour
from refold.testing.processcheck.exploring import Explored, Step, Taken, taken
from refold.testing.processcheck.instance import Asked, Input, Instance, message, same

Kind: TypeAlias = Literal["repeat", "race", "late", "left"]


@dataclass(frozen=True)
class Watch:
    """What is waited for since `cause` was taken.

    repeat: `cause` comes once more, and the same is asked. race: the timeout `by`, set before, asks the same. late: `cause`
    was a timeout, and the event right after it asks the same. left: the process ends with the timer `by` still set.
    """

    kind: Kind
    cause: Input
    by: Input
    asked: int = -1


@dataclass(frozen=True)
class Caught:
    """A watch that was not in vain, what was asked, and the run."""

    watch: Watch
    asked: Asked
    run: tuple[Taken, ...]


Place: TypeAlias = tuple[Instance, Watch | None]


class Watching:
    """Looks for double sends and timers left set among what was explored, the shortest run first."""

    def __init__(
        self,
        behaviour: Behaviour,
        found: Explored,
        *,
        idempotent: Collection[type[Any]],
        recurring: Collection[type[Any]],
    ) -> None:
        self._behaviour, self._found = behaviour, found
        self._idempotent, self._recurring = idempotent, recurring
        self._asked: list[Asked] = []
        self._came: dict[Place, tuple[Place, Step] | None] = {}

    def caught(self, depth: int, most: int) -> Iterator[Caught]:
        """What is found in runs of up to `depth` inputs."""
        start: Place = self._found.start, None
        self._came[start] = None
        waiting = deque[tuple[Place, int]]([(start, 0)])
        while waiting and len(self._came) < most:
            place, far = waiting.popleft()
            for step in self._found.steps.get(place[0], ()):
                yield from self._seen(place, step)
                for new in self._next(place, step) if far + 1 < depth else ():
                    if new not in self._came:
                        self._came[new] = place, step
                        waiting.append((new, far + 1))

    def _next(self, place: Place, step: Step) -> Iterator[Place]:
        instance, watch = place
        if step.reaction.trouble or step.to.has_ended:
            return
        if watch is None:
            yield step.to, None
            yield from ((step.to, new) for new in self._begun(instance, step))
        elif self._goes_on(watch, step):
            yield step.to, watch

    # A watch begins -----------------------------------------------------------

    def _begun(self, instance: Instance, step: Step) -> Iterator[Watch]:
        input, reaction = step.input, step.reaction
        watched = [self._number(asked) for asked in reaction.asked if self._matters(asked)]
        for timeout in _still_set(instance, step):
            if input.how == "event" and reaction.asked:
                yield Watch("left", input, timeout)
            if input.how == "event" or input is timeout:
                yield from (Watch("race", input, timeout, asked) for asked in watched)
        if input.how == "event" and input.cls not in self._recurring:
            yield from (Watch("repeat", input, input, asked) for asked in watched)
        if input.how == "timeout":
            yield from (Watch("late", input, input, asked) for asked in watched)

    def _matters(self, asked: Asked) -> bool:
        return message(asked).__class__ not in self._idempotent

    def _number(self, asked: Asked) -> int:
        for number, known in enumerate(self._asked):
            if same(known, asked):
                return number
        self._asked.append(asked)
        return len(self._asked) - 1

    # ... goes on --------------------------------------------------------------

    def _goes_on(self, watch: Watch, step: Step) -> bool:
        if watch.kind == "late" or self._is_refused(watch, step.input):
            return False
        if watch.kind == "repeat":
            return True
        return step.input is not watch.by and step.to.is_set(watch.by) and not step.reaction.sets(watch.by.cls)

    def _is_refused(self, watch: Watch, input: Input) -> bool:
        """What was refused may well be asked again."""
        return watch.asked >= 0 and input.asked is not None and same(input.asked, self._asked[watch.asked])

    # ... and was not in vain --------------------------------------------------

    def _seen(self, place: Place, step: Step) -> Iterator[Caught]:
        instance, watch = place
        if watch is None or step.reaction.trouble:
            return
        if watch.kind == "left":
            yield from self._left(instance, watch, step)
        elif any(same(asked, self._asked[watch.asked]) for asked in self._now_asked(instance, watch, step)):
            how = "repeat" if watch.kind == "repeat" else step.input.how
            last = Taken(step.input.event, how, step.reaction.effects)
            yield Caught(watch, self._asked[watch.asked], (*self._run(place), last))

    def _now_asked(self, instance: Instance, watch: Watch, step: Step) -> tuple[Asked, ...]:
        if watch.kind == "late":
            return step.reaction.asked if step.input.how == "event" else ()
        if step.input is not watch.by:
            return ()
        again = self._behaviour.asked_again
        return again(step.input, instance.state) if watch.kind == "repeat" else step.reaction.asked

    def _left(self, instance: Instance, watch: Watch, step: Step) -> Iterator[Caught]:
        timeout = watch.by
        if not step.to.has_ended or step.input.cls in (watch.cause.cls, timeout.cls) or timeout not in instance.due():
            return
        would_ask = self._behaviour.react(timeout, instance.state).asked
        if would_ask and not step.reaction.cancels(timeout.cls):
            yield Caught(watch, would_ask[0], (*self._run(place=(instance, watch)), taken(step)))

    def _run(self, place: Place) -> tuple[Taken, ...]:
        found: list[Taken] = []
        while (came := self._came[place]) is not None:
            place, step = came
            found.append(taken(step))
        return tuple(reversed(found))


def _still_set(instance: Instance, step: Step) -> Iterable[Input]:
    """The timeouts that were set before a step, and are after it, by nothing that the step did."""
    timeouts = dict.fromkeys(timer.timeout for timer in instance.timers)
    return [one for one in timeouts if step.to.is_set(one) and not step.reaction.sets(one.cls)]
