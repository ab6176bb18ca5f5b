"""Classes to bytes and back, and the types that one store knows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

import msgspec

from refold.clock import as_datetime
from refold.errors import InvalidEvent, UndecodableEvent, UnknownEventType, UsageError, shortened
from refold.messages import Metadata, Position, RawEvent, Recorded, Spec, checked_name, parsed, spec_of
from refold.rows import Row

Decode: TypeAlias = Callable[[bytes], Any]
Decoders: TypeAlias = Mapping[tuple[str, int], Decode]
"""A decoder for each (type, schema version)."""

JsonObject: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Form:
    """How the messages of one class are written and read."""

    cls: type[Any]
    spec: Spec
    encode: Callable[[Any], bytes]
    decode: Decode

    def written(self, message: object) -> bytes:
        """The message as JSON.

        Raises:
            InvalidEvent: it would not read back equal: NaN, infinities, lone surrogates, a tuple in a field typed
                `Any`, values outside what JSON and the field's annotation can carry.
        """
        return _round_trip(self.spec.name, message, self.encode, self.decode)


class Codec:
    """The event types of one store: each wire name has one class, each class one form.

    With `RawEvent` among the classes, types that no class is known for are read as raw events.
    """

    def __init__(self, classes: Sequence[type[Any]] = ()) -> None:
        self._forms: dict[type[Any], Form] = {}
        self._by_name: dict[str, Form] = {}
        self._decoders: dict[tuple[type[Any], ...], Decoders] = {}
        self._raw = RawEvent in classes
        for cls in classes:
            if cls is not RawEvent:
                self.form(cls)

    def form(self, cls: type[Any]) -> Form:
        """How events of this class are written and read; the class is known to the store from now on.

        Raises:
            UsageError: it is no event, cannot be written as JSON, or its wire name belongs to another class.
        """
        form = self._forms.get(cls)
        return self._learn(cls) if form is None else form

    def _learn(self, cls: type[Any]) -> Form:
        form = form_of(cls, spec_of(cls))
        known = self._by_name.setdefault(form.spec.name, form)
        if known.cls is not cls:
            raise UsageError(
                f"event name {form.spec.name!r} is claimed by {known.cls.__module__}.{known.cls.__qualname__} and "
                f"{cls.__module__}.{cls.__qualname__}: in one store a name belongs to one class."
            )
        return self._forms.setdefault(cls, form)

    def decoders(self, classes: tuple[type[Any], ...]) -> Decoders:
        """The decoders of just these classes, for a fold."""
        found = self._decoders.get(classes)
        if found is None:
            forms = [self.form(cls) for cls in classes if cls is not RawEvent]
            found = self._decoders.setdefault(classes, _table(forms, raw=RawEvent in classes))
        return found

    @property
    def known(self) -> Decoders:
        """The decoders of every class that the store has met."""
        return _table(self._by_name.values(), raw=self._raw)


class _Raw(dict[tuple[str, int], Decode]):
    """Decoders that read a type without a class as a raw event."""

    def __missing__(self, key: tuple[str, int]) -> Decode:
        type, version = key
        return lambda data: RawEvent(type, object_of(data), version)


def _table(forms: Iterable[Form], *, raw: bool) -> Decoders:
    table = {(form.spec.name, form.spec.version): form.decode for form in tuple(forms)}
    return _Raw(table) if raw else table


def form_of(cls: type[Any], spec: Spec) -> Form:
    """How messages of a class are written and read.

    Raises:
        UsageError: a field has a type that JSON cannot carry.
    """
    if hasattr(cls, "model_validate_json"):
        return Form(cls, spec, lambda message: message.model_dump_json().encode(), cls.model_validate_json)
    try:
        decode = msgspec.json.Decoder(cls, dec_hook=_read_foreign).decode
    except (TypeError, NameError) as error:
        raise UsageError(
            f"{spec.kind} {spec.name!r} ({cls.__qualname__}) cannot be stored as JSON: {error}."
        ) from error
    return Form(cls, spec, _ENCODE, decode)


def _write_foreign(value: Any) -> Any:
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    raise NotImplementedError(f"objects of type {type(value).__name__} cannot be stored as JSON")


def _read_foreign(cls: type[Any], value: Any) -> Any:
    if hasattr(cls, "model_validate"):
        return cls.model_validate(value)
    raise NotImplementedError(f"objects of type {cls.__name__} cannot be read from JSON")


_ENCODE = msgspec.json.Encoder(enc_hook=_write_foreign).encode
_DECODE_ANY = msgspec.json.Decoder().decode
_DECODE_OBJECT = msgspec.json.Decoder(JsonObject).decode
_DECODE_TAGS = msgspec.json.Decoder(frozenset[str]).decode
_DECODE_METADATA = msgspec.json.Decoder(dict[str, str]).decode


def _round_trip(name: str, value: Any, encode: Callable[[Any], bytes], decode: Decode) -> bytes:
    try:
        data = encode(value)
        back = decode(data)
    except Exception as error:  # whatever a user's type or validator raises, the event is refused
        raise InvalidEvent(f"event {name!r} cannot be stored: {error}. It was {shortened(value)}.") from error
    if back != value:
        raise InvalidEvent(
            f"event {name!r} would not read back equal: {shortened(value)} became {shortened(back)}. "
            "JSON has no NaN or infinity, and a field typed Any reads back as plain JSON: annotate it with what it holds."
        )
    return data


def raw_json(event: RawEvent) -> bytes:
    """The data of an event without a class as JSON.

    Raises:
        InvalidName: its type.
        InvalidEvent: its data are not a JSON object that reads back equal.
    """
    checked_name("event type", event.type)
    return _round_trip(event.type, dict(event.data), _ENCODE, _DECODE_OBJECT)


def object_of(data: bytes) -> JsonObject:
    """The JSON object that an event's data are, whatever its class."""
    return _DECODE_OBJECT(data)


