"""Publication: which events are told to others, as which messages, and who is given them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from copy import copy
from datetime import timedelta
from inspect import isawaitable, iscoroutinefunction
from typing import Any, Final, Protocol, Self, TypeAlias, cast, runtime_checkable

import msgspec

from refold.cloudevents import CloudEvent, Extension, checked
from refold.codec import Form, form_of, raw_json
from refold.errors import UsageError
from refold.external import Retry
from refold.messages import RawEvent, Recorded, spec_of
from refold.projection import Caused, Projection, by_stream

RETRY: Final = Retry(8, timedelta(seconds=0.5), timedelta(seconds=30))
"""How often a message is sent that its receiver does not take: for about a minute."""
Told: TypeAlias = Callable[[Recorded[Any]], str]


@runtime_checkable
class Sender(Protocol):
    """Whoever is given messages: a broker, an address on the web."""

    @property
    def awaits(self) -> bool:
        """Whether its calls suspend, so that blocking code cannot use it."""
        ...

    async def send(self, message: CloudEvent) -> None:
        """Hand a message over, and return when it is acknowledged.

        Raises:
            ReceiverAway: nobody answers now.
            ReceiverGone, AddressRefused: nothing must be sent there any more.
            Anything else: this message was not taken.
        """
        ...


class Calling:
    """A function as a sender; what it raises, the message is refused for, unless it could not connect."""

    def __init__(self, function: Callable[[CloudEvent], Awaitable[None] | None]) -> None:
        self._function = function
        self.awaits = iscoroutinefunction(function) or iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004 - how it is defined counts

    async def send(self, message: CloudEvent) -> None:
        """Call it, and await what it gives if that can be awaited."""
        answer = self._function(message)
        if isawaitable(answer):
            await answer


def stream_of(recorded: Recorded[Any]) -> str:
    """The usual subject."""
    return str(recorded.stream)


class Publication(Projection):
    """Events that are sent to others as CloudEvents, in the order of their `key`, each at least once.

    `to`: a sender, such as `Webhook(url)`, or a function that is called with each message, blocking or async; it has taken a
    message when it returns. `source`: where the events happen, as a URI reference, such as `/shop`. `type` and `subject` of a
    message follow from the event: its wire name, and its stream, unless functions say otherwise. `data`: what is sent in
    place of the event's own, as anything that JSON can hold. `retry`: how often a message is sent that is not taken, before
    it and those behind it of its key are parked.

    Its checkpoint is that of a projection of this name. It moves when messages are acknowledged, so one that was may be sent
    again, with the same id. `RawEvent` publishes every event.
    """

    def __init__(
        self,
        name: str,
        *events: type[Any],
        to: Sender | Callable[[CloudEvent], Awaitable[None] | None],
        source: str,
        key: Callable[[Recorded[Any]], str] = by_stream,
        type: Told | None = None,
        subject: Told | None = stream_of,
        data: Callable[[Recorded[Any]], object] | None = None,
        retry: Retry = RETRY,
    ) -> None:
        super().__init__(name, key=key)
        if not events:
            raise UsageError(f"publication {name!r} publishes nothing: name classes of events, or RawEvent for all.")
        self.sender = to if isinstance(to, Sender) else Calling(_callable(name, to))
        self.source, self.retry = source, retry
        self._type, self._subject, self._data = type, subject, data
        self._forms: dict[Any, Form] = {}
        checked(CloudEvent("-", source, "-"))
        for event in events:
            self.on(event)(_nothing)

    def sent_by(self, sender: Sender) -> Self:
        """The same publication, whose messages another sender is given."""
        other = copy(self)  # of its own class, which may say more of its messages
        other.sender = sender
        return other

    def message(self, recorded: Recorded[Any]) -> CloudEvent:
        """The message that an event becomes: the same each time.

        Raises:
            BadMessage: an attribute is none that the specification allows.
            What a function of the application's raises.
        """
        part = "" if recorded.parts == 1 else f"#{recorded.part}"
        return checked(
            CloudEvent(
                f"{recorded.id}{part}",
                self.source,
                recorded.type if self._type is None else self._type(recorded),
                self._own_data(recorded.data) if self._data is None else msgspec.json.encode(self._data(recorded)),
                None if self._subject is None else self._subject(recorded),
                recorded.recorded_at,
                extensions=self._extensions(recorded),
            )
        )

    def _own_data(self, event: object) -> bytes:
        if isinstance(event, RawEvent):
            return raw_json(event)
        cls = event.__class__
        form = self._forms.get(cls) or self._forms.setdefault(cls, form_of(cls, spec_of(cls)))
        return form.encode(event)

    def _extensions(self, recorded: Recorded[Any]) -> dict[str, Extension]:
        found: dict[str, Extension] = {
            "partitionkey": self.checked_key(recorded) or "-",  # it must not be empty
            "sequence": f"{recorded.position:020d}",  # ordered as text, as the specification asks for
            "correlationid": recorded.metadata.correlation_id,
        }
        if recorded.metadata.causation_id:
            found["causationid"] = recorded.metadata.causation_id
        if trace := recorded.metadata.free.get("traceparent"):
            found["traceparent"] = trace
        if self._data is None:
            found["schemaversion"] = recorded.schema_version
        return found


def _nothing(_: Recorded[Any]) -> tuple[Caused, ...]:
    """A publication changes no rows."""
    return ()


def _callable(name: str, to: object) -> Callable[[CloudEvent], Awaitable[None] | None]:
    if not callable(to):
        raise UsageError(
            f"publication {name!r} has to= of class {type(to).__name__}: give Webhook(url, secret=...), faststream(broker, "
            "destination), or a function that takes a message."
        )
    return cast("Callable[[CloudEvent], Awaitable[None] | None]", to)
