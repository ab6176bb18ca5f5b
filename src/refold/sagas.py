"""Saga: steps with what undoes them, as a list or as plain code."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property
from inspect import iscoroutinefunction, unwrap
from itertools import pairwise
from typing import Any, Final, Generic, Protocol, TypeAlias, TypeVar

from refold.errors import UsageError, shortened
from refold.external import Retry
from refold.fold import Send, parameter_classes
from refold.messages import Recorded, checked_name, spec_of
from refold.process import by_stream_id, check_names
from refold.steps import PATIENCE, Step, Steps

B = TypeVar("B")

Code: TypeAlias = Callable[[Steps, B], Coroutine[Any, Any, object]]
"""A saga's code: it is run anew with each result that comes, up to where it has to wait."""
Act: TypeAlias = Callable[[B, str], Awaitable[object] | object]
"""Does something outside the store, given the event that began the saga, and an idempotency key."""
_RETRY: Final = Retry()


@dataclass(frozen=True)
class Declared(Generic[B]):
    """One step of a declared saga."""

    name: str
    act: Act[B] | None = None
    undo: Act[B] | None = None
    send: Callable[[B], Send] | None = None
    unsend: Callable[[B], Send] | None = None
    retry: Retry = _RETRY
    timeout: timedelta = PATIENCE
    pivot: bool = False

    def of(self, s: Steps, event: B) -> Step[Any]:
        """The step, for one instance."""
        if self.send is not None:
            undo = None if self.unsend is None else self.unsend(event)
            return s.command(self.name, self.send(event), undo=undo, pivot=self.pivot)
        assert self.act is not None  # noqa: S101 - one of the two is there
        return s.step(
            self.name, self.act, event, s.key(self.name),
            undo=self.undo, retry=self.retry, timeout=self.timeout, pivot=self.pivot,
        )  # fmt: skip

    @property
    def can_be_undone(self) -> bool:
        """Whether it says how."""
        return self.undo is not None or self.unsend is not None


@dataclass(frozen=True)
class Saga(Generic[B]):
    """A process written as steps, each with what undoes it. It is declared, step after step.

        fulfilment = (
            Saga("fulfilment", OrderPlaced)
            .command("reserve", lambda o: stock.send(o.sku, Reserve(o.id)), undo=lambda o: stock.send(o.sku, Release(o.id)))
            .step(charge, undo=refund, retry=Retry(attempts=8), pivot=True)
            .step(ship)
        )

    Or as plain code, by `@saga`. An event of the class `begins` begins an instance; `key` says which one an event belongs to.
    `hears`: the classes of other events that plain code waits for.
    """

    name: str
    begins: type[B] | None = None
    version: int = field(default=1, kw_only=True)
    hears: tuple[type[Any], ...] = field(default=(), kw_only=True)
    key: Callable[[Recorded[Any]], str] = field(default=by_stream_id, kw_only=True)
    code: Code[B] | None = field(default=None, kw_only=True)
    stages: tuple[tuple[Declared[B], ...], ...] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        check_names("saga", self.name, self.version)
        if (self.begins is None) == (self.code is None):
            raise UsageError(
                f"saga {self.name!r}: declare it as Saga({self.name!r}, EventThatBeginsIt), or write @saga."
            )
        if self.code is not None and not iscoroutinefunction(unwrap(self.code)):
            code = getattr(self.code, "__qualname__", shortened(self.code))
            raise UsageError(f"saga {self.name!r}: {code} cannot await its steps: write async def.")

    @cached_property
    def begins_on(self) -> tuple[type[Any], ...]:
        """The classes of the events that begin an instance: of plain code, those in the annotation of its second parameter.

        Raises:
            UsageError: there is no annotation, or it names what is no event.
        """
        found = (self.begins,) if self.code is None else parameter_classes(self.code, 1, f"Saga({self.name!r}, ...)")
        for cls in found:
            spec_of(cls)  # type: ignore[arg-type] # without code there is a class
        return found  # type: ignore[return-value] # as above

    @property
    def event_types(self) -> tuple[type[Any], ...]:
        """The classes of the application's events that concern it."""
        return tuple(dict.fromkeys((*self.begins_on, *self.hears)))

    # Declared

    def step(
        self, act: Act[B], *, name: str | None = None, undo: Act[B] | None = None, retry: Retry = _RETRY,
        timeout: timedelta = PATIENCE, pivot: bool = False,
    ) -> Saga[B]:  # fmt: skip
        """And then something outside the store: `act(event, key)`, tried as `retry` says; a coroutine function has `timeout`.

        `undo` is called with the same if a later step fails, and also if this one does, since then nobody knows whether it had
        an effect: it must accept that there is nothing to undo. After the `pivot` the saga only goes forward.
        """
        named = name or str(getattr(act, "__name__", ""))
        return self.side_by_side(Declared(named, act, undo, retry=retry, timeout=timeout, pivot=pivot))

    def command(
        self, name: str, send: Callable[[B], Send], *, undo: Callable[[B], Send] | None = None, pivot: bool = False
    ) -> Saga[B]:
        """And then a command to a decider, with effect once, and one that undoes it. It fails if the decider refuses it."""
        return self.side_by_side(Declared(name, send=send, unsend=undo, pivot=pivot))

    def side_by_side(self, *steps: Declared[B]) -> Saga[B]:
        """And then these steps, side by side.

        Raises:
            UsageError: two steps have one name, or the saga is plain code.
        """
        if self.code is not None:
            raise UsageError(f"saga {self.name!r} is plain code: await the step there.")
        names = [step.name for stage in (*self.stages, steps) for step in stage]
        if twice := [name for name in names if names.count(name) > 1]:
            raise UsageError(f"saga {self.name!r} has two steps named {twice[0]!r}: give one another name=.")
        for name in names:
            checked_name("step name", name)
        return replace(self, stages=(*self.stages, steps))

    async def run(self, s: Steps, event: B) -> object:
        """Its code."""
        if self.code is not None:
            return await self.code(s, event)
        for stage in self.stages:
            await s.parallel(*(step.of(s, event) for step in stage))
        return None

    def diagram(self) -> str:
        """A declared saga as a Mermaid flowchart: solid arrows forward, dotted ones where it undoes.

        Raises:
            UsageError: it is plain code, of which nobody knows the steps before they are taken.
        """
        if not self.stages:
            raise UsageError(
                f"saga {self.name!r} declares no steps: what plain code does is in its instances' journals."
            )
        return _drawn(self)


