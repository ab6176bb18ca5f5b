"""Append over gRPC: by UmaDB's client, on conditions, once, with tracking, seen by Refold as what it is."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest
from tests.grpc.serving import ONE_BACKEND, Served, served, umadb

from refold import Fold, NewEvent, Query, RawEvent, Store, compose, event
from refold.http.quotas import Quotas
from refold.rpc.tracking import PASSED

Event, Item = umadb.Event, umadb.QueryItem


def condition(*tags: str, types: list[str] | None = None, after: int | None = None) -> Any:
    """No such event stands after that."""
    return umadb.AppendCondition(umadb.Query([Item(types=types, tags=list(tags))]), after)


def stone(number: int = 1, *tags: str, id: UUID | None = None) -> Any:
    return Event("stone", b'{"number":%d}' % number, list(tags), id)


def test_refold_reads_what_was_appended_as_it_reads_its_own(uma: Any, store: Store) -> None:
    id = uuid4()
    told = uma.append([Event("stone", b'{"number": 1}', ["hill:2", "a"], id, {"lorry": "7"}), Event("noise", b"\xff")])
    first, second = store.read()
    assert told == 2
    assert (first.data, first.id, {*first.tags}) == (RawEvent("stone", {"number": 1}), id, {"hill:2", "a"})
    assert (second.data, second.tags) == (RawEvent("noise", {"$bytes": "/w=="}), frozenset())
    assert [str(each.stream) for each in (first, second)] == ["dcb-events"] * 2
    assert (first.metadata.free["lorry"], first.metadata.actor, second.metadata.correlation_id) == (
        "7",
        "anyone",
        str(id),
    )


def test_a_condition_holds_as_long_as_nothing_that_matches_was_appended_after_it(uma: Any, store: Store) -> None:
    uma.append([stone(1, "hill:1")], condition("hill:1"))
    with pytest.raises(umadb.IntegrityError, match=r"an event that matches \[hill:1\] stands at position 1, after 0"):
        uma.append([stone(2, "hill:1")], condition("hill:1"))
    assert uma.append([stone(2, "hill:1")], condition("hill:1", after=1)) == 2
    store.append("heap-1", [NewEvent(RawEvent("stone", {"number": 3}), tags=frozenset({"hill:1"}))])
    with pytest.raises(umadb.IntegrityError):
        uma.append([stone(4, "hill:1")], condition("hill:1", after=2))
    assert uma.append([stone(4, "hill:2")], condition("hill:1", "hill:2", types=["stone"])) == 4
    with pytest.raises(umadb.IntegrityError):  # without a query: no event at all
        uma.append([stone(5)], umadb.AppendCondition(umadb.Query(), 3))
    assert uma.append([stone(5)], umadb.AppendCondition(umadb.Query(), 2**64 - 1)) == 5
    assert len(list(store.read())) == 5


def test_of_many_who_decide_upon_the_same_one_is_first(server: Served, store: Store) -> None:
    def claim(number: int) -> int | None:
        try:
            return int(server.client().append([stone(number, "claim")], condition("claim")))
        except umadb.IntegrityError:
            return None

    with ThreadPoolExecutor(8) as pool:
        told = [*pool.map(claim, range(32))]
    assert (len([each for each in told if each]), len(list(store.read()))) == (1, 1)


def test_a_repeat_gives_the_first_position_and_appends_nothing(uma: Any, store: Store) -> None:
    ids = uuid4(), uuid4()
    events = [stone(each, "hill:1", id=id) for each, id in enumerate(ids)]
    tracked = umadb.TrackingInfo("hills", 3)
    first = uma.append(events, condition("hill:1"), tracked)
    store.append("heap-1", [NewEvent(RawEvent("stone", {}), tags=frozenset({"hill:1"}))])
    assert [uma.append(events, condition("hill:1"), tracked) for _ in range(2)] == [first, first]
    with pytest.raises(umadb.IntegrityError):  # an id names one event for ever
        uma.append([stone(9, "hill:1", id=ids[0])])
    assert len(list(store.read())) == 3


def test_nothing_can_be_appended_and_what_must_hold_is_judged(uma: Any) -> None:
    uma.append([stone(1, "hill:1")])
    assert uma.append([], condition("hill:2")) == 0
    with pytest.raises(umadb.IntegrityError):
        uma.append([], condition("hill:1"))
    assert (uma.append([]), uma.head()) == (0, 1)


def test_what_was_tracked_rises_and_is_recorded_with_what_followed(uma: Any, store: Store) -> None:
    uma.append([stone(1), stone(2)], None, umadb.TrackingInfo("hills", 7))
    for position in (7, 6, 0):
        with pytest.raises(umadb.IntegrityError, match="non-increasing tracking position for source 'hills'"):
            uma.append([stone(3)], None, umadb.TrackingInfo("hills", position))
    with pytest.raises(umadb.IntegrityError):
        uma.append([stone(3, "x")], umadb.AppendCondition(umadb.Query(), 0), umadb.TrackingInfo("hills", 8))
    assert [uma.get_tracking_info(each) for each in ("hills", "hill")] == [7, None]
    uma.append([stone(4)], None, umadb.TrackingInfo("hills", 2**64 - 1))
    assert uma.get_tracking_info("hills") == 2**64 - 1
    told = [(each.event.data, each.event.tags, each.tracking_info) for each in uma.read()]
    seven, most = umadb.TrackingInfo("hills", 7), umadb.TrackingInfo("hills", 2**64 - 1)
    assert told == [(b'{"number":1}', [], seven), (b'{"number":2}', [], seven), (b'{"number":4}', [], most)]
    assert [each.position for each in store.read(query=Query.of(tags=["$tracking:hills"]))] == [2, 3]


def test_what_led_to_nothing_is_tracked_all_the_same_and_shown_to_nobody(uma: Any, store: Store) -> None:
    assert uma.append([], None, umadb.TrackingInfo("hills", 4)) == 0
    assert (uma.get_tracking_info("hills"), uma.head(), list(uma.read())) == (4, None, [])
    assert uma.append([stone(1)], umadb.AppendCondition(umadb.Query(), 0)) == 2
    assert [each.type for each in store.read()] == [PASSED, "stone"]


def test_of_many_who_track_the_same_each_position_is_taken_once(server: Served, store: Store) -> None:
    def follow(_: int) -> int:
        client, done = server.client(), 0
        for position in range(1, 11):
            try:
                client.append([stone(position)], None, umadb.TrackingInfo("hills", position))
            except umadb.IntegrityError:
                continue
            done += 1
        return done

    with ThreadPoolExecutor(4) as pool:
        told = [*pool.map(follow, range(4))]
    numbers = [each.data.data["number"] for each in store.read()]
    assert (sum(told), numbers) == (len(numbers), sorted(set(numbers)))
    assert server.client().get_tracking_info("hills") == 10 == numbers[-1]


def test_what_is_hidden_is_in_nobodys_way(uma: Any, store: Store) -> None:
    uma.append([stone(1)])
    uma.append([], None, umadb.TrackingInfo("hills", 1))
    store.append("heap-1", [NewEvent(RawEvent("$of-its-own", {}), tags=frozenset({"hill:1"}))])
    assert uma.head() == 1
    assert uma.append([stone(2, "hill:1")], umadb.AppendCondition(umadb.Query(), uma.head())) == 4
    assert uma.append([stone(3, "hill:1")], condition("hill:1", after=4)) == 5
    with pytest.raises(umadb.IntegrityError, match="stands at position 4, after 3"):
        uma.append([stone(4)], condition("hill:1", after=3))


@ONE_BACKEND
def test_a_client_may_name_the_stream(uma: Any, store: Store) -> None:
    named = {"$stream": "heap-7", "$schema_version": "2", "lorry": "1"}
    uma.append([Event("stone", b"{}", metadata=named), Event("stone", b"{}", metadata=named)])
    assert [(str(each.stream), each.version, each.schema_version) for each in store.read("heap-7")] == [
        ("heap-7", 1, 2), ("heap-7", 2, 2),
    ]  # fmt: skip
    with pytest.raises(ValueError, match="the events of one append go to one stream"):
        uma.append([stone(1), Event("stone", b"{}", metadata={"$stream": "heap-7"})])


@event("heap.grown", tags=("heap",))
class Grown:
    heap: str
    by: int


class TooHigh(Exception): ...


def test_a_decision_over_tags_and_a_client_of_umadb_hold_each_other_back(uma: Any, url: str) -> None:
    sizes: Fold[int, Grown] = Fold("heap", initial=int, evolve=lambda size, e: size + e.by, events=(Grown,))

    def grow(size: int) -> Iterator[Grown]:
        if size + 2 > 4:
            raise TooHigh(size)
        yield Grown("h", 2)

    with Store.open(url, events=[Grown]) as store:
        uma.append([Event("heap.grown", b'{"heap": "h", "by": 1}', ["heap:h"])], condition("heap:h"))
        store.decide(compose(sizes.tagged("heap:h")), grow, stream="heap-h")
        with pytest.raises(umadb.IntegrityError):  # it has not seen that
            uma.append([Event("heap.grown", b'{"heap":"h","by":9}', ["heap:h"])], condition("heap:h", after=1))
        with pytest.raises(TooHigh, match="3"):
            store.decide(compose(sizes.tagged("heap:h")), grow, stream="heap-h")
        assert [each.data for each in store.read()] == [Grown("h", 1), Grown("h", 2)]


BAD = {
    "no type": Event("", b""),
    "a type of Refold's own": Event("$token.issued", b"{}"),
    "a type with a line break": Event("a\nb", b""),
    "a long type": Event("a" * 201, b""),
    "an empty tag": Event("a", b"", [""]),
    "a tag of Refold's own": Event("a", b"", ["$tracking:hills"]),
    "too many tags": Event("a", b"", [str(each) for each in range(101)]),
    "too many keys": Event("a", b"", metadata={str(each): "" for each in range(101)}),
    "a key of Refold's own": Event("a", b"", metadata={"$umadb": "{}"}),
    "no stream": Event("a", b"", metadata={"$stream": "heap"}),
    "a stream of Refold's own": Event("a", b"", metadata={"$stream": "$token-1"}),
    "no version": Event("a", b"", metadata={"$schema_version": "two"}),
    "data over the limit": Event("a", bytes(1 << 20)),
    "metadata over the limit": Event("a", b"", metadata={"a": "x" * (1 << 16)}),
}


def refusal(uma: Any, bad: Any) -> type[Exception] | None:
    """What an append of that, and of one that is good, is refused with."""
    try:
        uma.append([stone(), bad])
    except Exception as error:
        return type(error)
    return None


@ONE_BACKEND
def test_what_refold_cannot_keep_is_refused_whole(uma: Any, store: Store) -> None:
    for name, bad in BAD.items():
        assert refusal(uma, bad) is ValueError, name
    with pytest.raises(ValueError, match="has 191 characters: 190 are allowed"):
        uma.append([stone()], None, umadb.TrackingInfo("s" * 191, 1))
    with pytest.raises(ValueError, match="1,001"):
        uma.append([stone()] * 1_001)
    assert list(store.read()) == []


@ONE_BACKEND
def test_a_message_over_the_limit_is_refused(store: Store, url: str) -> None:
    with served(url, quotas=Quotas(body_bytes=1_000)) as server:
        with pytest.raises(Exception, match=r"(?i)larger than max|ResourceExhausted|exhausted"):
            server.client().append([Event("a", bytes(2_000))])
        assert server.client().append([Event("a", bytes(500))]) == 1
