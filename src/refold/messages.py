"""Events and commands, the names they travel under, and the envelope in which a store returns them."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from functools import lru_cache
from typing import Any, Final, Generic, TypeAlias, TypeVar, cast, dataclass_transform
from uuid import UUID

import msgspec

from refold.errors import InvalidEvent, InvalidName, UsageError, shortened
from refold.upcasting import Upcaster

T = TypeVar("T")
E = TypeVar("E", covariant=True)
_new, _set = object.__new__, object.__setattr__

Tags: TypeAlias = Callable[[Any], Iterable[str]] | tuple[str, ...]
"""How an event's tags follow from it: a function, or the names of fields, each giving the tag `field:value`.

The value is as it is in JSON: of an enum the value of its member, and so on. A collection gives a tag for each member, None
gives none.
"""
Subject: TypeAlias = Callable[[Any], str] | str
"""Whom an event is about, by a function, or by the name of a field, which gives `field:value`."""

NAME_LIMIT = 200
_NOT_PRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")


def checked_name(kind: str, name: object) -> str:
    """`name`, if the grammar that all names share allows it: 1 to 200 printable characters, spaces included.

    Refused are control characters, line separators, characters that turn the direction of text, and lone surrogates.

    Raises:
        InvalidName: `kind` says what the name was for.
    """
    if not isinstance(name, str):
        raise InvalidName(kind, name, f"it must be text, not {type(name).__name__}")
    if not name.strip():
        raise InvalidName(kind, name, "it is empty")
    if len(name) > NAME_LIMIT:
        raise InvalidName(kind, name, f"it has {len(name):,} characters, {NAME_LIMIT} are allowed")
    if bad := _NOT_PRINTABLE.search(name):
        raise InvalidName(kind, name, f"character {bad.start() + 1} (U+{ord(bad[0]):04X}) is not printable")
    return name


def several(what: str, given: Iterable[T]) -> Iterable[T]:
    """`given`, unless it is one text, which would be taken for a collection of its letters, or no collection at all.

    Raises:
        UsageError: it is; `what` is the parameter.
    """
    if isinstance(given, str | bytes):
        text = shortened(given)
        raise UsageError(f"{what}={text} is one text, and would be read letter by letter: give a collection, [{text}].")
    if not isinstance(cast("object", given), Iterable):
        raise UsageError(f"{what}={shortened(given)} is no collection: write it into one, [...].")
    return given


def made(what: str, given: T) -> T:
    """`given`, unless it is the class of what is meant.

    Raises:
        UsageError: it is; `what` takes it.
    """
    if isinstance(given, type):
        name = given.__qualname__
        raise UsageError(f"{what} was given the class {name}, and takes one of it: write {name}(...).")
    return given


OWN: Final = "$"
"""What the name of every stream begins with that is Refold's: read only if it is asked for; and every key of metadata."""
JOURNALS: Final = "$process."
"""What the category of every stream begins with in which a process keeps what an instance saw and did."""


@dataclass(frozen=True, slots=True, order=True)
class StreamName:
    """The name of one stream, written `category-id`; the category ends at the first `-`.

    Names are compared character by character: no case folding, no Unicode normalisation. A category that begins
    with `$` belongs to Refold.
    """

    category: str
    id: str

    def __post_init__(self) -> None:
        text = checked_name("stream name", str(self))
        if not self.category or "-" in self.category:
            raise InvalidName("stream name", text, f"its category {self.category!r} must have a character, and no '-'")
        if cast("object", self.id) in {"", None}:  # a number does for one, 0 too
            raise InvalidName("stream name", text, f"there is no id after the category {self.category!r}")

    def __str__(self) -> str:
        return f"{self.category}-{self.id}"

    @staticmethod
    def parse(text: object) -> StreamName:
        """The name that `text` spells.

        Raises:
            InvalidName: there is no `-`, a part is empty, or the grammar does not allow it.
        """
        if isinstance(text, str):
            return parsed(text)
        return text if isinstance(text, StreamName) else parsed(checked_name("stream name", text))


