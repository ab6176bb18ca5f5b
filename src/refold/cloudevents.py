"""CloudEvent: a message between systems, by the CloudEvents 1.0 specification, as a value and as bytes."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias, TypeVar, cast, overload
from urllib.parse import unquote

import msgspec
from msgspec import Raw, Struct

from refold.codec import Codec, form_of
from refold.decoding import Piece, pieces_of
from refold.errors import BadMessage, Unreadable, UsageError, shortened
from refold.messages import Spec, spec_of

T = TypeVar("T")
T2 = TypeVar("T2")
T3 = TypeVar("T3")

Class: TypeAlias = type[T]
Headers: TypeAlias = Mapping[str, Any]
"""Of a request or a message, as its framework gives them: texts or bytes, by names in any case."""
Extension: TypeAlias = str | int | bool

STRUCTURED: Final = "application/cloudevents+json"
"""The content type of a CloudEvent that is one JSON object."""
JSON: Final = "application/json"
_PREFIXES: Final = ("ce-", "ce_", "cloudevents:", "cloudevents_")
"""Before attributes in headers: of HTTP and NATS, of Kafka, of AMQP in its two spellings."""
_OWN: Final = frozenset(
    {"specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema", "data", "data_base64"}
)
_NAME: Final = re.compile(r"[a-z0-9]{1,20}")
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class CloudEvent(Struct, frozen=True):
    """A message: what happened (`type`), where (`source`), with an `id` that its source gives no other one.

    `data` are bytes of `datacontenttype`, JSON unless it says otherwise; `None` if there are none. `time` knows its zone.
    `extensions` are further attributes, by names of lower-case letters and digits.
    """

    id: str
    source: str
    type: str
    data: bytes | None = None
    subject: str | None = None
    time: datetime | None = None
    datacontenttype: str | None = JSON
    dataschema: str | None = None
    extensions: Mapping[str, Extension] = msgspec.field(default_factory=dict[str, Extension])

    @property
    def is_json(self) -> bool:
        """Whether the data are JSON."""
        return _is_json(self.datacontenttype)

    def attribute(self, name: str) -> str | None:
        """An extension as text."""
        found = self.extensions.get(name)
        return None if found is None else _text(found)

    @overload
    def read(self, cls: Class[T], /) -> T: ...
    @overload
    def read(self, cls: Class[T], other: Class[T2], /) -> T | T2: ...
    @overload
    def read(self, cls: Class[T], other: Class[T2], further: Class[T3], /) -> T | T2 | T3: ...
    @overload
    def read(self, *classes: Class[Any]) -> Any: ...  # noqa: ANN401 - of one of them
    def read(self, *classes: Class[Any]) -> Any:
        """The data as one of these classes: the one whose wire name is the message's `type`.

        They are marked with `@event` or `@command`. An event comes through the upcasters of its class if the message says by
        which `schemaversion` it was written, and none of the classes is of that version.

        Raises:
            BadMessage: no class has that name, the data do not fit it, or upcasters lead to several events.
            UsageError: a class is not marked, or its upcasters do not lead to it.
        """
        named = [cls for cls in classes if marked(cls).name == self.type]
        if not named:
            names = ", ".join(repr(marked(cls).name) for cls in classes)
            raise BadMessage(f"its type is {self.type!r}, and what is read here is {names}")
        version = self.attribute("schemaversion")
        found = next((cls for cls in named if str(marked(cls).version) == version), named[0])
        try:
            return _read((found, *(cls for cls in classes if cls not in named)), self)
        except Unreadable as error:
            raise BadMessage(str(error).removesuffix(".")) from error
        except (BadMessage, UsageError):
            raise
        except Exception as error:  # a user's validator may raise anything
            raise BadMessage(f"its data do not fit {found.__qualname__}: {error}") from error

    def structured(self) -> bytes:
        """The whole message as one JSON object, to be sent as `application/cloudevents+json`."""
        named: dict[str, Any] = {"specversion": "1.0", "id": self.id, "source": self.source, "type": self.type}
        named |= {"subject": self.subject, "time": _written(self.time), "datacontenttype": self.datacontenttype}
        named |= {"dataschema": self.dataschema, **self.extensions, **self._data()}
        return msgspec.json.encode({name: value for name, value in named.items() if value is not None})

    def _data(self) -> Mapping[str, Any]:
        if self.data is None:
            return {}
        return {"data": Raw(self.data)} if self.is_json else {"data_base64": b64encode(self.data).decode()}

    @staticmethod
    def parse(headers: Headers, body: bytes) -> CloudEvent:
        """The message that came as a request or from a broker, in the structured JSON form or the binary one.

        Raises:
            BadMessage: it is no CloudEvent 1.0, or a batch of them.
        """
        lower = {str(name).lower(): _text(value) for name, value in headers.items()}
        content_type = lower.get("content-type") or lower.get("content_type") or ""
        if content_type.lower().startswith("application/cloudevents"):
            return checked(_structured(content_type, body))
        return checked(_binary(lower, content_type or None, body))


def _is_json(content_type: object) -> bool:
    """Of a message that just came it may be anything; what is no text is none of these, and is refused later."""
    kind = str(content_type or JSON).partition(";")[0].strip().lower()
    return kind.endswith(("/json", "+json"))


def marked(cls: type[Any]) -> Spec:
    """What `@event` or `@command` said of a class.

    Raises:
        UsageError: neither did.
    """
    spec = cls.__dict__.get("__refold_spec__")
    return spec if isinstance(spec, Spec) else spec_of(cls)


def _read(classes: Sequence[type[Any]], message: CloudEvent) -> Any:  # noqa: ANN401 - of the first class
    spec, data = marked(classes[0]), message.data or b"null"
    version = int(message.extensions.get("schemaversion", spec.version))
    if spec.kind == "command" or version == spec.version:
        return form_of(classes[0], spec).decode(data)
    events = tuple(cls for cls in classes if marked(cls).kind == "event")
    pieces = pieces_of(Codec(events).selecting(events), message.type, version, data, message.source, 0, 0)
    if len(pieces) == 1 and pieces[0].parts == 1:
        return pieces[0].event
    raise BadMessage(
        f"upcasters lead from version {version} of {message.type!r} to {_told(pieces)}, and a message is read as one: name a "
        f"class of that version, too, @event({message.type!r}{f', version={version}' * (version > 1)}), and take apart what it "
        "holds"
    )


def _told(pieces: Sequence[Piece]) -> str:
    return f"{pieces[0].parts} events" if pieces else "no event of these classes"


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _written(moment: datetime | None) -> str | None:
    """As RFC 3339 has it, in UTC."""
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _structured(content_type: str, body: bytes) -> CloudEvent:
    kind = content_type.partition(";")[0].strip().lower()
    if kind != STRUCTURED:
        raise BadMessage(f"its content type is {kind!r}, and not {STRUCTURED}")
    try:
        raw = msgspec.json.decode(body, type=dict[str, Raw])
        named: dict[str, Any] = {name: msgspec.json.decode(value) for name, value in raw.items() if name != "data"}
        return _made(named, _data_of(named.get("datacontenttype"), raw.get("data"), named.get("data_base64")))
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise BadMessage(f"its body cannot be read: {error}") from error


def _data_of(content_type: object, data: Raw | None, base64: object) -> bytes | None:
    if base64 is not None:
        if data is not None:
            raise BadMessage("it has both data and data_base64")
        if not isinstance(base64, str):
            raise BadMessage(f"its data_base64 is {shortened(base64)}: it takes text")
        return b64decode(base64, validate=True)
    if data is None or _is_json(content_type):
        return None if data is None else bytes(data)
    text: Any = msgspec.json.decode(data)
    return text.encode() if isinstance(text, str) else bytes(data)


def _binary(headers: Mapping[str, str], content_type: str | None, body: bytes) -> CloudEvent:
    named: dict[str, Any] = {"datacontenttype": content_type}
    for prefix in _PREFIXES:
        found = {name.removeprefix(prefix): value for name, value in headers.items() if name.startswith(prefix)}
        named |= {name: unquote(value) for name, value in found.items()} if prefix == "ce-" else found
    if "specversion" not in named:
        raise BadMessage(
            f"it has neither the content type {STRUCTURED} nor a header ce-specversion, ce_specversion or "
            "cloudEvents:specversion"
        )
    return _made(named, body or None)


def _made(named: Mapping[str, Any], data: bytes | None) -> CloudEvent:
    if named.get("specversion") != "1.0":
        raise BadMessage(f"its specversion is {shortened(named.get('specversion'))}, and not '1.0'")
    given = {name: value for name, value in named.items() if name not in _OWN and value is not None}
    return CloudEvent(
        named.get("id") or "", named.get("source") or "", named.get("type") or "", data, named.get("subject"),
        _moment(named.get("time")), named.get("datacontenttype"), named.get("dataschema"), given,
    )  # fmt: skip


def _moment(text: object) -> datetime | None:
    if text is None:
        return None
    try:
        moment = msgspec.convert(text, datetime)
    except (msgspec.MsgspecError, UnicodeEncodeError):
        moment = None
    if moment is None or moment.tzinfo is None:
        raise BadMessage(f"its time is {shortened(text)}, which RFC 3339 does not allow")
    return moment


def checked(message: CloudEvent) -> CloudEvent:
    """The message, if the specification allows its attributes.

    Raises:
        BadMessage: it does not.
    """
    for name in ("id", "source", "type", "subject", "datacontenttype", "dataschema"):
        value: object = getattr(message, name)
        required = name in {"id", "source", "type"}
        if value is None and not required:
            continue
        if not isinstance(value, str) or not value or _CONTROL.search(value):
            raise BadMessage(f"its {name} is {shortened(value)}: it takes text of printable characters")
    extensions = cast("Mapping[str, Any]", message.extensions)  # as they came
    for name, value in extensions.items():
        if not _NAME.fullmatch(name):
            raise BadMessage(
                f"an attribute is named {shortened(name)}: 1 to 20 lower-case letters and digits are allowed"
            )
        if not isinstance(value, str | int | bool) or (isinstance(value, str) and _CONTROL.search(value)):
            raise BadMessage(
                f"its attribute {name} is {shortened(value)}: text, a whole number or true and false are allowed"
            )
    return message
