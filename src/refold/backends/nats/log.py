"""Reading the log: one message, a stretch of those of one subject, the last of several; never less than was asked for.

Any replica answers a read, and may be behind. So the leader is asked first which is the last message that matches, and
what a replica gives is whole only if it reaches that one, and if each of its parts names the one before it.
"""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

from nats.aio.msg import Msg

from refold.backends.nats.answering import Json, Rejected, Silent
from refold.backends.nats.patience import Patience
from refold.backends.nats.stored import PLACE, Found
from refold.backends.nats.wire import Wire
from refold.errors import StoreUnreachable

T = TypeVar("T")

_NO_MESSAGE: Final = 10037
_BYTES: Final = 16 << 20
_SUBJECTS: Final = 500
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Behind(Exception):
    """The replica that answered has not got that far."""


class Log:
    """The messages of one JetStream stream."""

    def __init__(self, wire: Wire, name: str, seconds: float) -> None:
        self.wire, self.name = wire, name
        self._seconds = seconds

    async def steadily(self, call: Callable[[], Awaitable[T]]) -> T:
        """Call again while nobody answers, or only one who is behind.

        Raises:
            StoreUnreachable: that went on for longer than the busy timeout.
            Rejected: the server refuses.
        """
        patience = Patience(self._seconds)
        while True:
            try:
                return await call()
            except (Silent, Behind) as error:
                if patience.is_over:
                    raise StoreUnreachable(
                        f"JetStream did not answer within {self._seconds:g} s ({error}): is there a majority of the servers?"
                    ) from error
                await patience.rest()

    async def api(self, subject: str, body: dict[str, object]) -> Json:
        """Ask JetStream until it answers."""
        return await self.steadily(lambda: self.wire.api(subject, body))

    async def last(self, subject: str) -> Found | None:
        """The last message of a subject or of a wildcard, as the leader knows it."""
        return await self._of_leader({"last_by_subj": subject})

    async def _of_leader(self, asked: dict[str, object]) -> Found | None:
        try:
            said = await self.api(f"STREAM.MSG.GET.{self.name}", asked)
        except Rejected as error:
            if error.code == _NO_MESSAGE:
                return None
            raise
        return _given(said["message"])

    async def lasts(self, subjects: Sequence[str], newest: Found) -> dict[str, Found]:
        """The last message of each subject, as it was when the last one of all was `newest`."""
        found: dict[str, Found] = {}
        for start in range(0, len(subjects), _SUBJECTS):
            asked = [newest.subject, *subjects[start : start + _SUBJECTS]]
            found |= await self.steadily(lambda asked=asked: self._lasts(asked, newest))  # type: ignore[misc]
        return found

    async def _lasts(self, asked: Sequence[str], newest: Found) -> dict[str, Found]:
        parts = await self._direct({"multi_last": list(dict.fromkeys(asked)), "up_to_seq": newest.sequence})
        found = {one.subject: one for one in map(_found, parts[:-1])}
        if newest.subject not in found or found[newest.subject].sequence < newest.sequence:
            raise Behind(f"a replica has not got to {newest.sequence} yet")
        return found

    async def following(self, subject: str, sequence: int) -> Found:
        """The first message of a subject at or after a sequence, where one is known to stand."""
        return await self.steadily(lambda: self._known({"seq": max(sequence, 1), "next_by_subj": subject}))

    async def _known(self, asked: dict[str, object]) -> Found:
        found = await self._one(asked)
        if found is None:
            raise Behind("a replica has less than the leader")
        return found

    async def at(self, sequences: Collection[int]) -> list[Found]:
        """The messages that stand at these sequences, which are known to be there; those that were removed are left out."""
        asked: list[dict[str, object]] = [{"seq": sequence} for sequence in sequences]
        found = zip(sequences, asked, await self._each(asked), strict=True)  # a replica may not have it yet
        return [there for at, its, one in found if (there := one or await self._of_one_that_is_there(at, its))]

    async def _of_one_that_is_there(self, sequence: int, asked: dict[str, object]) -> Found | None:
        """A message, or that it was removed, as a leader says who has heard of it: one that is cut off may not have."""

        async def told() -> Found | None:
            found = await self._of_leader(asked)
            newest = None if found else await self.last(">")
            if found is None and (newest is None or newest.sequence < sequence):
                raise Behind(f"the leader that answers has not got to {sequence}")
            return found

        return await self.steadily(told)

    async def _each(self, asked: Sequence[dict[str, object]]) -> list[Found | None]:
        return list(await asyncio.gather(*(self.steadily(lambda one=one: self._one(one)) for one in asked)))  # type: ignore[misc]

    async def stretch(self, subject: str, low: int, high: int, limit: int) -> list[Found]:
        """Up to `limit` messages of a subject or wildcard from `low` to `high`, at or after which one is known to stand."""
        found: list[Found] = []
        reached = low - 1

        async def further() -> None:
            nonlocal reached
            for one in await self._page(subject, reached + 1, limit - len(found)):
                reached = max(reached, one.sequence)
                if one.sequence <= high:
                    found.append(one)
            if reached < high and len(found) < limit:
                raise Behind(f"a replica is at {reached}, the leader at {high}")

        while reached < high and len(found) < limit:
            before = reached
            try:
                await further()
            except Behind:
                if reached == before:
                    await self.steadily(further)
        return found

    async def _page(self, subject: str, low: int, count: int) -> list[Found]:
        asked: dict[str, object] = {"seq": low, "batch": count, "next_by_subj": subject, "max_bytes": _BYTES}
        return [_found(part) for part in (await self.steadily(lambda: self._direct(asked)))[:-1]]

    async def first_since(self, at: int, last: Found, subject: str) -> Found | None:
        """The first message of a subject or wildcard, whose last one is `last`, from a time on.

        The time is in nanoseconds by the server's clock.
        """
        moment = (_EPOCH + timedelta(microseconds=max(at, 0) // 1_000)).isoformat().replace("+00:00", "Z")
        asked: dict[str, object] = {"start_time": moment, "next_by_subj": subject}
        return await self.steadily(lambda: self._known(asked)) if at <= last.at else None

    async def _one(self, asked: dict[str, object]) -> Found | None:
        (message, *_) = await self._direct(asked, many="multi_last" in asked)
        return None if "Status" in (message.headers or {}) else _found(message)

    async def _direct(self, asked: dict[str, object], *, many: bool = True) -> list[Msg]:
        parts = await self.wire.ask(f"{self.wire.prefix}.DIRECT.GET.{self.name}", json.dumps(asked).encode(), many=many)
        headers = parts[-1].headers or {}
        if headers.get("Status", "404") not in {"204", "404"}:
            raise Rejected(int(headers["Status"]), headers.get("Description", ""))
        if many:
            _check_that_none_is_lost(parts)
        return parts


def _check_that_none_is_lost(parts: Sequence[Msg]) -> None:
    """Each part says which one went before it, the one that ends them too.

    Where the connection is cut in between, some are lost, and the others come on the next connection.

    Raises:
        Silent: so it was; ask again.
    """
    before = "0"
    for part in parts:
        headers = part.headers or {}
        if headers.get("Nats-Last-Sequence", before) != before:
            raise Silent("a part of the answer was lost on the way")
        before = headers.get("Nats-Sequence", before)


def _found(message: Msg) -> Found:
    headers = message.headers or {}
    return Found(
        int(headers["Nats-Sequence"]),
        headers["Nats-Subject"],
        message.data,
        int(headers.get(PLACE, 1)),
        nanoseconds(headers["Nats-Time-Stamp"]),
    )


def _given(message: Json) -> Found:
    lines = b64decode(message.get("hdrs", "")).decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines if ": " in line)
    return Found(
        message["seq"],
        message["subject"],
        b64decode(message.get("data", "")),
        int(headers.get(PLACE, 1)),
        nanoseconds(message["time"]),
    )


def nanoseconds(text: str) -> int:
    """A time as the server writes it, `2026-01-31T12:00:00.123456789Z`, in nanoseconds since 1970."""
    whole, _, fraction = text.removesuffix("Z").partition(".")
    seconds = int(datetime.fromisoformat(f"{whole}+00:00").timestamp())
    return seconds * 1_000_000_000 + int(fraction.ljust(9, "0") or 0)
