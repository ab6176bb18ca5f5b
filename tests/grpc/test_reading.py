"""Read over gRPC: both ways, from a position, with limits, what a query finds, in batches, without what is hidden."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.grpc.serving import ONE_BACKEND, Served, raw, umadb

from refold import AsyncStore, NewEvent, RawEvent, Store
from refold.http.auditing import AskFor, audit
from refold.rpc.protocol import umadb_pb2 as pb
from refold.rpc.visible import head

TYPES, TAGS = ("a", "b", "$c", "\n"), ("x", "y", "$tracking:s", "")
ONE_STORE = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


async def audited(url: str) -> None:
    """An event of Refold's own."""
    async with await AsyncStore.open(url, events=[RawEvent]) as store:
        await audit(store, "me", AskFor("look", "at it", "", None))


@pytest.fixture
def mixed(store: Store, url: str) -> list[tuple[int, str, frozenset[str]]]:
    """Visible and hidden events, and of the visible ones where they stand, their types and tags."""
    seen: list[tuple[int, str, frozenset[str]]] = []
    asyncio.run(audited(url))
    for number in range(24):
        type, tags = ("a", "b", "$c")[number % 3], frozenset(TAGS[: number % 3])
        data = RawEvent(type, {"number": number})
        receipt = store.append(f"heap-{number % 2}", [NewEvent(data, tags=tags)])
        if type != "$c":
            seen.append((int(receipt.position), type, tags))
    return seen


items = st.builds(lambda types, tags: (types, tags), st.lists(st.sampled_from(TYPES)), st.lists(st.sampled_from(TAGS)))
asked = st.tuples(
    st.none() | st.lists(items, max_size=3), st.none() | st.integers(0, 30) | st.just(2**64 - 1), st.booleans(),
    st.none() | st.integers(0, 30) | st.just(2**32 - 1), st.none() | st.integers(0, 9),
)  # fmt: skip


def matches(query: Any, type: str, tags: frozenset[str]) -> bool:
    """What the protocol says of a query."""
    return not query or any((not types or type in types) and {*wanted} <= tags for types, wanted in query)


def model(
    mixed: list[tuple[int, str, frozenset[str]]], query: Any, start: int | None, backwards: bool, limit: int | None
) -> Any:
    found = [position for position, type, tags in mixed if matches(query, type, tags)]
    if backwards:
        found = [each for each in reversed(found) if start is None or each <= start]
    else:
        found = [each for each in found if each >= (start or 0)]
    return found if limit is None else found[:limit]


@ONE_STORE
@given(asked)
def test_a_read_gives_what_its_definition_says(server: Served, mixed: Any, asked: Any) -> None:
    query, start, backwards, limit, batch = asked
    request = pb.ReadRequest(start=start, backwards=backwards, limit=limit, batch_size=batch)
    if query is not None:
        request.query.CopyFrom(pb.Query(items=[pb.QueryItem(types=types, tags=tags) for types, tags in query]))
    with raw(server) as caller:
        status, answers = caller.call("Read", request.SerializeToString())
    told = [pb.ReadResponse.FromString(each) for each in answers]
    positions = [[event.position for event in each.events] for each in told]
    heads = [each.head if each.HasField("head") else None for each in told]
    wanted, most = model(mixed, query, start, backwards, limit), 1_024 if batch is None else max(batch, 1)
    batches = [wanted[place : place + most] for place in range(0, len(wanted), most)] or [[]] * (limit != 0)
    last = mixed[-1][0]
    assert (status, positions) == ("OK", batches)
    assert heads == [last if limit is None else (each[-1] if each else None) for each in batches]


def test_umadbs_client_reads_all_of_it(uma: Any, mixed: Any, server: Served) -> None:
    query = umadb.Query([umadb.QueryItem(types=["b"], tags=["x"]), umadb.QueryItem(tags=["x", "y"])])
    wanted = [position for position, type, tags in mixed if type == "b" and tags >= {"x"}]
    assert [each.position for each in uma.read(query)] == wanted
    assert [each.position for each in uma.read(query, start=wanted[3], backwards=True, limit=2)] == [
        wanted[3],
        wanted[2],
    ]
    by_two = umadb.Client(server.url, batch_size=2)
    events, head = by_two.read().collect_with_head()
    assert ([each.position for each in events], head) == ([each for each, _, _ in mixed], uma.head())


@ONE_BACKEND
def test_the_head_is_what_was_there_when_the_read_began(
    uma: Any, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def and_then(asked: AsyncStore) -> int | None:
        found = await head(asked)
        store.append("heap-1", [RawEvent("b", {})])
        return found

    store.append("heap-1", [RawEvent("a", {})] * 3)
    monkeypatch.setattr("refold.rpc.reading.head", and_then)
    told = [uma.read(**each).collect_with_head() for each in ({}, {"backwards": True}, {"start": 5})]
    places = [([event.position for event in events], last) for events, last in told]
    assert places == [([1, 2, 3], 3), ([4, 3, 2, 1], 4), ([5], 5)]


@ONE_BACKEND
def test_batches_stay_below_what_clients_take(server: Served, store: Store, uma: Any) -> None:
    for _ in range(3):
        store.append("heap-1", [RawEvent("a", {"text": "x" * 1_000_000})] * 7)
    with raw(server) as caller:
        _, answers = caller.call("Read", b"")
    assert (max(map(len, answers)) < 4 << 20, len(answers) > 5) == (True, True)
    assert len(list(uma.read())) == 21


@ONE_BACKEND
def test_an_event_in_the_past_of_a_schema_is_told_with_its_version(uma: Any, store: Store) -> None:
    cause = store.append("heap-1", [NewEvent(RawEvent("a", {"a": 1}, 3))])
    (event,) = store.read()
    store.context(cause=event).append("heap-2", [RawEvent("b", {})])
    told = [each.event.metadata for each in uma.read()]
    story = str(cause.ids[0])
    assert told == [
        {"$stream": "heap-1", "$schema_version": "3", "$correlation_id": story},
        {"$stream": "heap-2", "$correlation_id": story, "$causation_id": story},
    ]


@ONE_BACKEND
def test_old_clients_that_follow_by_a_read_are_told_what_to_call(server: Served) -> None:
    with raw(server) as caller:
        status, _ = caller.call("Read", pb.ReadRequest(subscribe=True).SerializeToString())
    assert status == "INVALID_ARGUMENT"


def test_a_query_may_have_many_items_but_not_any_number(uma: Any, store: Store) -> None:
    store.append("heap-1", [NewEvent(RawEvent("a", {}), tags=frozenset({"t499", "u"}))])
    query = umadb.Query([umadb.QueryItem(tags=[f"t{each}", "u"]) for each in range(500)])
    assert [each.position for each in uma.read(query)] == [1]
    with pytest.raises(umadb.IntegrityError):
        uma.append([umadb.Event("a", b"{}")], umadb.AppendCondition(query))
    many = umadb.Query([umadb.QueryItem(tags=["x"])] * 501)
    with pytest.raises(ValueError, match="a query has at most 500 items"):
        list(uma.read(many))