@lru_cache(maxsize=16_384)
def parsed(text: str) -> StreamName:
    """The name that `text` spells: checked once, and then remembered, since each event that is read has one.

    Raises:
        InvalidName: as `StreamName.parse`.
    """
    category, dash, id = checked_name("stream name", text).partition("-")
    if not dash:
        raise InvalidName("stream name", text, "it needs a category and an id, as in 'cart-c-1'")
    if not category or not id:
        return StreamName(category, id)  # which says what is missing
    name = _new(StreamName)  # checking it again would double the time
    _set(name, "category", category)
    _set(name, "id", id)
    return name


class Position(int):
    """A place in the whole store, as opposed to a version, which is a place in one stream."""

    __slots__ = ()


def _nothing() -> Mapping[str, str]:
    return {}


# gc=False: both are made after all that they hold, so no cycle leads through them, and the garbage collector need not walk
# them. That halves the time in which a long history becomes a list.


class Metadata(msgspec.Struct, frozen=True, gc=False):
    """What is known about an event beside its data.

    `correlation_id` names the story that the event belongs to, `causation_id` the message that directly caused it;
    both are filled in by the store. `valid_at` is when the event was true in the world, where that differs from
    when it was recorded. `free` holds keys of your own.
    """

    correlation_id: str
    causation_id: str | None = None
    actor: str | None = None
    valid_at: datetime | None = None
    free: Mapping[str, str] = msgspec.field(default_factory=_nothing)


class Recorded(msgspec.Struct, Generic[E], frozen=True, gc=False):
    """An event as the store returns it: the data, and where and when it was recorded.

    `version` counts the events of the stream, the first is 1. `position` orders the whole store: unique, rising,
    gaps allowed. `recorded_at` is UTC and never goes backwards along positions. `type` and `schema_version` are those of
    the data. Of a stored event that is read as several, this is `part`, from 1, of so many `parts`; whole, it is 1 of 1.
    """

    data: E
    type: str
    schema_version: int
    stream: StreamName
    version: int
    position: Position
    recorded_at: datetime
    id: UUID
    tags: frozenset[str]
    metadata: Metadata
    part: int = 1
    parts: int = 1

    @property
    def valid_at(self) -> datetime:
        """When it was true in the world: `metadata.valid_at`, or else when it was recorded."""
        return self.metadata.valid_at or self.recorded_at


@dataclass(frozen=True, slots=True)
class NewEvent(Generic[E]):
    """An event to append, with what differs from the defaults.

    `id`: repeating an append with the same ids is safe and gives the first outcome. `valid_at`: when it was true in
    the world, with a time zone. `tags`: beside those that its class derives. `metadata`: free keys of your own, or, for
    an event that comes from elsewhere, whole `Metadata`, which keep its story, its cause and its actor.
    """

    data: E
    id: UUID | None = None
    valid_at: datetime | None = None
    tags: frozenset[str] = frozenset()
    metadata: Mapping[str, str] | Metadata = field(default_factory=_nothing)


class OwnEvent(NewEvent[E]):
    """One of Refold's own, whose metadata may have keys that begin with `$`."""

    __slots__ = ()


def checked_keys(free: Mapping[str, str]) -> Mapping[str, str]:
    """Free keys of metadata, if none of them is Refold's own.

    Raises:
        UsageError: one begins with `$`.
    """
    for key in free:
        if str(key).startswith(OWN):
            raise UsageError(f"metadata key {shortened(key)}: keys that begin with '$' are Refold's own. Take another.")
    return free


@dataclass(frozen=True, slots=True)
class RawEvent:
    """An event without a class: its wire name and a JSON object. For imports and tools."""

    type: str
    data: Mapping[str, Any]
    version: int = 1


