"""Classes to bytes and back, and the types that one store knows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import msgspec

from refold.chains import Chains, Key, Way
from refold.errors import InvalidEvent, StoreError, UsageError, shortened
from refold.messages import RawEvent, Spec, checked_name, several, spec_of
from refold.personal import (
    Sealing,
    checked_subject,
    opened,
    opened_alike,
    personal_fields,
    sealed,
)
from refold.query import Query, QueryItem
from refold.rows import NewRow, Row
from refold.sameness import identical
from refold.sets import ordering
from refold.upcasting import JsonObject

Decode: TypeAlias = Callable[[bytes], Any]


@dataclass(frozen=True, slots=True)
class Form:
    """How the messages of one class are written and read. `seal` and `read` are what there is to do about personal data.

    `encode` writes sets in order; `encoded_before` as it was done once, as they iterate, `None` if there are none.
    `personal`: the fields that are sealed.
    """

    cls: type[Any]
    spec: Spec
    encode: Callable[[Any], bytes]
    decode: Decode
    seal: Callable[[Any, bytes], bytes] | None = None
    read: Decode | None = None
    encoded_before: Callable[[Any], bytes] | None = None
    personal: tuple[str, ...] = ()

    def written(self, message: object) -> bytes:
        """The message as JSON, with its personal data sealed.

        Raises:
            InvalidEvent: it would not read back equal: NaN, infinities, lone surrogates, a tuple in a field typed
                `Any`, values outside what JSON and the field's annotation can carry.
        """
        data = _round_trip(self, message, self.encode, self.decode)
        return data if self.seal is None else self.seal(message, data)

    def __str__(self) -> str:
        return f"{self.spec.kind} {self.spec.name!r}"


class Codec:
    """The event types of one store: each wire name has one class, each class one form.

    With `RawEvent` among the classes, types that no class is known for are read as raw events. The upcasters of all classes
    make one set of chains. `later`: more classes, that are learned when events of all types are read first. `sealing`: who
    seals and opens personal data; without it they are written as they are, and sealed ones read as forgotten.
    """

    def __init__(
        self,
        classes: Sequence[type[Any]] = (),
        later: Callable[[], Sequence[type[Any]]] = tuple[type[Any], ...],
        sealing: Sealing | None = None,
    ) -> None:
        several("events", classes)
        self._forms: dict[type[Any], Form] = {}
        self._by_name: dict[str, Form] = {}
        self._chains = Chains()
        self._tables: dict[tuple[tuple[type[Any], ...], bool], Decoders] = {}
        self._known: Decoders | None = None
        self._raw, self._later, self.sealing = RawEvent in classes, later, sealing
        for cls in classes:
            if cls is not RawEvent:
                self.form(cls)

    def form(self, cls: type[Any]) -> Form:
        """How events of this class are written and read; the class is known to the store from now on.

        Raises:
            UsageError: it is no event, cannot be written as JSON, or its wire name belongs to another class.
            UpcasterError: its upcasters do not lead to it from every version before, or contradict those of others.
        """
        form = self._forms.get(cls)
        return self._learn(cls) if form is None else form

    def _learn(self, cls: type[Any]) -> Form:
        form = sealing_form(form_of(cls, spec_of(cls)), self.sealing)
        chains = self._chains_with(form.spec)
        known = self._by_name.setdefault(form.spec.name, form)
        if known.cls is not cls:
            raise UsageError(
                f"event name {form.spec.name!r} is claimed by {known.cls.__module__}.{known.cls.__qualname__} and "
                f"{cls.__module__}.{cls.__qualname__}: in one store a name belongs to one class."
            )
        if chains is not self._chains:
            self._chains, self._tables = chains, {}
        self._forms[cls], self._known = form, None
        return form

    def _chains_with(self, spec: Spec) -> Chains:
        """The chains with those of one more class."""
        if spec.upcasters:
            Chains(spec.upcasters).check(spec.name, spec.version)  # by itself, whatever order the classes come in
            chains = Chains((*self._chains.steps, *spec.upcasters))
            touched = {name for step in spec.upcasters for name in (step.type, *(to for to, _ in step.into))}
            for form in [self._by_name[name] for name in touched if name in self._by_name]:
                chains.check(form.spec.name, form.spec.version)
        else:
            chains = self._chains
        chains.check(spec.name, spec.version)
        return chains

    def decoders(self, classes: tuple[type[Any], ...]) -> Decoders:
        """The decoders of just these classes, for one who must know every event that comes: a fold over its streams."""
        return self._table(classes, selective=False)

    def selecting(self, classes: tuple[type[Any], ...]) -> Decoders:
        """The decoders of just these classes, for one who passes over all other events, and parts of events."""
        return self._table(classes, selective=True)

    def _table(self, classes: tuple[type[Any], ...], *, selective: bool) -> Decoders:
        found = self._tables.get((classes, selective))
        if found is None:
            forms = [self.form(cls) for cls in classes if cls is not RawEvent]
            raw = RawEvent in classes
            found = Decoders(forms, self._chains, self._by_name, self.sealing, raw=raw, selective=selective)
            self._tables[classes, selective] = found
        return found

    @property
    def known(self) -> Decoders:
        """The decoders of every class that the store has met."""
        found = self._known
        if found is None:
            for cls in () if self._raw else self._later():
                self.form(cls)
            forms = tuple(self._by_name.values())
            found = self._known = Decoders(forms, self._chains, self._by_name, self.sealing, raw=self._raw)
        return found

    def for_tenant(self, name: str) -> Codec:
        """The same classes, whose personal data are about subjects of the tenant's own."""
        if self.sealing is None:
            return self
        return Codec((*self._forms, *([RawEvent] if self._raw else [])), self._later, self.sealing.of(name))

    @property
    def unsealed(self) -> Codec:
        """The same classes, whose personal data are written as they are: for what is not stored."""
        return Codec((*self._forms, *([RawEvent] if self._raw else [])), self._later)

    def is_about_forgotten(self, event: object) -> bool:
        """Whether it holds personal data of somebody who was forgotten, for whom a new key is made if it is written."""
        if self.sealing is None or isinstance(event, RawEvent):
            return False
        form = self.form(event.__class__)
        return bool(form.personal) and self.sealing.is_forgotten(checked_subject(form.spec, event))

    def same(self, new: NewRow, old: Row) -> bool:
        """Whether other bytes of one type are an equal event: they have a set in another order, or hold what is forgotten."""
        form = self._by_name.get(new.type)
        if form is None or form.spec.version != new.schema_version:
            return False
        try:
            one, other = map(form.decode, opened_alike(self.sealing, (new.data, old.data), form.personal))
        except StoreError:
            raise
        except Exception:  # noqa: BLE001 - what cannot be read is not the same
            return False
        return identical(one, other)

    @property
    def upcasts(self) -> bool:
        """Whether anything may be read as something else than it is stored as."""
        return bool(self._chains.steps)

    def stored(self, query: Query) -> Query:
        """The query that finds what this one means, under whatever names it is stored. It may find more."""
        if not self.upcasts:
            return query
        return Query(frozenset(QueryItem(self._stored(item.types), item.tags) for item in query.items))

    def _stored(self, types: Iterable[str]) -> frozenset[str]:
        return frozenset(name for type in types for name in self._chains.names(type))