def as_json(value: object) -> Any:
    """A value of any class that events can hold, as plain JSON: for showing states and differences."""
    return _DECODE_ANY(_ENCODE(value))


def decoded(
    decoders: Decoders, type: str, schema_version: int, data: bytes, stream: str, version: int, position: int
) -> Any:
    """The event that stored data are.

    Raises:
        UnknownEventType: no decoder has this name.
        UndecodableEvent: the data do not fit the class, or are of another schema version.
    """
    try:
        decode = decoders[type, schema_version]
    except KeyError:
        raise _unreadable(decoders, type, schema_version, stream, version, position) from None
    try:
        return decode(data)
    except Exception as error:  # a user's validator may raise anything
        raise UndecodableEvent(type, stream, version, position, error) from error


def _unreadable(
    decoders: Decoders, type: str, schema_version: int, stream: str, version: int, position: int
) -> UnknownEventType | UndecodableEvent:
    versions = [known for name, known in decoders if name == type]
    if not versions:
        return UnknownEventType(type, stream, version, position, {name for name, _ in decoders})
    reason = f"it was stored with schema version {schema_version}, the class has version {versions[0]}"
    return UndecodableEvent(type, stream, version, position, reason)


def recorded(decoders: Decoders, row: Row, id: UUID, recorded_at: datetime) -> Recorded[Any]:
    """A stored event with its data as an instance of its class, and with its id and time as they were converted.

    Raises:
        UnknownEventType, UndecodableEvent: the decoders cannot read it.
    """
    position, stream, version, _, type, schema_version, data, tags, _, valid_at, story, cause, actor, free = row
    return Recorded(
        decoded(decoders, type, schema_version, data, stream, version, position),
        type,
        schema_version,
        parsed(stream),
        version,
        Position(position),
        recorded_at,
        id,
        _NO_TAGS if tags == "[]" else _DECODE_TAGS(tags),
        Metadata(
            story,
            cause,
            actor,
            None if valid_at is None else as_datetime(valid_at),
            _NO_METADATA if free == b"{}" else _DECODE_METADATA(free),
        ),
    )


_NO_TAGS: frozenset[str] = frozenset()
_NO_METADATA: Mapping[str, str] = {}
