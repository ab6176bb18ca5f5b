"""Parsers, fed with what nobody meant: texts and bytes that began as good ones and were changed at random, by a seed.

Each gives a value, or an error of ours. There is no coverage to guide it: what it finds it owes to the number of runs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Any, Final

from refold import Query, RefoldError, StreamName
from refold.backends.nats.location import NatsLocation
from refold.backends.postgres.location import PostgresLocation
from refold.backends.sqlite import Location
from refold.backup import manifest
from refold.cli.options import instant_of
from refold.cloudevents import CloudEvent
from refold.codec import Codec, raw_json
from refold.cron import next_time
from refold.decoding import events_of
from refold.http.bodies import json_of
from refold.messages import RawEvent, checked_name
from refold.signatures import check_signature, keys_of
from refold.sqltext import created

PIECES: Final = (
    "", "-", "--", "$", "\x00", "\n", "\r\n", "\t", "\x1b[31m", "\x7f", "\x85", "\u2028", "\u202e", "\u2066", "\u200b", "\ufeff",
    "\ud800", "\uffff", "e\u0301", "🦊", "👩\u200d👧", "İ", "'", '"', "`", ";", "\\", "/", "../", "%", "%00", "%s", "{}", "{0}",
    "?", "&", "=", "#", "@", ":", "[", "]", "{", "}", ",", "*", ">", ".", "1", "0", "-1", "1e999", "NaN", "Infinity", "9" * 400,
    "null", "[" * 70, '{"a":' * 70, '"a":1,"a":2', "x" * 201, "://", "host=", "mode=ro", "<script>", "$(id)", "' or 1=1 --",
)  # fmt: skip
"""What is put between, or in the place of, parts of a good text."""
AT: Final = datetime(2026, 1, 1, tzinfo=UTC)
KEYS: Final = keys_of("whsec_" + "A" * 32)
KNOWN: Final = Codec([RawEvent]).known


@dataclass(frozen=True)
class Parser:
    """What takes texts, good ones to begin with, what it may raise, and what holds for what it gives."""

    call: Callable[[str], Any]
    good: Sequence[str]
    errors: tuple[type[Exception], ...] = (RefoldError,)
    holds: Callable[[str, Any], bool] = lambda text, found: True


def named(text: str, found: object) -> bool:
    """A name is what it was, can be seen, and has a length."""
    return found == text and 0 < len(text) <= 200 and not any(ord(char) < 32 or char in "\u202e\u2028" for char in text)


def raw_read(text: str) -> Any:
    """Bytes that stand in a store as the data of an event."""
    return events_of(KNOWN, "X", 1, as_bytes(text), "a-1", 1, 1)


def written(text: str) -> tuple[Any, Any]:
    """A value of JSON, and what it reads back as when it was stored."""
    value = json.loads(text)
    [event] = events_of(KNOWN, "X", 1, raw_json(RawEvent("X", {"value": value})), "a-1", 1, 1)
    return value, event.data["value"]


def signature(text: str) -> object:
    """The headers of a webhook, all of which are a stranger's."""
    headers = {"webhook-id": text, "webhook-timestamp": text[::2], "webhook-signature": text}
    return check_signature(KEYS, headers, b"{}", AT)


def message(text: str) -> CloudEvent:
    """A CloudEvent as a body."""
    return CloudEvent.parse({"content-type": "application/cloudevents+json"}, as_bytes(text))


def headers(text: str) -> CloudEvent:
    """A CloudEvent in headers, of which the time is the hardest."""
    return CloudEvent.parse(
        {"ce-id": text, "ce-type": "t", "ce-source": "/s", "ce-specversion": "1.0", "ce-time": text}, b""
    )


def as_bytes(text: str) -> bytes:
    """Bytes, which need not be UTF-8."""
    return text.encode("utf-8", "surrogatepass")