class Decoders(dict[Key, Decode]):
    """A decoder for each type and schema version that is read as it is stored; `older` are the ways from what is not.

    `stored` are the types under which what has a class here may be stored, `names` those of all that is read, None for any.
    `selective`: what has no class here is passed over, in place of an error.
    `personal`: what is read may hold what is forgotten one day.
    """

    def __init__(
        self,
        forms: Sequence[Form],
        chains: Chains,
        known: Container[str],
        sealing: Sealing | None = None,
        *,
        raw: bool,
        selective: bool = False,
    ) -> None:
        super().__init__({(form.spec.name, form.spec.version): form.read or form.decode for form in forms})
        self.forms: Mapping[Key, Form] = {(form.spec.name, form.spec.version): form for form in forms}
        self.sealing, self.raw, self.selective, self._chains, self._elsewhere = sealing, raw, selective, chains, known
        self.types = frozenset(form.spec.name for form in forms)
        self.stored = stored = frozenset(name for type in self.types for name in chains.names(type))
        self.names = None if raw else stored
        ways = chains.ways(stored, max((form.spec.version for form in forms), default=1))
        self.older: Mapping[Key, Way] = {
            key: way for key, way in ways.items() if any(end in self for end in way.ends())
        }
        self.splits = any(way.fork for way in self.older.values())
        # An older field may have been personal, though no class says so any more.
        self.personal = any(form.personal for form in forms) or (
            bool(self.older) and bool(sealing and sealing.has_keys)
        )

    def __missing__(self, key: Key) -> Decode:
        if not self.raw or key in self.older:
            raise KeyError(key)
        type, version = key
        return lambda data: RawEvent(type, object_of(data), version)

    def classes_of(self, way: Way) -> Sequence[type[Any]]:
        """What is read on this way is of these classes in the end."""
        return [self.forms[end].cls for end in way.ends() if end in self.forms]

    def has_older(self, rows: Iterable[Row]) -> bool:
        """Whether any of them is not read as it is stored."""
        return bool(self.older) and any((row.type, row.schema_version) in self.older for row in rows)

    def ends(self, key: Key) -> Collection[Key]:
        """What is stored so may be read as."""
        return self._chains.way(key).ends()

    def passes_over(self, key: Key) -> bool:
        """Whether what is stored so is read as something that has no class here, and that is no error."""
        if not self.selective or any(type in self.types for type, _ in self.ends(key)):
            return False
        return self._chains.leads_on(key) or key[0] in self._elsewhere or key[0] not in (self.names or ())