class Marking(Protocol):
    """What `@saga(...)` gives."""

    def __call__(self, code: Code[B], /) -> Saga[B]:
        """The saga that runs this code."""
        ...


def saga(
    name: str, *, version: int = 1, hears: Sequence[type[Any]] = (), key: Callable[[Recorded[Any]], str] = by_stream_id
) -> Marking:
    """Write a saga as plain code that awaits named steps.

        @saga("checkout", hears=[Approved])
        async def checkout(s: Steps, order: OrderPlaced) -> None:
            await s.step("reserve", reserve, order.sku, s.key("reserve"), undo=release)
            await s.step("pay", charge, order.cents, s.key("pay"), undo=refund, pivot=True)
            await s.wait_for("approved", Approved)

    The code must depend on nothing but its steps' results: it runs again from its beginning with each that comes. A step
    that fails raises `StepFailed`; what leaves the code as a `SagaFailure` lets all that was done be undone, in reverse.

    Raises:
        UsageError, InvalidName: the name is none, the version is below 1, or the function is no `async def`.
    """

    def mark(code: Code[B], /) -> Saga[B]:
        return Saga(name, version=version, hears=tuple(hears), key=key, code=code)

    return mark


def _drawn(saga: Saga[Any]) -> str:
    lines, before, pivoted = ["flowchart LR", f'  begin(["{spec_of(saga.begins_on[0]).name}"])'], ["begin"], False
    undone: list[str] = []
    for row, stage in enumerate(saga.stages):
        ids = [f"s{row}_{column}" for column in range(len(stage))]
        for id, step in zip(ids, stage, strict=True):
            lines += [
                f'  {id}["{step.name}{" (pivot)" if step.pivot else ""}"]',
                *(f"  {each} --> {id}" for each in before),
            ]
            if not pivoted and step.can_be_undone:
                lines.append(f'  {id}_undo["undo {step.name}"]')
                undone.append(f"{id}_undo")
        pivoted, before = pivoted or any(step.pivot for step in stage), ids
    lines += [f"  {each} --> done([completed])" for each in before]
    lines += [f"  {later} -.-> {earlier}" for earlier, later in pairwise(undone)]
    return "\n".join([*lines, *([f"  {undone[0]} -.-> compensated([compensated])"] if undone else [])]) + "\n"