OBJECT: Final = '{"a": [1, 2.5, null], "b": {"c": "d"}}'
MESSAGE: Final = '{"specversion":"1.0","id":"1","source":"/s","type":"t","time":"2026-01-01T00:00:00Z","data":{}}'
MANIFEST: Final = (
    '{"format":1,"refold":"0.1","taken_at":"2026-01-02T03:04:05+00:00","source":{"backend":"sqlite","format":6,"place":"x"},"contents":{"head":1,'
    '"events":1,"streams":1,"digest":"","last_recorded_at":null,"rows":{}},"parts":[]}'
)
PARSERS: Final = {
    "name": Parser(lambda text: checked_name("tag", text), ("a name", "ä-1", "x" * 200), holds=named),
    "stream": Parser(
        StreamName.parse, ("cart-c-1", "a-b-c", "note-" + "x" * 190), holds=lambda text, found: named(text, str(found))
    ),
    "query": Parser(lambda text: Query.of(types=text.split(","), tags=text.split("|")), ("a,b|c", "x", "t:1|u:2")),
    "sqlite-url": Parser(Location.parse, ("sqlite:///shop.db?durability=disk&busy_timeout=5&mode=ro", "sqlite:///:memory:")),
    "postgres-url": Parser(
        PostgresLocation.parse,
        ("postgresql://u:p@h1:5432,h2/db?schema=refold&pool_size=4&mode=ro", "postgresql:///db?host=/tmp", "postgres://[::1]/x"),
    ),
    "nats-url": Parser(NatsLocation.parse, ("nats://u:p@h1:4222,h2/shop?replicas=3&sync=always", "nats://localhost/a_b?tls=yes")),
    "json-body": Parser(lambda text: json_of(as_bytes(text)), (OBJECT, "[]", "1")),
    "json-stored": Parser(
        written, ('{"a": [1, 2.5, null], "b": "c"}', "[1e10, -0.0, 12345678901234567890]"),
        (RefoldError, ValueError, RecursionError), lambda text, both: repr(both[0]) == repr(both[1]),
    ),
    "json-read": Parser(raw_read, (OBJECT, "{}")),
    "time": Parser(instant_of, ("2011-10-20", "2011-10-20T13:45+02:00", "-1h", "2011-10-20T13:45:00.123456Z"), (ValueError,)),
    "cron": Parser(lambda text: next_time(text, "UTC", AT), ("0 3 * * *", "*/5 1-4 1,2 jan mon", "0 0 L * fri#2")),
    "time-zone": Parser(lambda text: next_time("0 3 * * *", text, AT), ("Europe/Rome", "UTC", "Etc/GMT+3")),
    "cloud-event": Parser(message, (MESSAGE,)),
    "cloud-event-headers": Parser(headers, ("2026-01-01T00:00:00Z",)),
    "signature": Parser(signature, ("v1,AAAA", "1767225600", "msg_1")),
    "secret": Parser(keys_of, ("whsec_" + "A" * 32,)),
    "sql": Parser(created, ("create table a (b int); create index c on a (b)", 'create table "x y" (z text default \'a;b\')')),
    "manifest": Parser(lambda text: manifest.read("x", as_bytes(text)), (MANIFEST,)),
}  # fmt: skip


def changed(random: Random, text: str) -> str:
    """A text with a few changes, or something else altogether."""
    for _ in range(random.choice((1, 1, 2, 3, 5))):
        at = random.randrange(len(text) + 1)
        match random.randrange(5):
            case 0:
                text = text[:at] + random.choice(PIECES) + text[at:]
            case 1:
                text = text[:at] + text[at + random.randrange(1, 9) :]
            case 2:
                text = text[:at] + chr(random.randrange(0x250)) + text[at + 1 :]
            case 3:
                text = text[:at] + chr(random.randrange(0x110000)) + text[at:]
            case _:
                text = text[at:] + text[: random.randrange(len(text) + 1)]
    return text[:2_000]


def fuzzed(name: str, runs: int, seed: int) -> list[str]:
    """What is wrong with a parser after so many runs."""
    parser, random, wrong = PARSERS[name], Random(seed), list[str]()  # noqa: S311 - the same each time for a seed
    for _ in range(runs):
        text = changed(random, random.choice(parser.good))
        try:
            found = parser.call(text)
        except parser.errors:
            continue
        except Exception as error:
            wrong.append(f"{name}({text!r:.300}): {type(error).__name__}: {error!s:.100}")
        else:
            wrong += [] if parser.holds(text, found) else [f"{name}({text!r:.300}) gives {found!r:.300}"]
    return wrong