def sealing_form(form: Form, sealing: Sealing | None) -> Form:
    """The form of a class, whose personal data are sealed and opened.

    Raises:
        UsageError: it does not say whom they are about, or there are no keys.
    """
    fields = personal_fields(form.cls)
    if not fields:
        return form
    if form.spec.subject is None:
        raise UsageError(
            f"{form} has the personal field{'s' * (len(fields) > 1)} {', '.join(fields)}, and does not say whom they are about: "
            f'write @event("{form.spec.name}", subject="...") with the name of a field.'
        )
    if sealing is not None:
        sealing.admit(form.spec.name)

    def seal(message: object, data: bytes) -> bytes:
        return data if sealing is None else sealed(sealing, fields, checked_subject(form.spec, message), data)

    def read(data: bytes) -> object:
        return form.decode(opened(sealing, data, fields))

    return replace(form, seal=seal, read=read, personal=fields)


def form_of(cls: type[Any], spec: Spec) -> Form:
    """How messages of a class are written and read.

    Raises:
        UsageError: a field has a type that JSON cannot carry, or a command has personal fields.
    """
    if spec.kind == "command" and (fields := personal_fields(cls)):
        raise UsageError(
            f"command {spec.name!r} has the personal field {fields[0]!r}: commands are not sealed. Mark the field of the "
            "event that it leads to, and take the command's as it is."
        )
    if hasattr(cls, "model_validate_json"):
        return _in_order(Form(cls, spec, lambda message: message.model_dump_json().encode(), cls.model_validate_json))
    try:
        decode = msgspec.json.Decoder(cls, dec_hook=_read_foreign).decode
    except (TypeError, NameError) as error:
        raise UsageError(
            f"{spec.kind} {spec.name!r} ({cls.__qualname__}) cannot be stored as JSON: {error}."
        ) from error
    return _in_order(Form(cls, spec, ENCODE, decode))


def _in_order(form: Form) -> Form:
    """The same, which writes the items of sets in order."""
    encode, order = form.encode, ordering(form.cls)
    if order is None:
        return form

    def encode_in_order(message: object) -> bytes:
        return order(encode(message))

    return replace(form, encode=encode_in_order, encoded_before=encode)


def _write_foreign(value: Any) -> Any:
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    raise NotImplementedError(f"objects of type {type(value).__name__} cannot be stored as JSON")


def _read_foreign(cls: type[Any], value: Any) -> Any:
    if hasattr(cls, "model_validate_json"):  # as JSON, in which a strict model takes a text for a date
        return cls.model_validate_json(msgspec.json.encode(value))
    raise NotImplementedError(f"objects of type {cls.__name__} cannot be read from JSON")


ENCODE = msgspec.json.Encoder(enc_hook=_write_foreign).encode
"""A value that an event may hold, as JSON."""
_ENCODE_IN_ORDER = msgspec.json.Encoder(enc_hook=_write_foreign, order="deterministic").encode
_DECODE_ANY = msgspec.json.Decoder().decode
_DECODE_OBJECT = msgspec.json.Decoder(JsonObject).decode


def _round_trip(what: object, value: Any, encode: Callable[[Any], bytes], decode: Decode) -> bytes:
    try:
        data = encode(value)
        back = decode(data)
    except Exception as error:  # whatever a user's type or validator raises, the event is refused
        raise InvalidEvent(f"{what} cannot be stored: {error}. It was {shortened(value)}.") from error
    if back != value:
        raise InvalidEvent(
            f"{what} would not read back equal: {shortened(value)} became {shortened(back)}. "
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
    return _round_trip(f"event {event.type!r}", dict(event.data), ENCODE, _DECODE_OBJECT)


def object_of(data: bytes) -> JsonObject:
    """The JSON object that an event's data are, whatever its class."""
    return _DECODE_OBJECT(data)


def as_json(value: object, hint: Any = None) -> Any:
    """A value of any class that events can hold, as plain JSON: for showing states and differences.

    Sets are in order as far as the annotation tells of them, or else the value's class.
    """
    order, data = ordering(hint) or ordering(type(value)), ENCODE(value)
    return _DECODE_ANY(data if order is None else order(data))


def as_ordered_json(value: object) -> Any:
    """The same with keys and the items of sets in order, so that what is equal gives equal JSON."""
    return _DECODE_ANY(_ENCODE_IN_ORDER(value))
