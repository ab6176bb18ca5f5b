"""What stored bytes are read as: the event of a class, several, none, or an error that names their place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from refold import (
    RawEvent,
    UndecodableEvent,
    UnknownEventType,
    Upcaster,
    UsageError,
    event,
    move,
    split,
    upcast,
)
from refold.codec import Codec, Decoders
from refold.decoding import Piece, events_of, pieces_of
from refold.upcasting import JsonObject, Parts


def doubled(data: JsonObject) -> JsonObject:
    if data["n"] == 13:
        raise ValueError("unlucky")
    return {"n": data["n"] * 2}


@event("a.done", version=2, upcasters=[upcast("a.done", 1, to=2)(doubled)])
class Done:
    n: int


@event("a.undone")
class Undone:
    n: int


@event("a.now", upcasters=[move("a.once", to="a.now")])
class Now:
    n: int


@split("a.both", 1, into={"a.left": 1, "a.right": 2, "a.lost": 1})
def into_both(data: JsonObject) -> Parts:
    yield "a.left", {"n": data["n"]}
    yield "a.right", {"n": data["n"] + 1}
    if data["n"] > 5:
        yield "a.lost", {}


@event("a.left", upcasters=[into_both])
class Left:
    n: int


@event("a.right", version=2, upcasters=[into_both])
class Right:
    n: int


Classes = tuple[type[Any], ...]


def pieces(decoders: Decoders, type: str, version: int, data: bytes) -> Sequence[Piece]:
    return pieces_of(decoders, type, version, data, "s-1", 7, 9)


# One class ----------------------------------------------------------------------------------


def test_what_is_stored_in_todays_shape_is_read_as_it_stands_and_an_older_one_is_brought_there() -> None:
    decoders = Codec().decoders((Done,))
    assert pieces(decoders, "a.done", 2, b'{"n":3}') == (Piece(1, 1, "a.done", 2, Done(3)),)
    assert pieces(decoders, "a.done", 1, b'{"n":3}') == [Piece(1, 1, "a.done", 2, Done(6))]
    assert events_of(decoders, "a.done", 1, b'{"n":3}', "s-1", 7, 9) == [Done(6)]


def test_a_raw_event_is_read_by_the_way_of_its_type_too() -> None:
    decoders = Codec().decoders((Done, RawEvent))
    assert pieces(decoders, "a.other", 3, b'{"n":3}') == (Piece(1, 1, "a.other", 3, RawEvent("a.other", {"n": 3}, 3)),)
    assert pieces(decoders, "a.done", 1, b'{"n":3}') == [Piece(1, 1, "a.done", 2, Done(6))]


UNKNOWN = "event type 'a.other' of stream 's-1', version 7, position 9 has no class here; known are: a.done, a.undone. "
NAMED = "Name its class in the fold's union, or open the store with events=[...]."
STORED = "event 'a.done' of stream 's-1', version 7, position 9 "
MISFIT = "does not fit its class: "
GIVE = " Give the class a default for it, or a new schema version with an upcaster."
SHAPE = "cannot be brought to the shape of its class: "
MEND = " Mend the upcaster: what is stored stays as it is."


@pytest.mark.parametrize(
    ("type", "version", "data", "said"),
    [
        ("a.other", 1, b"{}", UNKNOWN + NAMED),
        ("a.done", 2, b'{"n":"x"}', f"{STORED}{MISFIT}Expected `int`, got `str` - at `$.n`.{GIVE}"),
        ("a.done", 3, b"{}", f"{STORED}{MISFIT}it was stored with schema version 3, the class has version 2.{GIVE}"),
        ("a.done", 1, b'{"n":13}', f"{STORED}{SHAPE}upcaster 'a.done' 1 -> 2 raised ValueError: unlucky.{MEND}"),
        ("a.done", 1, b'{"n":"x"}', f"{STORED}{SHAPE}upcast, Expected `int`, got `str` - at `$.n`.{MEND}"),
        ("a.done", 1, b"[]", f"{STORED}{SHAPE}upcast, Expected `object`, got `array`.{MEND}"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(type: str, version: int, data: bytes, said: str) -> None:
    with pytest.raises((UnknownEventType, UndecodableEvent)) as caught:
        events_of(Codec().decoders((Done, Undone)), type, version, data, "s-1", 7, 9)
    assert str(caught.value) == said


@pytest.mark.parametrize("data", [b'{"n":13}', b'{"n":"x"}'])
def test_an_error_on_the_way_names_the_step(data: bytes) -> None:
    with pytest.raises(UndecodableEvent) as caught:
        pieces(Codec().decoders((Done,)), "a.done", 1, data)
    assert caught.value.step == "'a.done' 1 -> 2"


def test_an_event_that_was_only_renamed_and_does_not_fit_is_told_as_what_it_is_read_as() -> None:
    with pytest.raises(UndecodableEvent) as caught:
        pieces(Codec().decoders((Now,)), "a.once", 1, b"{}")
    assert caught.value.step == "('a.now', 1)"


def test_an_older_shape_without_an_upcaster_is_told_which_it_takes() -> None:
    class Later:
        n: int

    later = event("a.later", version=3)(Later)
    with pytest.raises(UndecodableEvent) as caught:
        pieces(Codec().decoders((later,)), "a.later", 2, b"{}")
    assert caught.value.reason == (
        "it was stored with schema version 2, the class has version 3, and no upcaster leads there: it takes "
        "@upcast('a.later', 2, to=3)"
    )


def test_what_is_known_is_told_without_refolds_own() -> None:
    own: type[Any] = event("a.own")(type("Own", (), {"__annotations__": {}}))
    decoders = Codec().decoders((Done, own))
    decoders["$forgotten", 1] = decoders["a.own", 1]
    with pytest.raises(UnknownEventType) as caught:
        pieces(decoders, "a.other", 1, b"{}")
    assert caught.value.known == ("a.done", "a.own")


# Several ------------------------------------------------------------------------------------

LEFT, RIGHT = Piece(1, 2, "a.left", 1, Left(1)), Piece(2, 2, "a.right", 2, Right(2))


@pytest.mark.parametrize(
    ("classes", "found"),
    [
        ((Left, Right), [LEFT, RIGHT]),
        ((RawEvent, Left), [LEFT, Piece(2, 2, "a.right", 2, RawEvent("a.right", {"n": 2}, 2))]),
    ],
)
def test_one_that_is_split_is_read_as_its_parts(classes: Classes, found: Sequence[Piece]) -> None:
    assert pieces(Codec().decoders(classes), "a.both", 1, b'{"n":1}') == found


@pytest.mark.parametrize(
    ("classes", "found"),
    [((Left,), [LEFT]), ((Right,), [RIGHT]), ((Left, Right), [LEFT, RIGHT]), ((Done,), []), ((Undone, Done), [])],
)
def test_who_selects_passes_over_the_parts_of_others(classes: Classes, found: Sequence[Piece]) -> None:
    codec = Codec([Left, Right])
    assert list(pieces(codec.selecting(classes), "a.both", 1, b'{"n":1}')) == found


def test_a_part_without_a_class_is_told() -> None:
    with pytest.raises(UnknownEventType) as caught:
        pieces(Codec().decoders((Left, Right)), "a.both", 1, b'{"n":6}')
    assert str(caught.value) == (
        "event type 'a.lost' of stream 's-1', version 7, position 9 has no class here; known are: a.left, a.right. "
        + NAMED
    )


def test_a_part_that_does_not_fit_is_told_with_the_step_that_split() -> None:
    both = split("a.pair", 1, into={"a.done": 2, "a.undone": 1})(lambda data: [("a.undone", {"n": "x"})])
    carrier: type[Any] = event("a.carrier", upcasters=[both])(type("Carrier", (), {"__annotations__": {}}))
    with pytest.raises(UndecodableEvent) as caught:
        pieces(Codec([carrier, Undone]).known, "a.pair", 1, b"{}")
    assert (caught.value.step, caught.value.reason) == (str(both), "upcast, Expected `int`, got `str` - at `$.n`")


# Who selects ----------------------------------------------------------------------------------


def test_who_selects_passes_over_what_is_read_as_something_else() -> None:
    codec = Codec([Done, Undone, Left])
    selecting = codec.selecting((Undone,))
    assert [selecting.passes_over(key) for key in (("a.done", 2), ("a.done", 1), ("a.both", 1), ("a.other", 1))] == [
        True, True, True, True,
    ]  # fmt: skip
    assert [selecting.passes_over(key) for key in (("a.undone", 1), ("a.undone", 2))] == [False, False]
    assert codec.decoders((Undone,)).passes_over(("a.done", 2)) is False


def test_the_names_of_a_class_that_only_others_are_read_as_are_passed_over_as_those() -> None:
    selecting = Codec([Done, Left]).selecting((Done, Left))
    assert (selecting.names, selecting.types) == (
        frozenset({"a.done", "a.left", "a.both"}),
        frozenset({"a.done", "a.left"}),
    )
    assert (set(selecting.older), selecting.splits) == ({("a.done", 1), ("a.both", 1)}, True)
    assert Codec().selecting((Done,)).splits is False


def test_what_nobody_here_knows_under_a_name_of_the_selected_is_an_error_and_else_passed_over() -> None:
    selecting = Codec([Left]).selecting((Left,))
    assert (selecting.passes_over(("a.both", 2)), selecting.passes_over(("a.right", 1))) == (False, True)
    raw = Codec([Left]).selecting((Left, RawEvent))
    assert (raw.names, raw.passes_over(("a.other", 1))) == (None, True)


def leading(type: str, version: int, into: str) -> Upcaster[JsonObject]:
    return upcast(type, version, to=1, into=into)(lambda data: data)


def test_a_name_that_was_used_for_several_is_passed_over_where_it_means_another() -> None:
    @event("a.kept", upcasters=[leading("a.mixed", 1, "a.kept"), leading("a.mixed", 2, "a.gone")])
    class Kept: ...

    @event("a.mixed", version=3)
    class Mixed: ...

    keys = [("a.mixed", version) for version in (1, 2, 3)]
    alone, beside = Codec([Kept]).selecting((Kept,)), Codec([Kept, Mixed]).selecting((Kept,))
    assert [alone.passes_over(key) for key in keys] == [False, True, False]
    assert [beside.passes_over(key) for key in keys] == [False, True, True]


def test_an_error_that_tells_the_way_out_itself_is_given_no_other_advice() -> None:
    told = UndecodableEvent("a.b", "a-1", 1, 1, UsageError("these are other keys. Open the store with its own."))
    assert str(told).endswith("does not fit its class: these are other keys. Open the store with its own.")
    plain = UndecodableEvent("a.b", "a-1", 1, 1, ValueError("no number"))
    assert str(plain).endswith(
        ": no number. Give the class a default for it, or a new schema version with an upcaster."
    )
