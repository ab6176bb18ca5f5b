"""Personal data in events: which fields hold them, whose they are, and how they are sealed by a key that can be destroyed.

An event is never changed, and a person may ask to be forgotten. So what is personal is written encrypted, under a key of the
person's own, kept apart from the events: without the key, the value is gone from every copy, backup and archive at once.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Any, Final, Protocol, TypeAlias, TypeVar, cast

import msgspec

from refold.errors import UsageError
from refold.messages import Spec, StreamName
from refold.upcasting import JsonObject

T = TypeVar("T")

MARK: Final = "refold: personal"
"""What an annotation carries whose values are personal."""

Personal: TypeAlias = Annotated[T | None, MARK]
"""A field of an event that holds personal data: `email: Personal[str]`. It reads as `None` once its subject is forgotten."""

SEALED: Final = "$sealed"
"""The only key of the JSON object that stands in the place of a sealed value: `{"$sealed": [subject, key, text]}`."""


class Box(msgspec.Struct, frozen=True, array_like=True):
    """A sealed value: whose it is, the id of the key as hex, and the encrypted JSON as Base64."""

    subject: str
    key: str
    text: str


class _Closed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A box as it stands in the JSON of an event."""

    box: Box = msgspec.field(name=SEALED)


class Sealing(Protocol):
    """Who seals values by the keys of their subjects, and opens them again. `has_keys`: whether any can be destroyed."""

    has_keys: bool

    def admit(self, type: str) -> None:
        """Whether events of a type that hold personal data can be written.

        Raises:
            UsageError: there are no keys.
        """
        ...

    def seal(self, subject: str, value: bytes) -> Box:
        """A value, as JSON, under the key of its subject, which is made if there is none. The same value gives the same box.

        Raises:
            StoreError: the keys cannot be reached.
        """
        ...

    def open(self, box: Box) -> bytes | None:
        """What was sealed; `None` if the key was destroyed.

        Raises:
            UsageError: the key was never here, or is not the one that it was sealed by.
            StoreError: the keys cannot be reached.
        """
        ...

    def known(self, subject: str) -> Sequence[bytes]:
        """The ids, of 16 bytes each, of all keys that a subject ever had, those that were destroyed included."""
        ...

    def is_forgotten(self, subject: str) -> bool:
        """Whether a subject had keys, and has none any more."""
        ...

    def destroy(self, subject: str, now: int) -> None:
        """Destroy the key of a subject, for good. `now`: microseconds since 1970 UTC."""
        ...

    def since(self, position: int) -> None:
        """It was last told at this position that somebody was forgotten: if that is news, no key is taken to be still there."""
        ...

    def of(self, tenant: str) -> Sealing:
        """The same for a tenant, whose subjects are others."""
        ...

    def close(self) -> None:
        """Let go of where the keys are."""
        ...


def marked_fields(cls: type[Any]) -> tuple[str, ...]:
    """The fields of a message class that hold personal data.

    Raises:
        UsageError: some do, by their text, and the annotations cannot be read: they would be written as they are.
    """
    try:
        return _marked(cast("Hashable", cls))  # mypy knows only of objects that they are
    except (NameError, TypeError) as error:  # of a class without any, whoever reads it for good tells it
        if any("Personal" in hint for base in cls.__mro__ for hint in _as_written(base)):
            raise UsageError(
                f"{cls.__qualname__} has personal fields, and its annotations cannot be read ({error}): define what they name "
                "in the module of the class."
            ) from error
        return ()


def _as_written(cls: type[Any]) -> Iterator[str]:
    """The annotations that a class itself has: those of the classes that it inherits from are with them."""
    return map(str, getattr(cls, "__annotations__", {}).values())


@lru_cache(maxsize=4_096)  # forms of commands are made for each that is sent, and this takes longer than the rest
def _marked(cls: Any) -> tuple[str, ...]:  # noqa: ANN401 - as the cache has it
    hints = typing.get_type_hints(cls, include_extras=True)
    return tuple(name for name, hint in hints.items() if MARK in getattr(hint, "__metadata__", ()))


def personal_fields(cls: type[Any]) -> tuple[str, ...]:
    """The same, by the names that they have in JSON."""
    names = _names_in_json(cls)
    return tuple(names.get(name, name) for name in marked_fields(cls))


@lru_cache(maxsize=4_096)
def _fields(cls: Any) -> frozenset[str]:  # noqa: ANN401 - as the cache has it
    """All fields, by these names; none, where the annotations cannot be read."""
    try:
        hints = typing.get_type_hints(cls)
    except (NameError, TypeError):
        return frozenset()
    names = _names_in_json(cls)
    return frozenset(names.get(name, name) for name in hints)


