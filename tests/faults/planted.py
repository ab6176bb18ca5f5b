"""Faults to plant: each is one that a runner could have, and that a test here is there to find."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from tests.faults import planted_sagas

from refold import runner
from refold.flows.projections import batch, publishing, rebuilding, switching, work
from refold.flows.projections.builds import builds, with_role
from refold.http import sending
from refold.ports import Own, Rows
from refold.projection import Statement
from refold.publication import Publication

Put: TypeAlias = Callable[[Any, str, Any], None]
"""`setattr`, or that of a monkeypatch."""


class Torn:
    """A target, to which what should be one transaction is two: the claim in one of them, all else in the other."""

    def __init__(self, target: Any, *, claim_first: bool) -> None:
        self._target, self._claim_first = target, claim_first

    def __getattr__(self, name: str) -> Any:
        return getattr(self._target, name)

    async def work(self, steps: Sequence[Own | Statement]) -> Sequence[Rows]:
        """In two."""
        claim = [step for step in steps if isinstance(step, Own) and step.must]
        parts = [claim, [step for step in steps if step not in claim]]
        for part in parts if self._claim_first else reversed(parts):
            await self._target.work(part)
        return ()


def checkpoint_first(put: Put) -> None:
    """The checkpoint is moved, and then the events are applied."""
    _torn(put, claim_first=True)


def checkpoint_last(put: Put) -> None:
    """The events are applied, and then the checkpoint is moved."""
    _torn(put, claim_first=False)


def _torn(put: Put, *, claim_first: bool) -> None:
    whole: Any = work._done

    async def done(target: Any, runtime: Any, at: Any, events: Any, to: int, inside: Any) -> Any:
        return await whole(target if inside else Torn(target, claim_first=claim_first), runtime, at, events, to, inside)

    put(work, "_done", done)


def sent_last(put: Put) -> None:
    """The checkpoint is moved, and then the messages are sent."""
    whole: Any = work._done

    async def publish(runtime: Any, at: Any, publication: Any, events: Any, to: int) -> int:
        return to

    async def done(target: Any, runtime: Any, at: Any, events: Any, to: int, inside: Any) -> Any:
        finished = await whole(target, runtime, at, events, to, inside)
        if isinstance(at.projection, Publication):
            await publishing.send_all(at.projection, events)
        return finished

    put(work, "publish", publish)
    put(work, "_done", done)


def no_fence(put: Put) -> None:
    """Whoever stands at the right position may write."""
    put(work, "_MOVE", _without(work._MOVE, "and fence = :fence", "and :fence > 0"))


def no_fence_and_no_position(put: Put) -> None:
    """Whoever comes may write."""
    no_fence(put)
    put(work, "_MOVE", _without(work._MOVE, "and position = :after", "and :after >= 0"))


def effects_while_building(put: Put) -> None:
    """What must happen once for ever happens again when a read model is built anew."""
    put(batch.Batch, "apply", _always(batch.Batch.apply, effects_after=0))


def no_effects_after_the_switch(put: Put) -> None:
    """They are forgotten."""
    put(batch.Batch, "apply", _always(batch.Batch.apply, effects_after=None))


def effects_of_what_the_other_did_not_come_to(put: Put) -> None:
    """A build goes on past the one that causes the effects, and takes its place."""

    async def nothing(*of: Any) -> None: ...

    put(rebuilding, "until_of", nothing)
    put(runner, "until_of", nothing)
    put(switching, "_EXACTLY", switching._ARRIVED)


def a_switch_before_the_time(put: Put) -> None:
    """The new version is shown as soon as it has begun."""
    put(switching, "_ARRIVED", "select 1")

    async def switched(source: Any, target: Any, runtime: Any, projection: Any, build: Any) -> bool:
        active = with_role(await builds(target, projection.name), "active")
        if active is not None:
            await switching.switch(target, runtime, active, build, exactly=False)
        return True

    put(runner, "try_switch", switched)
    put(rebuilding, "try_switch", switched)


def a_switch_in_two_parts(put: Put) -> None:
    """The roles are changed, and then the tables' names."""
    whole: Any = switching._switched

    async def switched(target: Any, steps: Any, active: Any, building: Any, arrive: Any) -> None:
        await target.work(steps)
        await whole(target, [], active, building, None)

    put(switching, "_switched", switched)


def what_is_parked_is_forgotten(put: Put) -> None:
    """By the next step, what waits behind it is applied."""

    def kept_in_mind(at: work.Work, done: Any) -> Any:
        at.applied.keep(done.bits)
        at.position = done.stepped.position
        return done.stepped

    put(work, "_kept_in_mind", kept_in_mind)


def all_made_ready(put: Put) -> None:
    """A server makes all events ready for a client that takes its time."""
    put(sending, "AHEAD", 1 << 60)


def _always(call: Any, **forced: Any) -> Any:
    async def forcing(*of: Any, **named: Any) -> Any:
        return await call(*of, **{**named, **forced})

    return forcing


def _without(text: str, old: str, new: str) -> str:
    assert old in text, f"this fault no longer fits: {old!r} is not in {text}"
    return text.replace(old, new)


PLANTS: Final[Mapping[str, Callable[[Put], None]]] = dict(planted_sagas.PLANTS) | {
    plant.__name__: plant
    for plant in (
        checkpoint_first, checkpoint_last, sent_last, no_fence, no_fence_and_no_position, effects_while_building,
        no_effects_after_the_switch, effects_of_what_the_other_did_not_come_to, a_switch_before_the_time, a_switch_in_two_parts,
        what_is_parked_is_forgotten, all_made_ready,
    )
}  # fmt: skip
