"""Customers: they send the commands, one after another, each until an answer comes, and all of them from one list."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from refold.errors import Conflict, OutcomeUnknown, StoreError, UsageError, shortened
from refold.flows.prepare import Runtime
from refold.flows.transact import Handled, handle
from refold.fold import Decider
from refold.messages import Context, StreamName
from refold.ports import Backend
from refold.refusals import DeciderRefused, telling_refusals
from refold.testing.simulation.findings import Findings, told
from refold.testing.simulation.world import SECOND, Life

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

Sent: TypeAlias = "tuple[StreamName | str, object] | timedelta"
"""A command with the stream that it is for, as in `("cart-7", AddItem("b-1"))`; or a time that passes before the next one."""
Commands: TypeAlias = "Callable[[Random], Sequence[Sent]] | SearchStrategy[Any]"
"""Makes the commands of a run: a function of a `random.Random`, or a Hypothesis strategy for lists of them."""

_BETWEEN: Final = 0.02, 0.02, 0.02, 0.5, 7.0
"""Seconds from one command of a customer's to the next: one of these. A lease runs out in the longest."""
_AGAIN: Final = 0.1
"""Seconds until one is sent again that had no answer."""
_TRIED: Final = 12
"""So many examples are drawn of a strategy, and the last is taken: the first ones are the simplest."""


def drawn(commands: Commands, seed: int) -> Sequence[Sent]:
    """The commands of a seed.

    Raises:
        UsageError: they are no commands.
    """
    found = tuple(commands(Random(seed)) if callable(commands) else _of_a_strategy(commands, seed))  # noqa: S311 - it is to be foretold
    for each in found:
        if not isinstance(each, timedelta) and not _is_pair(each):
            raise UsageError(f"{shortened(each)} is no command with its stream: write ('cart-7', AddItem('b-1')).")
    return found


def _is_pair(value: object) -> bool:
    return isinstance(value, tuple) and len(cast("tuple[object, ...]", value)) == len(("stream", "command"))


def _of_a_strategy(strategy: SearchStrategy[Any], number: int) -> Sequence[Any]:
    from hypothesis import HealthCheck, Phase, given, seed, settings  # noqa: PLC0415 - only who has a strategy needs it

    found: list[Sequence[Any]] = []

    @seed(number)
    @settings(
        max_examples=_TRIED, phases=[Phase.generate], database=None, deadline=None, derandomize=False,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.nested_given],
    )  # fmt: skip
    @given(strategy)
    def draw(example: Sequence[Any]) -> None:
        found.append(example)

    draw()
    return found[-1]


@dataclass(slots=True)
class _Item:
    number: int
    stream: StreamName
    command: object
    answer: Handled[Any, Any] | None = None

    def __str__(self) -> str:
        return f"command {self.number}"


class Desk:
    """The list that customers take commands from, and what they were answered."""

    def __init__(
        self, sent: Sequence[Sent], deciders: Mapping[str, Decider[Any, Any, Any]], runtime: Runtime, findings: Findings
    ) -> None:
        """Raises `UsageError` if nobody decides upon a stream."""
        self._items = [(n, each) for n, each in enumerate(sent, 1)]
        self._deciders, self._runtime, self._findings = deciders, runtime, findings
        self._in_hand: dict[str, _Item] = {}
        self.opens = 0
        """Until then no command is sent, in microseconds."""
        self.refused, self.answered = 0, 0
        for each in sent:
            if not isinstance(each, timedelta):
                self._decider(StreamName.parse(each[0]))

    @property
    def is_done(self) -> bool:
        """Whether every command has its answer."""
        return not self._items and not self._in_hand

    async def customer(self, life: Life, backend: Backend) -> None:
        """Send commands as long as there are any. Whoever dies goes on with the one that it was at."""
        name = life.party.name
        while (item := self._in_hand.get(name)) is not None or self._items:
            if item is None and self.opens > life.world.clock.now():
                await life.pauses((self.opens - life.world.clock.now()) / SECOND)
                continue
            item = item or self._next(life)
            if item is not None:
                await self._until_answered(life, backend, item)
                del self._in_hand[name]
                await life.pauses(_BETWEEN[life.world.decisions.number(f"after {item}", len(_BETWEEN))])

    def _next(self, life: Life) -> _Item | None:
        number, sent = self._items.pop(0)
        if isinstance(sent, timedelta):
            self.opens = life.world.clock.now() + sent // timedelta(microseconds=1)
            life.world.say(f"{sent} pass.")
            return None
        item = _Item(number, StreamName.parse(sent[0]), sent[1])
        self._in_hand[life.party.name] = item
        life.world.say(f"{life.party.name} sends {item}, {shortened(item.command)}, to {item.stream}.")
        return item

    async def _until_answered(self, life: Life, backend: Backend, item: _Item) -> None:
        while True:
            try:
                handled = await self._handled(backend, item)
            except DeciderRefused as refusal:
                if item.answer is None:
                    self.refused += 1
                    return life.world.say(f"{item} is refused: {told(refusal.error)}.")
                return self._findings.note("repeat", f"{item} was obeyed, and then refused: {told(refusal.error)}.")
            except (StoreError, OutcomeUnknown, Conflict):
                await life.pauses(_AGAIN)
                continue
            except Exception as error:  # noqa: BLE001 - no rule of a decider's: whatever else is raised is found
                return self._findings.note("raised", f"{item}, {shortened(item.command)}, ends with {told(error)}.")
            if not await self._ask_again(life, item, handled):
                self.answered += 1
                return None

    async def _handled(self, backend: Backend, item: _Item) -> Handled[Any, Any]:
        decider = telling_refusals(self._decider(item.stream))
        key = f"command-{item.number}"
        context = Context(correlation_id=key)
        return await handle(backend, self._runtime, decider, item.stream.id, item.command, context, key)

    async def _ask_again(self, life: Life, item: _Item, handled: Handled[Any, Any]) -> bool:
        """Hold an answer against an earlier one; then whoever is to ask again does."""
        first, item.answer = item.answer, item.answer or handled
        if first is not None and first.events != handled.events:
            self._findings.note(
                "repeat",
                f"{item} was asked again with the same key, and led to "
                f"{shortened(handled.events)}, not to {shortened(first.events)}.",
            )
            return False
        fate = await life.asks(f"take the answer of {item}", "answer")
        if fate == "die after":
            life.die()
        return fate == "ask again"

    def _decider(self, stream: StreamName) -> Decider[Any, Any, Any]:
        if stream.category not in self._deciders:
            names = ", ".join(sorted(self._deciders)) or "none"
            raise UsageError(f"nobody decides upon {str(stream)!r}: the app has deciders of {names}.")
        return self._deciders[stream.category]