def _names_in_json(cls: type[Any]) -> Mapping[str, str]:
    if not issubclass(cls, msgspec.Struct):
        return {}
    return {field.name: field.encode_name for field in msgspec.structs.fields(cls)}


FORGOTTEN: Final = "$forgotten"
"""The category of the streams, one for each subject, that say that it was forgotten."""


def stream_of(subject: str) -> StreamName:
    """Where it is said that a subject was forgotten.

    Raises:
        InvalidName: the subject breaks the grammar of names, or is too long to be a part of one.
    """
    return StreamName(FORGOTTEN, subject)


def checked_subject(spec: Spec, message: object) -> str:
    """Whom a message is about.

    Raises:
        InvalidName: as `stream_of`.
    """
    return stream_of(spec.subject_of(message)).id


def sealed(sealing: Sealing, fields: Sequence[str], subject: str, data: bytes) -> bytes:
    """The JSON of an event, with its personal fields sealed."""
    shape = _as_object(data)
    for field in fields:
        plain = bytes(shape.get(field, _NULL))
        if plain != _NULL:
            box = sealing.seal(subject, plain)
            shape[field] = msgspec.Raw(msgspec.json.encode(_Closed(box)))
    return msgspec.json.encode(shape)


def opened(sealing: Sealing | None, data: bytes, fields: Collection[str]) -> bytes:
    """The JSON of an event, with what is sealed in it opened, and `null` for what is forgotten: all, if nobody opens it.

    `fields`: those that can be sealed. What only looks like a box elsewhere is somebody's value.

    Raises:
        UsageError, StoreError: as `Sealing.open`.
    """
    if _SIGN not in data:
        return data
    shape = _as_object(data)
    for name in shape.keys() & fields:
        shape[name] = _value(sealing, shape[name])
    return msgspec.json.encode(shape)


def opened_alike(sealing: Sealing | None, pair: tuple[bytes, bytes], fields: Collection[str]) -> tuple[bytes, ...]:
    """The JSON of two events, opened, with `null` in both for what is forgotten in one."""
    plain = [_as_object(opened(sealing, data, fields)) for data in pair]
    forgotten = {
        name
        for data, shape in zip(pair, plain, strict=True)
        for name, value in _as_object(data).items()
        if name in fields and bytes(shape[name]) == _NULL != bytes(value)
    }
    nulls = dict.fromkeys(forgotten, msgspec.Raw(_NULL))
    return tuple(msgspec.json.encode({**shape, **nulls}) for shape in plain)


def without_seals(
    sealing: Sealing | None,
    shape: JsonObject,
    data: bytes,
    classes: Callable[[], Iterable[type[Any]]] = tuple[type[Any], ...],
) -> JsonObject:
    """JSON that was read, of an older shape, with what is sealed in it opened, or `None` for what is forgotten.

    `classes`: what it will be read as. What they hold in a field that is not personal is somebody's value, and so is what
    no key opens under a name that none of them has.

    Raises:
        UsageError, StoreError: as `Sealing.open`, of a field that is personal.
    """
    if _SIGN not in data:
        return shape
    known = list(classes())
    personal = {name for cls in known for name in personal_fields(cls)}
    plain = {name for cls in known for name in _fields(cast("Hashable", cls))} - personal
    raw = _as_object(data)
    for name in raw.keys() - plain:
        raw[name] = (_value if name in personal else _value_if_sealed)(sealing, raw[name])
    return msgspec.json.decode(msgspec.json.encode(raw), type=JsonObject)


def as_forgotten(data: Mapping[str, Any]) -> JsonObject:
    """The JSON of an event, with nothing in the place of what is sealed."""
    return without_seals(None, dict(data), msgspec.json.encode(data))


_NULL: Final = b"null"
_SIGN: Final = f'"{SEALED}"'.encode()
_as_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_as_closed = msgspec.json.Decoder(_Closed).decode


def _value(sealing: Sealing | None, raw: msgspec.Raw) -> msgspec.Raw:
    try:
        box = _as_closed(raw).box
    except msgspec.DecodeError:
        return raw
    plain = None if sealing is None else sealing.open(box)
    return msgspec.Raw(_NULL if plain is None else plain)


def _value_if_sealed(sealing: Sealing | None, raw: msgspec.Raw) -> msgspec.Raw:
    try:
        return _value(sealing, raw)
    except (UsageError, ValueError):  # there is no such key, or nothing that it has sealed
        return raw