@dataclass(frozen=True, slots=True)
class Context:
    """In whose name, and because of what, something is appended."""

    actor: str | None = None
    correlation_id: str | None = None
    causation_id: str | None = None
    valid_at: datetime | None = None
    free: Mapping[str, str] = field(default_factory=_nothing)

    @staticmethod
    def of(
        cause: Recorded[object] | None,
        actor: str | None,
        valid_at: datetime | None,
        free: Mapping[str, str],
        story: str | None = None,
    ) -> Context:
        """The context of what happens because of `cause`, in the story that it tells, or in another one.

        Raises:
            UsageError: a free key begins with `$`.
        """
        checked_keys(free)
        if cause is None:
            return Context(actor, story, valid_at=valid_at, free=free)
        return Context(
            actor or cause.metadata.actor, story or cause.metadata.correlation_id, str(cause.id), valid_at, free
        )


@dataclass(frozen=True, slots=True)
class Spec:
    """What `@event` or `@command` says of a class."""

    kind: str
    name: str
    version: int
    tags: Tags
    upcasters: tuple[Upcaster[Any], ...] = ()
    public: bool = False
    subject: Subject | None = None

    def tags_of(self, message: object) -> Iterable[str]:
        """The tags that follow from the message; whom it is about is one of them."""
        tags = several("tags", self.tags(message)) if callable(self.tags) else self._of_fields(message, self.tags)
        return tags if self.subject is None else (*tags, *self._about(message))

    def subject_of(self, message: object) -> str:
        """Whom the message is about; only for one that says so.

        Raises:
            InvalidEvent: it is about nobody, or about several.
        """
        about = self._about(message)
        if len(about) != 1:
            raise InvalidEvent(
                f"{self.kind} {self.name!r} is about {'several' if about else 'nobody'}: its field {self.subject!r} must hold "
                "one value, which says by whose key its personal data are sealed."
            )
        return about[0]

    def _about(self, message: object) -> Sequence[str]:
        subject = self.subject
        return [subject(message)] if callable(subject) else self._of_fields(message, (str(subject),))

    def _of_fields(self, message: object, names: Iterable[str]) -> Sequence[str]:
        return [f"{name}:{text}" for name in names for text in self._texts(name, getattr(message, name))]

    def _texts(self, name: str, value: object) -> Sequence[str]:
        """What a field's value is in tags: as it is in JSON, each member of a collection by itself, and nothing for None."""
        if isinstance(value, str) and not isinstance(value, Enum):
            return (value,)
        if isinstance(value, list | tuple | set | frozenset):
            return [text for member in cast("Iterable[object]", value) for text in self._texts(name, member)]
        try:
            plain = msgspec.to_builtins(value)
        except TypeError:
            plain = value
        if plain is None or isinstance(plain, str):
            return () if plain is None else (plain,)
        if not isinstance(plain, int | float):
            raise InvalidEvent(
                f"{self.kind} {self.name!r} gives no tag by its field {name!r}: {shortened(value)} is no text, number or time, "
                "and no collection of these. Derive it by a function: tags=lambda e: [...]."
            )
        return (msgspec.json.encode(plain).decode() if isinstance(plain, bool | float) else f"{plain:d}",)


