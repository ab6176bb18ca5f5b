"""The classes that one codec knows: each name has one, and what is made of them is made once."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from refold import RawEvent, UpcasterError, UsageError, event, move, split, upcast
from refold.codec import Codec
from refold.query import Query


@event("a.done")
class Done:
    n: int = 0


@event("a.undone")
class Undone:
    n: int = 0


@event("a.now", upcasters=[move("a.once", to="a.now")])
class Now:
    n: int = 0


def test_a_class_has_one_form() -> None:
    codec = Codec()
    assert codec.form(Done) is codec.form(Done)


def test_a_name_belongs_to_one_class() -> None:
    @event("a.done")
    class Other: ...

    with pytest.raises(UsageError) as caught:
        Codec([Done, Other])
    assert str(caught.value) == (
        f"event name 'a.done' is claimed by {__name__}.Done and {__name__}.{Other.__qualname__}: in one store a name belongs "
        "to one class."
    )


def test_the_decoders_of_the_same_classes_are_made_once() -> None:
    codec = Codec()
    whole, selecting = codec.decoders((Done,)), codec.selecting((Done,))
    assert (codec.decoders((Done,)) is whole, codec.selecting((Done,)) is selecting) == (True, True)
    assert (whole.selective, selecting.selective, codec.known.selective) == (False, True, False)
    codec.form(Undone)
    assert codec.decoders((Done,)) is whole


def test_upcasters_that_come_later_are_taken_by_decoders_that_were_made_before() -> None:
    codec = Codec()
    before = codec.decoders((Done,)), codec.known
    codec.form(Now)
    after = codec.decoders((Done,)), codec.known
    assert [one is other for one, other in zip(before, after, strict=True)] == [False, False]
    assert codec.known.older.keys() == {("a.once", 1)}


def test_what_is_known_is_each_class_that_was_met_and_those_that_come_later() -> None:
    codec = Codec([Done], later=lambda: [Undone])
    codec.form(Now)
    assert codec.known.types == frozenset({"a.done", "a.undone", "a.now"})
    assert codec.known is codec.known


def test_who_reads_raw_events_learns_no_classes_later() -> None:
    codec = Codec([RawEvent, Done], later=lambda: [Undone])
    assert (codec.known.types, codec.known.raw, Codec([Done]).known.raw) == (frozenset({"a.done"}), True, False)


def test_nothing_is_known_before_a_class_was_met() -> None:
    known, of_none = Codec().known, Codec([Now]).decoders(())
    assert (dict(known), dict(known.older), known.types, known.names) == ({}, {}, frozenset(), frozenset())
    assert (dict(of_none), dict(of_none.older), of_none.types, of_none.names) == ({}, {}, frozenset(), frozenset())


@pytest.mark.parametrize("raw", [(), (RawEvent,)])
def test_raw_events_are_read_where_they_are_asked_for(raw: tuple[type[Any], ...]) -> None:
    decoders = Codec().decoders((Done, *raw))
    assert (decoders.raw, decoders.types, decoders.names) == (
        bool(raw), frozenset({"a.done"}), None if raw else frozenset({"a.done"}),
    )  # fmt: skip


def test_a_codec_without_keys_is_that_of_each_tenant() -> None:
    codec = Codec([Done])
    assert codec.for_tenant("acme") is codec


def test_a_query_finds_what_it_means_under_older_names() -> None:
    query = Query.of(types=["a.now", "a.done"], tags=["x"]) | Query.of(tags=["y"])
    found = Query.of(types=["a.now", "a.once", "a.done"], tags=["x"]) | Query.of(tags=["y"])
    assert Codec([Done, Now]).stored(query) == found
    assert Codec([Done]).stored(query) is query


def test_an_upcaster_may_not_lead_past_a_class_whichever_comes_first() -> None:
    past = split("a.old", 1, into={"a.done": 2, "a.other": 1})(lambda data: [])
    other: Any = event("a.other", upcasters=[past])(msgspec.defstruct("Other", [], frozen=True))
    for classes in ([Done, other], [other, Done]):
        with pytest.raises(UpcasterError, match=r"leads past version 1 of 'a\.done'"):
            Codec(classes)


def test_upcasters_of_a_class_lead_to_it_whatever_others_bring() -> None:
    step = upcast("a.twice", 1, to=2)(lambda data: data)
    codec = Codec([event("a.carrier", upcasters=[step])(msgspec.defstruct("Carrier", [], frozen=True))])
    with pytest.raises(UpcasterError, match=r"no upcaster leads on from version 1 of 'a\.twice'"):
        codec.form(
            event("a.twice", version=3, upcasters=[upcast("a.twice", 2, to=3)(lambda data: data)])(
                msgspec.defstruct("Twice", [], frozen=True)
            )
        )
