"""XES event logs (IEEE 1849), read as a stream: an event is a row, with the attributes of its trace as `case:...`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import BinaryIO
from xml.parsers import expat

from refold.errors import shortened
from refold.eventlogs import rows
from refold.eventlogs.rows import BadRow, Json, LogRow, Row
from refold.eventlogs.xesvalues import KINDS, SCALARS, Attribute

CHUNK = 64 * 1024
DEEPEST = 50
"""Attributes within attributes."""


def read_xes(source: BinaryIO) -> Iterator[Row]:
    """The events of all traces. Defaults, extensions, classifiers and the attributes of the log itself are passed over.

    A date stays the text it is. A list is a list of objects of one key each, since its keys may repeat; a container is
    an object; any other attribute with attributes of its own is `{"value": ..., "children": {...}}`.

    XML that is malformed, declares a document type, or is no XES ends the reading with one bad row.
    """
    document = _Document()
    for chunk in iter(partial(source.read, CHUNK), b""):
        yield from document.feed(chunk)
        if document.ended:
            return
    yield from document.feed(b"")


class _Owner:
    """An open trace or event: its fields so far, and the first thing that is wrong with it."""

    __slots__ = ("bad", "fields", "has_events", "line", "prefix")

    def __init__(self, line: int, prefix: str) -> None:
        self.line, self.prefix = line, prefix
        self.fields: dict[str, Json] = {}
        self.bad: BadRow | None = None
        self.has_events = False


class _Refused(Exception):
    pass


class _Document:
    """What is open between two chunks of the file."""

    def __init__(self) -> None:
        self.ended = False
        self.rows: list[Row] = []
        self.trace: _Owner | None = None
        self.event: _Owner | None = None
        self.attributes: list[Attribute] = []
        self.ignored = 0  # elements open within an ignored one, with it
        self.fed = self.since = 0  # bytes, in all and until what is open began
        self.parser = expat.ParserCreate()
        self.parser.StartElementHandler = self.root
        self.parser.EndElementHandler = self.end
        self.parser.StartDoctypeDeclHandler = self.doctype

    def feed(self, chunk: bytes) -> list[Row]:
        """The rows that end in this chunk; no bytes are the end of the file."""
        self.fed += len(chunk)
        try:
            self.parser.Parse(chunk, not chunk)
            self.check_length()
        except expat.ExpatError as error:
            self.stop(error.lineno, f"malformed XML at character {error.offset + 1}: {expat.ErrorString(error.code)}")
        except (_Refused, LookupError, ValueError) as error:  # the latter two: an encoding that expat cannot be taught
            self.stop(self.parser.CurrentLineNumber, str(error))
        ready, self.rows = self.rows, []
        return ready

    def stop(self, line: int, reason: str) -> None:
        self.ended = True
        self.rows.append(BadRow(line, None, f"{reason}. The reading ends here."))

    def check_length(self) -> None:
        since = self.since if self.trace or self.event else self.parser.CurrentByteIndex
        if self.fed - since > rows.LONGEST:
            raise _Refused(f"an event, or something else between two events, is longer than {rows.LONGEST:,} bytes")

    def doctype(self, *_: object) -> None:
        raise _Refused("the file declares a document type (DOCTYPE), which may define harmful entities; XES needs none")

    def root(self, tag: str, _: Mapping[str, str]) -> None:
        if _local(tag) != "log":
            raise _Refused(f"the outermost element is <{tag}>, not <log>: this is no XES")
        self.parser.StartElementHandler = self.start

    def start(self, tag: str, given: Mapping[str, str]) -> None:
        if self.ignored:
            self.ignored += 1
            if self.ignored > DEEPEST:  # of each that is open, expat keeps the name
                raise _Refused(f"elements stand more than {DEEPEST} deep in each other")
            return
        kind = tag if tag in KINDS else _local(tag)  # spares a call for nearly all elements there are
        owner = self.event or self.trace
        if owner and kind in KINDS:
            self.open_attribute(owner, kind, given)
        elif kind in ("trace", "event"):
            self.open(kind)
        elif not owner:
            self.ignored = 1
        elif kind != "values":  # which stands between a list and its items
            self.note(owner, given.get("key"), f"<{kind}> is no attribute of XES")
            self.ignored = 1

    def end(self, tag: str) -> None:
        if self.ignored:
            self.ignored -= 1
            return
        kind = tag if tag in KINDS else _local(tag)
        if kind in KINDS:
            self.close_attribute()
        elif kind == "event":
            self.close_event()
        elif kind == "trace":
            self.close_trace()

    def open(self, tag: str) -> None:
        if self.attributes or self.event or (self.trace and tag == "trace"):
            outer = self.attributes[-1].kind if self.attributes else "event" if self.event else "trace"
            raise _Refused(f"<{tag}> stands inside <{outer}>")
        self.since = self.parser.CurrentByteIndex
        if tag == "trace":
            self.trace = _Owner(self.parser.CurrentLineNumber, "case:")
        else:
            self.event = _Owner(self.parser.CurrentLineNumber, "")

    def open_attribute(self, owner: _Owner, kind: str, given: Mapping[str, str]) -> None:
        if len(self.attributes) == DEEPEST:
            raise _Refused(f"attributes stand more than {DEEPEST} deep in each other")
        key, text, convert = given.get("key"), given.get("value"), SCALARS.get(kind)
        value: Json = None
        if not key:
            self.note(owner, None, f"<{kind}> has no key")
        elif convert and text is None:
            self.note(owner, key, f"<{kind}> has no value")
        elif convert and text is not None:
            try:
                value = convert(text)
            except ValueError:
                self.note(owner, key, f"{shortened(text)} is not a value of <{kind}>")
        self.attributes.append(Attribute(kind, key or "", value))

    def close_attribute(self) -> None:
        attribute = self.attributes.pop()
        owner = self.event or self.trace
        if owner is None:
            return
        key = owner.prefix + attribute.key
        if self.attributes:
            if not self.attributes[-1].adopt(attribute.key, attribute.json()):
                self.note(owner, attribute.key, f"the key {shortened(attribute.key)} stands twice in it")
        elif key in owner.fields:
            self.note(owner, attribute.key, "the key stands twice")
        elif owner.has_events:
            self.note(owner, attribute.key, "stands after events of its trace, which were read without it")
        else:
            owner.fields[key] = attribute.json()

    def note(self, owner: _Owner, key: str | None, reason: str) -> None:
        """Mark the owner as bad, for the attribute that stands directly in it."""
        if owner.bad:
            return
        key = self.attributes[0].key if self.attributes else key
        owner.bad = BadRow(self.parser.CurrentLineNumber, owner.prefix + key if key else None, reason)
        if owner.has_events:
            self.rows.append(owner.bad)

    def close_event(self) -> None:
        if self.event:
            self.rows.append(self.row(self.event))
        if self.trace:
            self.trace.has_events = True
        self.event, self.since = None, self.parser.CurrentByteIndex

    def close_trace(self) -> None:
        if self.trace and self.trace.bad and not self.trace.has_events:
            self.rows.append(self.trace.bad)
        self.trace = None

    def row(self, event: _Owner) -> Row:
        trace = self.trace
        if event.bad or not trace:
            return event.bad or LogRow(event.line, event.fields)
        if trace.bad:
            return BadRow(event.line, trace.bad.column, f"its trace is bad, line {trace.bad.line}: {trace.bad.reason}")
        if twice := trace.fields.keys() & event.fields.keys():
            return BadRow(event.line, min(twice), "the event has an attribute named like this one of its trace")
        return LogRow(event.line, trace.fields | event.fields)


def _local(tag: str) -> str:
    """The name without its namespace prefix."""
    return tag.rpartition(":")[2] if ":" in tag else tag
