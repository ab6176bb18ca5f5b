"""All that can become of one instance within so many inputs: breadth first, each instance that is like another only once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeAlias

from refold.external import Call
from refold.fold import Send
from refold.process import After, At, Effect
from refold.testing.processcheck.behaviour import Behaviour
from refold.testing.processcheck.instance import Input, Instance, Reaction, message

Possible: TypeAlias = Callable[[Any, frozenset[type[Any]]], bool]
"""Whether the world can bring an event, given the classes of what the instance was given and has asked."""


class Step(NamedTuple):
    """One input, what came of it, and the instance after it: the same one if the functions of the process failed."""

    input: Input
    reaction: Reaction
    to: Instance


@dataclass(frozen=True, slots=True)
class Taken:
    """One line of a run: an event, in what capacity it came, and what the process yielded upon it."""

    event: object
    how: Literal["event", "timeout", "refusal", "repeat"]
    effects: tuple[Effect, ...]


@dataclass
class Explored:
    """Instances, the steps out of each that was looked into, and the shortest way to it."""

    start: Instance
    steps: dict[Instance, tuple[Step, ...]] = field(default_factory=dict[Instance, tuple[Step, ...]])
    far: dict[Instance, int] = field(default_factory=dict[Instance, int])
    came: dict[Instance, tuple[Instance, Step]] = field(default_factory=dict[Instance, tuple[Instance, Step]])

    def every_step(self) -> Iterator[tuple[Instance, Step]]:
        """Each step with where it starts, the nearest first."""
        for instance, steps in self.steps.items():
            for step in steps:
                yield instance, step

    def open(self) -> Iterator[Instance]:
        """Those that still run and were not looked into, for the bound."""
        return (one for one in self.far if not one.has_ended and one not in self.steps)

    def run(self, instance: Instance) -> tuple[Taken, ...]:
        """The shortest run that leads to it."""
        found: list[Taken] = []
        while instance in self.came:
            instance, step = self.came[instance]
            found.append(taken(step))
        return tuple(reversed(found))

    def caused(self) -> frozenset[type[Any]]:
        """The classes of the timeouts and refusals that come back to the process."""
        return frozenset(cls for _, step in self.every_step() for cls in _caused(step.reaction))

    def asked(self) -> frozenset[type[Any]]:
        """The classes of what is sent and asked."""
        return frozenset(message(asked).__class__ for _, step in self.every_step() for asked in step.reaction.asked)


def _caused(reaction: Reaction) -> Iterator[type[Any]]:
    for effect in reaction.effects:
        if isinstance(effect, After | At):
            yield effect.timeout.__class__
        elif isinstance(effect, Send | Call) and effect.fallback is not None:
            yield effect.fallback.__class__


def taken(step: Step) -> Taken:
    """A step as a line of a run."""
    return Taken(step.input.event, step.input.how, step.reaction.effects)


def explored(
    behaviour: Behaviour, events: Sequence[Input], possible: Possible | None, *, depth: int, most: int
) -> Explored:
    """Everything within `depth` inputs from the beginning, but no more than about `most` instances."""
    found = Explored(Instance(behaviour.initial))
    found.far[found.start] = 0
    waiting = deque([found.start])
    while waiting and len(found.far) < most and found.far[waiting[0]] < depth:
        waiting.extend(_looked_into(behaviour, found, waiting.popleft(), events, possible))
    return found


def _looked_into(
    behaviour: Behaviour, found: Explored, instance: Instance, events: Sequence[Input], possible: Possible | None
) -> Iterator[Instance]:
    """Note the steps out of an instance, and give those that still run and were not known."""
    steps = found.steps[instance] = tuple(
        _step(behaviour, instance, one) for one in _inputs(behaviour, instance, events, possible)
    )
    for step in steps:
        if step.to not in found.far:
            found.far[step.to] = found.far[instance] + 1
            found.came[step.to] = instance, step
            if not step.to.has_ended:
                yield step.to


def _inputs(
    behaviour: Behaviour, instance: Instance, events: Sequence[Input], possible: Possible | None
) -> Iterator[Input]:
    starts = behaviour.process.starts_on
    for one in events:
        may_begin = instance.has_begun or not starts or issubclass(one.cls, starts)
        if may_begin and (possible is None or possible(one.event, instance.seen)):
            yield one
    yield from instance.due()
    yield from dict.fromkeys(instance.refusals)


def _step(behaviour: Behaviour, instance: Instance, input: Input) -> Step:
    reaction = behaviour.react(input, instance.state)
    return Step(input, reaction, instance if reaction.trouble else behaviour.after(instance, input, reaction))
