"""The awaiting face of an inbox: what a message leads to, once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from refold.closing import Closing
from refold.cloudevents import CloudEvent
from refold.flows.append import Receipt, append
from refold.flows.inbox import context_of, inbox_key, with_ids
from refold.flows.prepare import Runtime
from refold.flows.taking import decider_of, take
from refold.flows.transact import Handled, kind_of
from refold.fold import Decider
from refold.messages import Context, StreamName
from refold.query import ANY

if TYPE_CHECKING:
    from refold._bridge.awaiting import AwaitingEngine
    from refold._bridge.native import NativeAwaitingEngine

C = TypeVar("C")
S = TypeVar("S")
E = TypeVar("E")
Engine: TypeAlias = "AwaitingEngine | NativeAwaitingEngine"


class AsyncReceived:
    """A message that a consumer has received. What it leads to is stored with the mark that it was received, or not at all."""

    def __init__(self, engine: Engine, runtime: Runtime, context: Context, consumer: str, message: CloudEvent) -> None:
        self._engine, self._runtime, self._context = engine, runtime, context_of(context, message)
        self.message = message
        self.key = inbox_key(consumer, message)
        """The idempotency key of this message, for this consumer."""

    async def handle(self, decider: Decider[C, S, E] | Closing[C, S, E], id: str, command: C) -> Handled[S, E]:
        """Let a decider decide upon the command that the message means. Received again, it gives the first outcome, for ever.

        Raises:
            KeyReused: the message meant another command, or another stream, when it was received before.
            Conflict, Refused, OutcomeUnknown, StoreError: as `CommandStreams.handle`. What the decider raises comes out as it
                is; then the message is not taken, and may come again.
        """
        deciding = decider_of(decider)
        self._runtime.codec.decoders(deciding.event_types)
        return await self._engine.inside(
            lambda b: take(b, self._runtime, decider, id, command, self._context, self.key),
            kind_of(deciding.decide),
            str(decider.stream(id)),
        )

    async def append(self, stream: StreamName | str, events: Iterable[object]) -> Receipt:
        """Append the events that the message means. Received again, it gives the first outcome.

        Raises:
            IdReused: the message meant other events, or another stream, when it was received before.
            Refused, OutcomeUnknown, StoreError: as `Store.append`.
        """
        known = with_ids(self.key, events)
        return await self._engine.outside(
            lambda b: append(b, self._runtime, stream, known, expected=ANY, condition=None, context=self._context)
        )
