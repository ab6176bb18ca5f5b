"""Calls that mean nothing good: well-formed messages of nonsense, those broken, and no messages at all."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from google.protobuf.message import DecodeError
from tests.grpc.serving import METHODS, Raw

from refold.rpc.protocol import umadb_pb2 as pb

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