_SPEC = "__refold_spec__"


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def event(
    name: str,
    *,
    version: int = 1,
    tags: Tags = (),
    upcasters: Sequence[Upcaster[Any]] = (),
    public: bool = False,
    subject: Subject | None = None,
) -> Callable[[type[T]], type[T]]:
    """Give an event class the stable name that it is stored under.

    A bare class also becomes a frozen, slotted dataclass; dataclasses, pydantic models, attrs classes and msgspec
    Structs are left as they are. `version` is the version of its schema. `tags` derive from the event, for dynamic
    consistency boundaries: `tags=lambda e: [f"course:{e.course}"]`, or `tags=("course",)`. `upcasters` are all that lead to
    this version from what was stored before: whoever reads the class has them with it. A `public` event is
    read by others too: `refold schema lock` then also asks whether those who know an older schema can read it. `subject` is whom
    its fields that are `Personal` are about, and one of its tags: `subject="customer"`, for `customer:c-1`.

    Raises:
        UsageError: the name is missing or not printable, the version is below 1, or the class has not a field that `tags` or
            `subject` names.
    """
    return _marked(_spec("event", name, version, tags, upcasters, public=public, subject=subject))


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def command(name: str) -> Callable[[type[T]], type[T]]:
    """Give a command class its stable name, since commands are stored too: in timers, outboxes and audits.

    Raises:
        UsageError: the name is missing or not printable.
    """
    return _marked(_spec("command", name, 1, ()))


def _spec(
    kind: str,
    name: object,
    version: int,
    tags: Tags,
    upcasters: Sequence[Upcaster[Any]] = (),
    *,
    public: bool = False,
    subject: Subject | None = None,
) -> Spec:
    example = f'@{kind}("cart.item-added")' if kind == "event" else f'@{kind}("cart.add-item")'
    if isinstance(name, type):
        raise UsageError(f"@{kind} on {name.__name__} lacks the name that it is stored under: write {example}.")
    try:
        checked_name(f"{kind} name", name)
    except InvalidName as error:
        raise UsageError(f"{error} Write {example}.") from error
    if version < 1:
        raise UsageError(f"{kind} {name!r} has version {version}: the first is 1.")
    for step in cast("Sequence[object]", upcasters):
        if not isinstance(step, Upcaster):
            raise UsageError(f"{kind} {name!r} has {shortened(step)} for an upcaster: decorate it with @upcast(...).")
    if not callable(tags):
        tags = tuple(several("tags", tags))
    return Spec(kind, str(name), version, tags, tuple(upcasters), public, subject)


def _marked(spec: Spec) -> Callable[[type[T]], type[T]]:
    def mark(cls: type[T]) -> type[T]:
        if _is_bare(cls):
            cls = dataclass(frozen=True, slots=True)(cls)
        _check_fields(spec, cls)
        setattr(cls, _SPEC, spec)
        return cls

    return mark


def _check_fields(spec: Spec, cls: type[Any]) -> None:
    """Raises `UsageError` if tags or the subject are to follow from a field that is not there."""
    for name in (
        *(() if callable(spec.tags) else spec.tags),
        *([spec.subject] if isinstance(spec.subject, str) else ()),
    ):
        if name not in (fields := _field_names(cls)) and not hasattr(cls, name):
            raise UsageError(
                f"{spec.kind} {spec.name!r} takes a tag from {shortened(name)}, which {cls.__qualname__} has not. "
                f"Its fields: {', '.join(fields) or 'none'}."
            )


def _field_names(cls: Any) -> Sequence[str]:  # noqa: ANN401 - of any library
    attributes = (attribute.name for attribute in getattr(cls, "__attrs_attrs__", ()))
    known = ("__dataclass_fields__", "__struct_fields__", "model_fields")
    return [*attributes, *(name for each in known for name in getattr(cls, each, ()))]


def _is_bare(cls: type[Any]) -> bool:
    if issubclass(cls, msgspec.Struct) or hasattr(cls, "model_validate_json"):
        return False
    return "__attrs_attrs__" not in cls.__dict__ and not (
        "__dataclass_fields__" in cls.__dict__ and dataclasses.is_dataclass(cls)
    )


def spec_of(cls: type[Any], kind: str = "event") -> Spec:
    """What `@event` or `@command` said of this very class; a subclass does not inherit it.

    Raises:
        UsageError: the class was not marked, or as something else.
    """
    spec = cls.__dict__.get(_SPEC)
    if not isinstance(spec, Spec) or spec.kind != kind:
        raise UsageError(f'{shortened(cls)} is no {kind}: mark the class with @{kind}("...").')
    return spec
