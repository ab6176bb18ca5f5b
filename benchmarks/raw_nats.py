"""The limit on JetStream: nats-py, one stream, a subject for each stream of events, nothing else checked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias
from urllib.parse import parse_qs, urlsplit

import msgspec
import nats
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import StreamConfig

from benchmarks.measuring import Clock, Place, Run, judge
from benchmarks.subject import DATA, Deposited

Work: TypeAlias = Callable[[JetStreamContext, Clock, int], Awaitable[int]]

_EXPECTED = "Nats-Expected-Last-Subject-Sequence"
_NAME = "raw"


@asynccontextmanager
async def _stream(url: str) -> AsyncGenerator[JetStreamContext]:
    """A new stream beside the store, on as many servers."""
    parts = urlsplit(url)
    replicas = int(parse_qs(parts.query).get("replicas", ["1"])[0])
    connection = await nats.connect([f"nats://{host}" for host in parts.netloc.split(",")])
    streams: JetStreamContext = connection.jetstream(timeout=30)
    await streams.add_stream(StreamConfig(name=_NAME, subjects=["raw.>"], num_replicas=replicas, allow_direct=True))
    try:
        yield streams
    finally:
        await streams.delete_stream(_NAME)
        await connection.close()


def _run(work: Work) -> Run:
    async def whole(url: str, clock: Clock, count: int) -> int:
        async with _stream(url) as streams:
            return await work(streams, clock, count)

    return lambda url, clock, count: asyncio.run(whole(url, clock, count))


async def _stored(streams: JetStreamContext, count: int) -> list[Place]:
    """All of it; a version is counted, as nobody else writes it down."""
    versions: dict[str, int] = {}
    places: list[Place] = []
    for message in await _read(streams, "raw.>", count):
        stream = message[1].removeprefix("raw.")
        versions[stream] = versions.get(stream, 0) + 1
        places.append((message[0], stream, versions[stream]))
    return places


async def _read(streams: JetStreamContext, subject: str, count: int) -> list[tuple[int, str, bytes]]:
    """So many messages of a subject, pushed by an ordered consumer."""
    found: list[tuple[int, str, bytes]] = []
    enough = asyncio.Event()

    async def take(message: Msg) -> None:
        found.append((message.metadata.sequence.stream, message.subject, message.data))
        if len(found) >= count:
            enough.set()

    pushed = await streams.subscribe(subject, stream=_NAME, cb=take, ordered_consumer=True)
    await enough.wait()
    await pushed.unsubscribe()
    return found[:count]


async def _append(streams: JetStreamContext, name: str, expected: int) -> int:
    ack = await streams.publish(f"raw.{name}", DATA, headers={_EXPECTED: str(expected)})
    return ack.seq


def by_tasks(tasks: int) -> Run:
    """One event an append, each with what it expects of its subject, from so many tasks."""

    async def work(streams: JetStreamContext, clock: Clock, count: int) -> int:
        told = list[tuple[str, int]]()

        async def task(number: int) -> None:
            for index in range(count // tasks):
                start = clock.now()
                await _append(streams, f"account-{number}x{index}", 0)
                clock.lap(start)
                told.append((f"account-{number}x{index}", 1))

        with clock.running():
            await asyncio.gather(*map(task, range(tasks)))
        judge(told, await _stored(streams, len(told)))
        return len(told)

    return _run(work)


one_by_one = by_tasks(1)


@_run
async def hundreds(streams: JetStreamContext, clock: Clock, count: int) -> int:
    """A hundred messages of a subject under way at once, which is no transaction."""
    with clock.running():
        for index in range(count):
            start = clock.now()
            await asyncio.gather(*(streams.publish(f"raw.account-{index}", DATA) for _ in range(100)))
            clock.lap(start)
    judge([(f"account-{i}", v) for i in range(count) for v in range(1, 101)], await _stored(streams, count * 100))
    return count * 100


async def _filled(streams: JetStreamContext, accounts: int, events: int) -> None:
    for index in range(accounts):
        await asyncio.gather(*(streams.publish(f"raw.account-{index}", DATA) for _ in range(events)))


@_run
async def load(streams: JetStreamContext, clock: Clock, count: int) -> int:
    """The JSON of a subject of 1,000 messages into objects."""
    await _filled(streams, 1, 1_000)
    decode = msgspec.json.Decoder(Deposited).decode
    with clock.running():
        for _ in range(count):
            assert sum(decode(data).amount for *_, data in await _read(streams, "raw.account-0", 1_000)) == 1_000
    return count


@_run
async def read(streams: JetStreamContext, clock: Clock, count: int) -> int:
    """Every message, its JSON into an object."""
    accounts = count // 100
    await _filled(streams, accounts, 100)
    decode = msgspec.json.Decoder(Deposited).decode
    with clock.running():
        total: int = sum(decode(data).amount for *_, data in await _read(streams, "raw.>", accounts * 100))
    assert total == accounts * 100
    return total


@_run
async def commands(streams: JetStreamContext, clock: Clock, count: int) -> int:
    """Read a subject of about 20 messages, decide, append behind the last of them."""
    await _filled(streams, 50, 20)
    decode, told, sizes = msgspec.json.Decoder(Deposited).decode, list[tuple[str, int]](), dict[str, int]()
    with clock.running():
        for index in range(count):
            start, stream = clock.now(), f"account-{index % 50}"
            found = await _read(streams, f"raw.{stream}", sizes.get(stream, 20))
            assert sum(decode(data).amount for *_, data in found) >= 20
            await _append(streams, stream, found[-1][0])
            clock.lap(start)
            sizes[stream] = len(found) + 1
            told.append((stream, sizes[stream]))
    judge(told, await _stored(streams, 50 * 20 + count))
    return count
