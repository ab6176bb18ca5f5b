"""Values that JSON can hold, whatever they are: made at random by a seed, with a love for the ends of what there is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final
from uuid import UUID

from refold import Metadata, NewEvent, RawEvent, RefoldError
from refold.messages import checked_name
from refold.testing.contract.sample import Said

NUMBERS: Final = (
    0, 1, -1, 2**31, 2**53 - 1, 2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1, 2**63, -(2**63), 2**64 - 1, 2**64, 10**30, -(10**100),
    0.0, -0.0, 0.1, 1e16, 1e-7, 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, 123456789.123456789, 1e22, 1e23,
)  # fmt: skip
TEXTS: Final = (
    "", " ", "\x00", "a\x00b", "\x1f", "\x7f", "\x85", "\u2028", "\u2029", "\ufeff", "\uffff", "\U0010ffff", "🦊", "e\u0301", "é",
    "İ", "\\", '"', "\\u0000", "\\ud800", "null", "true", "NaN", "1e999", "__proto__", "'; drop table events; --", "\u202e",
    "</script>",
)  # fmt: skip


def text(random: Random) -> str:
    """A text, of one sort of characters or of many."""
    if random.random() < 0.4:
        return random.choice(TEXTS)
    last = random.choice((0x7F, 0xFF, 0x7FF, 0xD7FF, 0x10FFFF))
    codes = (random.randrange(last + 1) for _ in range(random.choice((0, 1, 3, 20, 200))))
    return "".join(chr(code) for code in codes if not 0xD800 <= code <= 0xDFFF)


def number(random: Random) -> int | float:
    """A whole number or another one, of any size."""
    match random.randrange(4):
        case 0:
            return random.choice(NUMBERS)
        case 1:
            return random.randrange(-(1 << random.randrange(1, 200)), 1 << random.randrange(1, 200))
        case 2:
            return random.uniform(-1, 1) * 10.0 ** random.randrange(-300, 300)
        case _:
            return random.gauss(0, 1e3)


def value(random: Random, depth: int = 3) -> Any:
    """Any of it."""
    match random.randrange(8 if depth else 5):
        case 0:
            return random.choice((None, True, False))
        case 1 | 2:
            return text(random)
        case 3 | 4:
            return number(random)
        case 5 | 6:
            return [value(random, depth - 1) for _ in range(random.randrange(4))]
        case _:
            return {text(random): value(random, depth - 1) for _ in range(random.randrange(4))}


def name(random: Random) -> str:
    """A text that may be a name."""
    while True:
        try:
            return checked_name("tag", text(random)[:200])
        except RefoldError:
            continue


def moment(random: Random) -> datetime:
    """A time, to the microsecond."""
    return datetime(1, 1, 1, tzinfo=UTC) + random.random() * timedelta(days=3_652_058)


def event(random: Random) -> NewEvent[Any]:
    """An event with a value, and with all that can be told about one beside."""
    raw = RawEvent(name(random), {text(random): value(random)}, random.randrange(1, 99))
    data = Said(value(random)) if random.random() < 0.5 else raw
    free = {text(random): text(random) for _ in range(random.randrange(3))}
    metadata = Metadata(name(random), name(random), name(random), moment(random), free)
    tags = frozenset(name(random) for _ in range(random.randrange(4)))
    return NewEvent(data, UUID(int=random.getrandbits(128)), moment(random), tags, metadata)
