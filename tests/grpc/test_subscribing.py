"""Subscribe over gRPC: what is there and what comes, each once, in order, as long as the client may read."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from tests.grpc.serving import ONE_BACKEND, SECURE, TLS, Raw, Served, issue, raw, served, token, umadb

from refold import NewEvent, RawEvent, Store
from refold.http.quotas import Quotas
from refold.http.tokens import TOKEN, RevokeToken
from refold.rpc.protocol import umadb_pb2 as pb


def stones(store: Store, count: int, stream: str = "heap-1", tags: frozenset[str] = frozenset()) -> None:
    for number in range(count):
        store.append(stream, [NewEvent(RawEvent("stone", {"number": number}), tags=tags)])


def taken(events: Iterator[Any], count: int) -> list[int]:
    return [next(events).position for _ in range(count)]


def test_those_who_follow_miss_nothing_and_see_nothing_twice_while_others_append(
    server: Served, store: Store, url: str
) -> None:
    stones(store, 20)
    clients = [server.client() for _ in range(4)]
    seen: list[list[int]] = [[] for _ in clients]

    def follow(number: int) -> None:
        seen[number] = taken(clients[number].subscribe(after=5), 20 - 5 + 200 + 50)

    def write(stream: str) -> None:
        with Store.open(url, events=[RawEvent]) as other:
            stones(other, 100, stream)

    followers = [threading.Thread(target=follow, args=[each], daemon=True) for each in range(4)]
    writers = [threading.Thread(target=write, args=[f"heap-{each}"]) for each in range(2)]
    for each in (*followers, *writers):
        each.start()
    for number in range(50):
        server.client().append([umadb.Event("noise", b"%d" % number)])
    for each in (*writers, *followers):
        each.join(60)
    every = [int(event.position) for event in store.read(after=5)]
    assert (len(every), [each == every for each in seen]) == (265, [True] * 4)


def test_what_a_query_does_not_find_is_not_told(uma: Any, store: Store) -> None:
    query = umadb.Query([umadb.QueryItem(types=["stone"], tags=["hill:1"])])
    events = uma.subscribe(query)
    stones(store, 3)
    stones(store, 2, tags=frozenset({"hill:1", "b"}))
    stones(store, 1, tags=frozenset({"hill:2"}))
    uma.append([], None, umadb.TrackingInfo("hills", 1))
    uma.append([umadb.Event("stone", b"{}", ["hill:1"])])
    assert taken(events, 3) == [4, 5, 8]
    assert taken(uma.subscribe(after=5), 2) == [6, 8]  # what was tracked stands at 7, and is hidden


@ONE_BACKEND
def test_one_who_waits_for_what_cannot_be_waits(server: Served, store: Store) -> None:
    stones(store, 2)
    nothing = pb.Query(items=[pb.QueryItem(types=["$token.issued"])])
    with raw(server) as caller:
        asked = pb.SubscribeRequest(query=nothing)
        assert caller.call("Subscribe", asked.SerializeToString(), seconds=0.3) == ("DEADLINE_EXCEEDED", [])
        assert caller.call("Subscribe", pb.SubscribeRequest(after=2**64 - 1).SerializeToString()) == ("OK", [])


@ONE_BACKEND
def test_events_come_in_batches_of_the_size_that_was_asked_for(server: Served, store: Store) -> None:
    stones(store, 5)
    with raw(server) as caller:
        told = caller.following(pb.SubscribeRequest(batch_size=2), 5)
    assert ([position for batch in told for position in batch], max(map(len, told))) == ([1, 2, 3, 4, 5], 2)


@ONE_BACKEND
def test_a_server_that_ends_lets_go_who_follows(store: Store, url: str) -> None:
    stones(store, 1)
    with served(url) as server:
        client = server.client()
        events = client.subscribe()
        first = next(events).position
        server.stop()
        assert (first, [*events]) == (1, [])


@ONE_BACKEND
def test_a_client_that_is_gone_is_let_go(store: Store, url: str) -> None:
    with served(url, quotas=Quotas(subscriptions=2)) as server, raw(server) as caller:
        assert [caller.call("Subscribe", seconds=0.2)[0] for _ in range(4)] == ["DEADLINE_EXCEEDED"] * 4


@ONE_BACKEND
def test_a_client_has_so_many_subscriptions_and_no_more(store: Store, url: str) -> None:
    stones(store, 1)
    with served(url, quotas=Quotas(subscriptions=2)) as server:
        client = server.client()
        two = [client.subscribe() for _ in range(2)]
        assert [next(each).position for each in two] == [1, 1]
        with raw(server) as caller:
            assert caller.call("Subscribe") == ("RESOURCE_EXHAUSTED", [])


@ONE_BACKEND
def test_a_token_that_is_revoked_ends_what_it_follows(store: Store, url: str) -> None:
    id, secret = asyncio.run(issue(url, "read"))
    stones(store, 1)
    with served(url, SECURE, look_after=0.05) as server:
        events = umadb.Client(server.url, ca_path=str(TLS / "ca.pem"), api_key=secret)
        following = events.subscribe()
        first = next(following).position
        store.bind(TOKEN).handle(id, RevokeToken("it was in a log"))
        with pytest.raises(umadb.AuthenticationError, match="the token is good no more"):
            next(following)
    assert first == 2


def follow_and_append(store: Store, answers: Iterator[Any]) -> None:
    """There is always something to tell."""
    while True:
        stones(store, 1)
        next(answers)


@ONE_BACKEND
def test_tokens_are_looked_at_while_events_come(store: Store, url: str) -> None:
    id, secret = asyncio.run(issue(url, "read"))
    with served(url, look_after=0.05) as server:
        answers = Raw(server).channel.unary_stream("/umadb.v1.DCB/Subscribe")(
            b"", metadata=[("authorization", f"Bearer {secret}")]
        )
        stones(store, 1)
        next(answers)
        store.bind(TOKEN).handle(id, RevokeToken("it was in a log"))
        with pytest.raises(Exception, match="the token is good no more"):
            follow_and_append(store, answers)
    assert token(url, "read") != secret
