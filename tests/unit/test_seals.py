"""The JSON of an event, with its personal fields sealed and opened, byte by byte. The keys here are only pretended."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from refold import InvalidName, Personal, RawEvent, UndecodableEvent, UsageError, event, upcast
from refold.codec import Codec
from refold.decoding import events_of
from refold.messages import StreamName, spec_of
from refold.personal import (
    Box,
    Sealing,
    as_forgotten,
    checked_subject,
    opened,
    opened_alike,
    personal_fields,
    sealed,
    stream_of,
    without_seals,
)

MAIL = b'{"$sealed":["who:x","k","Im1haWwi"]}'
"""The text "mail" as it is sealed here, for who:x."""


class Pretended:
    """Seals that hide nothing. Those of the forgotten are not opened."""

    has_keys = True

    def __init__(self, *forgotten: str) -> None:
        self.forgotten = forgotten

    def admit(self, type: str) -> None: ...

    def seal(self, subject: str, value: bytes) -> Box:
        return Box(subject, "k", b64encode(value).decode())

    def open(self, box: Box) -> bytes | None:
        return None if box.subject in self.forgotten else b64decode(box.text)

    def known(self, subject: str) -> Sequence[bytes]:
        return ()

    def is_forgotten(self, subject: str) -> bool:
        return False

    def destroy(self, subject: str, now: int) -> None: ...

    def since(self, position: int) -> None: ...

    def of(self, tenant: str) -> Sealing:
        return self

    def close(self) -> None: ...


@pytest.mark.parametrize(
    ("fields", "plain", "kept"),
    [
        (["mail"], b'{"who":"x","mail":"mail","n":1}', b'{"who":"x","mail":%b,"n":1}' % MAIL),
        (["mail", "more"], b'{"mail":"mail","more":"mail"}', b'{"mail":%b,"more":%b}' % (MAIL, MAIL)),
        (["mail", "more"], b'{"mail":null,"more":"mail"}', b'{"mail":null,"more":%b}' % MAIL),
        (["mail", "more"], b'{"more":"mail"}', b'{"more":%b}' % MAIL),
        (["mail"], b'{"mail":{"a":[1]}}', b'{"mail":{"$sealed":["who:x","k","eyJhIjpbMV19"]}}'),
        ([], b'{"mail":"mail"}', b'{"mail":"mail"}'),
    ],
)
def test_the_fields_that_are_there_are_sealed(fields: Sequence[str], plain: bytes, kept: bytes) -> None:
    assert sealed(Pretended(), fields, "who:x", plain) == kept
    assert opened(Pretended(), kept, fields) == plain


SEALED = b'{"who":"x","mail":%b,"note":%b,"n":{"$sealed":1}}' % (MAIL, MAIL)


@pytest.mark.parametrize(
    ("sealing", "fields", "found"),
    [
        (Pretended(), {"mail"}, b'{"who":"x","mail":"mail","note":%b,"n":{"$sealed":1}}' % MAIL),
        (Pretended(), {"mail", "n", "other"}, b'{"who":"x","mail":"mail","note":%b,"n":{"$sealed":1}}' % MAIL),
        (Pretended("who:x"), {"mail"}, b'{"who":"x","mail":null,"note":%b,"n":{"$sealed":1}}' % MAIL),
        (Pretended("who:y"), {"note"}, b'{"who":"x","mail":%b,"note":"mail","n":{"$sealed":1}}' % MAIL),
        (None, {"mail"}, b'{"who":"x","mail":null,"note":%b,"n":{"$sealed":1}}' % MAIL),
    ],
)
def test_what_is_sealed_is_opened_where_it_can_be_and_nothing_if_it_was_forgotten(
    sealing: Sealing | None, fields: set[str], found: bytes
) -> None:
    assert opened(sealing, SEALED, fields) == found


def test_a_box_holds_no_more_than_what_was_sealed() -> None:
    more = b'{"mail":{"$sealed":["who:x","k","Im1haWwi"],"more":1}}'
    assert opened(None, more, ["mail"]) == more


OTHER = MAIL.replace(b"who:x", b"who:y")
"""The same, sealed for who:y."""


@pytest.mark.parametrize(
    ("one", "other", "found"),
    [
        (b'{"mail":%b}' % MAIL, b'{"mail":%b}' % OTHER, (b'{"mail":null}', b'{"mail":null}')),
        (b'{"mail":%b}' % OTHER, b'{"mail":%b}' % MAIL, (b'{"mail":null}', b'{"mail":null}')),
        (b'{"mail":%b}' % OTHER, b'{"mail":%b}' % OTHER, (b'{"mail":"mail"}', b'{"mail":"mail"}')),
        (b'{"mail":null}', b'{"mail":%b}' % OTHER, (b'{"mail":null}', b'{"mail":"mail"}')),
        (b'{"mail":%b,"n":1}' % MAIL, b'{"mail":"a","n":2}', (b'{"mail":null,"n":1}', b'{"mail":null,"n":2}')),
        (b'{"note":%b}' % MAIL, b'{"note":null}', (b'{"note":%b}' % MAIL, b'{"note":null}')),
    ],
    ids=[
        "forgotten in one",
        "in the other",
        "in neither",
        "never there",
        "beside others",
        "of no field that is sealed",
    ],
)
def test_of_two_events_nothing_is_opened_that_is_forgotten_in_one(
    one: bytes, other: bytes, found: tuple[bytes, bytes]
) -> None:
    assert opened_alike(Pretended("who:x"), (one, other), ["mail"]) == found


def test_json_in_which_nothing_is_sealed_is_not_even_read() -> None:
    assert opened(Pretended(), b"no JSON at all", ["mail"]) == b"no JSON at all"


def test_json_that_was_read_is_opened_if_there_is_something_to_open() -> None:
    shape = {"as it": "was read"}
    assert without_seals(Pretended(), shape, b'{"mail":"mail"}') is shape
    assert without_seals(Pretended(), shape, b'{"mail":%b}' % MAIL) == {"mail": "mail"}


def test_who_shows_an_event_without_keys_shows_nothing_of_what_is_sealed() -> None:
    assert as_forgotten({"who": "x", "mail": msgspec.json.decode(MAIL)}) == {"who": "x", "mail": None}
    assert as_forgotten({"who": "x", "mail": "mail"}) == {"who": "x", "mail": "mail"}


@event("a.sparse", subject="who")
class Sparse(msgspec.Struct, frozen=True, omit_defaults=True):
    who: str
    mail: Personal[str] = None
    more: str = ""


def test_a_field_that_was_not_written_is_not_sealed() -> None:
    form = Codec([Sparse], sealing=Pretended()).form(Sparse)
    assert [form.written(Sparse("x")), form.written(Sparse("x", "mail"))] == [
        b'{"who":"x"}',
        b'{"who":"x","mail":%b}' % MAIL,
    ]


def test_only_what_is_marked_is_personal() -> None:
    assert personal_fields(Sparse) == ("mail",)


def test_whom_an_event_is_about_can_be_the_name_of_a_stream() -> None:
    assert stream_of("who:x") == StreamName("$forgotten", "who:x")
    assert checked_subject(spec_of(Sparse), Sparse("x")) == "who:x"
    with pytest.raises(InvalidName):
        checked_subject(spec_of(Sparse), Sparse("a\nb"))


# Events of a class ----------------------------------------------------------------------


@event("a.plain")
class Plain:
    n: int = 0


@event("a.told", version=2, subject="who", upcasters=[upcast("a.told", 1, to=2)(lambda data: data)])
class Told:
    who: str
    mail: Personal[str]


@pytest.mark.parametrize(
    ("sealing", "version", "found"),
    [
        (Pretended(), 2, "mail"), (Pretended(), 1, "mail"), (Pretended("who:x"), 2, None), (Pretended("who:x"), 1, None),
        (None, 2, None), (None, 1, None),
    ],
)  # fmt: skip
def test_what_is_sealed_is_opened_whatever_its_shape(
    sealing: Pretended | None, version: int, found: str | None
) -> None:
    data = b'{"who":"x","mail":%b}' % MAIL
    for decoders in (Codec([Told], sealing=sealing).known, Codec(sealing=sealing).decoders((Told,))):
        assert events_of(decoders, "a.told", version, data, "s-1", 7, 9) == [Told("x", found)]


def test_without_keys_personal_data_are_written_as_they_are_and_with_keys_they_are_sealed() -> None:
    told = Told("x", "mail")
    assert Codec().form(Told).written(told) == b'{"who":"x","mail":"mail"}'
    assert Codec(sealing=Pretended()).form(Told).written(told) == b'{"who":"x","mail":%b}' % MAIL


@event("a.noted", subject="who")
class Noted:
    who: str
    mail: Personal[str]
    note: Any


def test_what_only_looks_sealed_in_another_field_is_read_as_it_stands() -> None:
    data = b'{"who":"x","mail":%b,"note":%b}' % (MAIL, MAIL)
    known = Codec([Noted], sealing=Pretended()).known
    assert events_of(known, "a.noted", 1, data, "s-1", 7, 9) == [Noted("x", "mail", msgspec.json.decode(MAIL))]


@event(
    "a.filed",
    version=2,
    subject="who",
    upcasters=[
        upcast("a.filed", 1, to=2)(lambda data: {"who": data["who"], "home": data["mail"], "form": data["form"]})
    ],
)
class Filed:
    who: str
    home: Personal[str]
    form: dict[str, Any]


@event("a.sent", version=2, upcasters=[upcast("a.sent", 1, to=2)(lambda data: {"n": 1, "form": data["form"]})])
class Sent:
    n: int
    form: Any


class Keyless(Pretended):
    """Those who have no keys, or others."""

    def open(self, box: Box) -> bytes | None:
        raise UsageError("there is no such key")


@pytest.mark.parametrize(
    "sealing", [None, Pretended(), Pretended("who:x"), Keyless()], ids=["none", "keys", "gone", "others"]
)
def test_what_only_looks_sealed_stays_as_it_is_when_an_event_is_read_in_a_newer_shape(sealing: Sealing | None) -> None:
    known = Codec([Sent], sealing=sealing).known
    box = msgspec.json.decode(MAIL)
    assert events_of(known, "a.sent", 1, b'{"form":%b,"old":%b}' % (MAIL, MAIL), "s-1", 7, 9) == [Sent(1, box)]


@pytest.mark.parametrize(
    ("sealing", "found"),
    [(None, None), (Pretended(), "mail"), (Pretended("who:x"), None)],
    ids=["none", "keys", "gone"],
)
def test_what_is_sealed_is_opened_under_an_earlier_name_too_and_nothing_else(
    sealing: Sealing | None, found: str | None
) -> None:
    data = b'{"who":"x","mail":%b,"form":%b}' % (MAIL, MAIL)
    filed = Filed("x", found, msgspec.json.decode(MAIL))
    assert events_of(Codec([Filed], sealing=sealing).known, "a.filed", 1, data, "s-1", 7, 9) == [filed]


def test_what_is_personal_and_has_no_key_here_is_told() -> None:
    with pytest.raises(UndecodableEvent, match="there is no such key"):
        events_of(Codec([Told], sealing=Keyless()).known, "a.told", 1, b'{"who":"x","mail":%b}' % MAIL, "s-1", 7, 9)


class Admitting(Pretended):
    """Those who say which types they let in, and whose tenants they are."""

    def __init__(self, tenant: str = "") -> None:
        super().__init__()
        self.tenant = tenant
        self.admitted = list[str]()

    def admit(self, type: str) -> None:
        self.admitted.append(type)

    def of(self, tenant: str) -> Admitting:
        return Admitting(tenant)


def test_whoever_seals_is_asked_about_each_type_that_holds_personal_data() -> None:
    sealing = Admitting()
    Codec([Plain, Told], sealing=sealing)
    assert sealing.admitted == ["a.told"]


@pytest.mark.parametrize("raw", [(), (RawEvent,)])
def test_a_tenant_has_the_same_classes_and_seals_of_its_own(raw: tuple[type[Any], ...]) -> None:
    codec = Codec([Told, *raw], lambda: [Plain], Admitting()).for_tenant("acme")
    assert isinstance(codec.sealing, Admitting)
    assert (codec.sealing.tenant, codec.sealing.admitted) == ("acme", ["a.told"])
    known = frozenset({"a.told"} if raw else {"a.told", "a.plain"})
    assert (codec.known.raw, codec.known.types) == (bool(raw), known)
