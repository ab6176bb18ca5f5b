"""Which other bytes under one id are an equal event: sets in another order, and what is forgotten in one of them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.unit.test_seals import MAIL, OTHER, Pretended

from refold import Personal, RawEvent, StoreUnreachable, event
from refold.codec import Codec
from refold.personal import Box
from refold.rows import NewRow, Row

ID = b"i" * 16


@event("a.kept", version=2, subject="who")
class Kept(msgspec.Struct, frozen=True):
    who: str
    mail: Personal[str] = None
    ids: frozenset[int] = frozenset()


@event("a.plain")
class Plain(msgspec.Struct, frozen=True):
    n: int


class Away(Pretended):
    """Keys that cannot be reached."""

    def open(self, box: Box) -> bytes | None:
        raise StoreUnreachable("the keys are away")


CODEC = Codec([Kept, Plain], sealing=Pretended("who:x"))


def same(new: bytes, old: bytes, type: str = "a.kept", version: int = 2, codec: Codec = CODEC) -> bool:
    row = Row(1, "s-1", 1, ID, type, version, old, "[]", 0, None, "story", None, None, b"{}")
    return codec.same(NewRow(ID, type, version, new, (), None, "story", None, None, b"{}"), row)


@pytest.mark.parametrize(
    ("new", "old", "expected"),
    [
        (b'{"who":"x","ids":[8,0]}', b'{"who":"x","ids":[0,8]}', True),
        (b'{"who":"x","ids":[8,0]}', b'{"who":"x","ids":[0,9]}', False),
        (b'{"who":"x","mail":%b}' % OTHER, b'{"who":"x","mail":%b}' % MAIL, True),
        (b'{"who":"x","mail":%b}' % MAIL, b'{"who":"x","mail":%b}' % OTHER, True),
        (b'{"who":"x","mail":%b}' % OTHER, b'{"who":"x","mail":"another"}', False),
        (b'{"who":"x","mail":%b}' % OTHER, b'{"who":"x"}', False),
        (b'{"who":"x","mail":%b}' % OTHER, b'{"who":"y","mail":%b}' % MAIL, False),
        (b'{"who":"x"}', b"no JSON at all", False),
    ],
    ids=[
        "another order", "another set", "forgotten since", "forgotten and written again", "another value", "never there",
        "of somebody else", "damaged",
    ],
)  # fmt: skip
def test_bytes_are_of_one_event_if_what_can_be_read_of_both_is_equal(new: bytes, old: bytes, expected: bool) -> None:
    assert same(new, old) is expected


def test_only_what_today_s_class_reads_can_be_equal() -> None:
    assert same(b'{"n":1}', b'{"n": 1}', "a.plain", 1) is True
    assert same(b'{"n":1}', b'{"n": 1}', "a.plain", 2) is False
    assert same(b'{"n":1}', b'{"n": 1}', "a.stranger", 1) is False


def test_keys_that_cannot_be_reached_do_not_make_events_differ() -> None:
    with pytest.raises(StoreUnreachable):
        same(b'{"who":"x","mail":%b}' % MAIL, b'{"who":"x","mail":null}', codec=Codec([Kept], sealing=Away()))


class Gone(Pretended):
    def is_forgotten(self, subject: str) -> bool:
        return subject in self.forgotten


@pytest.mark.parametrize(
    ("codec", "about", "expected"),
    [
        (Codec([Kept], sealing=Gone("who:x")), Kept("x"), True),
        (Codec([Kept], sealing=Gone("who:x")), Kept("y"), False),
        (Codec([Plain], sealing=Gone("who:x")), Plain(1), False),
        (Codec([RawEvent], sealing=Gone("who:x")), RawEvent("a.kept", {"who": "x"}), False),
        (Codec([Plain]), Plain(1), False),
    ],
    ids=["forgotten", "somebody else", "nobody", "nobody knows", "no keys"],
)
def test_an_event_is_about_somebody_who_was_forgotten_if_it_has_personal_fields_of_theirs(
    codec: Codec,
    about: Any,
    expected: bool,
) -> None:
    assert codec.is_about_forgotten(about) is expected
