"""Hostile calls: whatever is sent, it is refused in good form, nothing is written, and the server goes on."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.message import DecodeError
from tests.grpc.serving import METHODS, Raw, raw, served, umadb

from refold import RawEvent, Store
from refold.rpc.protocol import umadb_pb2 as pb
from refold.rpc.statuses import DETAILS

pytestmark = pytest.mark.guarantee("G27")

FINE = {"OK", "INVALID_ARGUMENT", "FAILED_PRECONDITION", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED"}
TEXTS = (
    "",
    "a",
    "stone",
    "$token-1",
    "\n",
    "\x00",
    "a" * 300,
    "\u202e",
    "🦆",
    "$stream",
    "$umadb",
    "heap-1",
    "0" * 500,
)
NUMBERS = (0, 1, 2, 5, 2**31, 2**32 - 1, 2**62, 2**63, 2**64 - 1)


@pytest.fixture
def url(tmp_path: object) -> str:
    return f"sqlite:///{tmp_path}/shop.db"


@pytest.fixture
def caller(store: Store, url: str) -> Iterator[Raw]:
    store.append("heap-1", [RawEvent("stone", {"number": 1})])
    with served(url) as server, raw(server) as found:
        yield found


def text(chance: random.Random) -> str:
    return chance.choice(TEXTS)


def texts(chance: random.Random) -> list[str]:
    return [text(chance) for _ in range(chance.choice((0, 0, 0, 1, 1, 2, 150)))]


def query(chance: random.Random) -> pb.Query:
    if chance.random() < 0.05:
        return pb.Query(items=[pb.QueryItem()] * 600)
    return pb.Query(items=[pb.QueryItem(types=texts(chance), tags=texts(chance)) for _ in range(chance.randrange(3))])


def an_event(chance: random.Random) -> pb.Event:
    data = chance.choice((b"", b"{}", b'{"a":' * 3_000, chance.randbytes(50), b"{" + bytes(70_000)))
    metadata = [pb.MetadataEntry(key=text(chance), value=text(chance)) for _ in range(chance.choice((0, 1, 2, 120)))]
    id = chance.choice(("", "x", "0" * 32, "{" + "0" * 32 + "}"))
    return pb.Event(event_type=text(chance), tags=texts(chance), data=data, uuid=id, metadata=metadata)


def an_append(chance: random.Random) -> pb.AppendRequest:
    request = pb.AppendRequest(events=[an_event(chance) for _ in range(chance.choice((0, 1, 2)))])
    if chance.random() < 0.5:
        after = chance.choice((None, *NUMBERS))
        request.condition.CopyFrom(pb.AppendCondition(fail_if_events_match=query(chance), after=after))
    if chance.random() < 0.5:
        request.tracking_info.CopyFrom(pb.TrackingInfo(source=text(chance), position=chance.choice(NUMBERS)))
    return request


MAKERS: dict[str, Callable[[random.Random], Any]] = {
    "Append": an_append,
    "Head": lambda _: pb.HeadRequest(),
    "GetTrackingInfo": lambda chance: pb.TrackingRequest(source=text(chance)),
    "Read": lambda chance: pb.ReadRequest(
        query=query(chance), start=chance.choice((None, *NUMBERS)), backwards=chance.choice((False, True)),
        limit=chance.choice((None, 0, 1, 2**32 - 1)), subscribe=chance.choice((False, True)),
        batch_size=chance.choice((None, 0, 1, 2**32 - 1)),
    ),
    "Subscribe": lambda chance: pb.SubscribeRequest(query=query(chance), after=2**64 - 1),
}  # fmt: skip


def body(chance: random.Random, method: str) -> bytes:
    """A message that is well formed, and means nothing good; or that, broken; or no message at all."""
    made = bytearray(MAKERS[method](chance).SerializeToString())
    kind = chance.randrange(4)
    if kind == 0:
        return chance.randbytes(chance.choice((1, 10, 1_000)))
    if kind == 1 and made:
        for _ in range(chance.choice((1, 3, 10))):
            made[chance.randrange(len(made))] = chance.randrange(256)
    if kind == 2:
        return bytes(made[: chance.randrange(len(made) + 1)])
    return bytes(made)


def never_ends(method: str, made: bytes) -> bool:
    """Whether a subscription would wait for what comes."""
    if method != "Subscribe":
        return False
    try:
        return bool(pb.SubscribeRequest.FromString(made).after < 2**64 - 1)
    except DecodeError:
        return False


def attack(caller: Raw, seed: int, count: int) -> dict[str, int]:
    chance, told = random.Random(seed), dict[str, int]()  # noqa: S311 - the same calls each time
    for _ in range(count):
        method = chance.choice(METHODS)
        made = body(chance, method)
        if not never_ends(method, made):
            status, _ = caller.call(method, made)
            told[status] = told.get(status, 0) + 1
    return told


def test_whatever_is_sent_is_answered_in_good_form(caller: Raw, store: Store) -> None:
    told = attack(caller, 7, 400)
    assert ({*told} - FINE, told["INVALID_ARGUMENT"] > 50) == (set(), True), told
    assert caller.call("Head")[0] == "OK"


@pytest.mark.long
def test_ten_thousand_hostile_calls_lose_nothing_and_crash_nothing(caller: Raw, store: Store) -> None:
    told = attack(caller, 8, 10_000)
    print(told)
    assert {*told} - FINE == set()
    assert [event.data for event in store.read("heap-1", limit=1)] == [RawEvent("stone", {"number": 1})]
    assert caller.call("Head")[0] == "OK"


@pytest.mark.parametrize("method", METHODS)
def test_what_is_no_message_is_said_to_be_none(caller: Raw, method: str) -> None:
    for made in (b"\xff", b"\x0a\xff\xff\xff\xff\x0f", b"\x0a\x05abc", b"\x0b" * 1_000):
        assert caller.call(method, made) == ("INVALID_ARGUMENT", [])


def test_other_services_and_methods_are_not_there(caller: Raw) -> None:
    asked = [("umadb.v1.DCB", "Drop"), ("umadb.v2.DCB", "Head"), ("grpc.reflection.v1.ServerReflection", "x")]
    assert [caller.call(method, service=service)[0] for service, method in asked] == ["UNIMPLEMENTED"] * 3


def test_the_status_says_in_its_details_what_kind_of_error_it_is(caller: Raw) -> None:
    with pytest.raises(grpc.RpcError) as error:
        caller.channel.unary_unary("/umadb.v1.DCB/GetTrackingInfo")(b"")
    trailers: Any = error.value.trailing_metadata()
    told = pb.ErrorResponse.FromString(dict(trailers)[DETAILS])
    said = "'' is not a tracking source: it is empty."
    assert (told.error_type, told.message) == (pb.ErrorResponse.INVALID_ARGUMENT, said)
    assert (error.value.code(), error.value.details()) == (grpc.StatusCode.INVALID_ARGUMENT, said)


def test_a_long_reason_is_cut_short(store: Store, url: str) -> None:
    query = umadb.Query([umadb.QueryItem(tags=[f"{each}{'x' * 190}"]) for each in range(500)])
    with served(url) as server:
        client = server.client()
        client.append([umadb.Event("stone", b"{}", [f"7{'x' * 190}"])])
        with pytest.raises(umadb.IntegrityError) as error:
            client.append([umadb.Event("stone", b"{}")], umadb.AppendCondition(query))
    assert 1_000 <= len(str(error.value)) < 1_100


def test_what_goes_wrong_in_the_server_is_not_told_to_the_client(
    caller: Raw, store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("the secret way of things")

    monkeypatch.setattr("refold.rpc.reading.told", broken)
    with pytest.raises(grpc.RpcError) as error:
        list(caller.channel.unary_stream("/umadb.v1.DCB/Read")(b""))
    assert error.value.code() == grpc.StatusCode.INTERNAL
    assert "secret" not in str(error.value)
    assert "the secret way of things" in caplog.text
