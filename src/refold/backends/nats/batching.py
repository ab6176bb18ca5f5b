"""Appends of another store's events, many in one atomic batch: each is recorded at its own time, so ticks stand between them.

Nothing may come between what is known and the batch, so there is one check, of the end of the whole log.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Final

from msgspec import Struct, field

from refold.backends.nats.answering import Ack, Rejected, Silent
from refold.backends.nats.appending import check_possible
from refold.backends.nats.facts import NOTHING, Facts
from refold.backends.nats.identities import Identities
from refold.backends.nats.log import Log
from refold.backends.nats.patience import Patience
from refold.backends.nats.stored import (
    EXPECTED_LAST,
    ID,
    Found,
    Guard,
    Ids,
    Message,
    Tick,
    encode,
    event_body,
)
from refold.backends.nats.subjects import Subjects
from refold.clock import as_uuid
from refold.errors import IdReused, StoreBusy, StoreError
from refold.ports import Append
from refold.rows import NewRow

MESSAGES: Final = 1_000
"""How many messages one batch has at most, unless one append has more: what a server takes if it was not told otherwise."""
_KNOWN_ID: Final = frozenset({10201})


class Batch(Struct):
    """What one batch holds, by its place in it. `at`: the time at its end; `last`: the place of its last event."""

    at: int
    messages: list[Message] = field(default_factory=list[Message])
    last: int = 0
    tags: dict[str, list[int]] = field(default_factory=dict[str, list[int]])
    buckets: dict[str, dict[str, int]] = field(default_factory=dict[str, dict[str, int]])

    @property
    def size(self) -> int:
        """How many messages it comes to."""
        return len(self.messages) + len(self.tags) + len(self.buckets)


class Batches:
    """Batches of many appends to one store."""

    def __init__(self, log: Log, subjects: Subjects, facts: Facts, ids: Identities, seconds: float) -> None:
        self._log, self._subjects, self._facts, self._ids = log, subjects, facts, ids
        self._seconds = seconds

    async def append(self, appends: Sequence[Append], head: int) -> int | None:
        """See `refold.ports.Batching`."""
        now: int | None = head
        while appends and now is not None:
            now, count = await self._until_told(appends, now)
            appends = appends[count:]
        return now

    async def _until_told(self, appends: Sequence[Append], head: int) -> tuple[int | None, int]:
        """The head after as many of them as one batch takes; none if something else stands after `head`."""
        patience = Patience(self._seconds)
        while True:
            try:
                return await self._attempt(appends, head)
            except Rejected as error:
                check_possible(error, appends[0])
                if error.code in _KNOWN_ID:
                    await self._check_moved(appends, head)
                cause: Exception = error
            except Silent as error:  # it may have been written: then the head says so
                cause = error
            if patience.is_over:
                raise StoreBusy(
                    f"no batch could be written for {self._seconds:g} s ({cause}): go on where it ended."
                ) from cause
            await patience.rest()

    async def _attempt(self, appends: Sequence[Append], head: int) -> tuple[int | None, int]:
        newest = await self._log.last(self._subjects.all)
        last = await self._log.last(self._subjects.events)
        stands = last.sequence if last else 0
        if stands < head:
            raise Silent("a server that is cut off from the others has answered", certain=True)
        if stands > head:
            return None, 0
        batch, count = await self._planned(appends, newest)
        ack = await self._log.wire.write(batch.messages)
        if ack.duplicate:
            raise Rejected(10201, "the id is known")
        await self._done(batch, ack)
        return ack.sequence - len(batch.messages) + batch.last, count

    async def _check_moved(self, appends: Sequence[Append], head: int) -> None:
        last = await self._log.last(self._subjects.events)
        if last is None or last.sequence <= head:
            raise IdReused(as_uuid(new.id) for new in _rows(appends))

    # What is sent ------------------------------------------------------------------------

    async def _planned(self, appends: Sequence[Append], newest: Found | None) -> tuple[Batch, int]:
        versions, at = await self._known(appends, newest)
        batch = Batch(at)
        count = 0
        for append in appends:
            if count and batch.size + _most(append) > MESSAGES:
                break
            self._add(batch, append, versions)
            count += 1
        await self._check_new(batch, newest)
        batch.messages += self._beside(batch)
        batch.messages[0].headers[EXPECTED_LAST] = str(newest.sequence if newest else 0)
        return batch, count

    async def _known(self, appends: Sequence[Append], newest: Found | None) -> tuple[dict[str, int], int]:
        """The versions of the streams, and the time, as of the newest message."""
        clock = self._subjects.clock
        streams = {self._subjects.stream(write.stream) for append in appends for write in append.writes}
        facts = (
            await self._facts.as_of([clock, *streams], newest) if newest else dict.fromkeys([clock, *streams], NOTHING)
        )
        return {subject: facts[subject].value for subject in streams}, facts[clock].value

    def _add(self, batch: Batch, append: Append, versions: dict[str, int]) -> None:
        if append.now > batch.at:
            batch.messages.append(Message(self._subjects.clock, encode(Tick(append.now)), {}))
            batch.at = append.now
        for write in append.writes:
            subject = self._subjects.stream(write.stream)
            for new in write.rows:
                versions[subject] += 1
                batch.messages.append(Message(subject, event_body(new, versions[subject]), {ID: new.id.hex()}))
                self._note(batch, new)

    def _note(self, batch: Batch, new: NewRow) -> None:
        batch.last = len(batch.messages)
        for tag in new.tags:
            batch.tags.setdefault(tag, []).append(batch.last)
        if self._ids.is_old(new.id):
            batch.buckets.setdefault(self._subjects.bucket(new.id), {})[new.id.hex()] = batch.last

    async def _check_new(self, batch: Batch, newest: Found | None) -> None:
        """Raises `IdReused`: an id stands there already, of those that the server may have forgotten."""
        old = [bytes.fromhex(id) for ids in batch.buckets.values() for id in ids]
        if newest and (known := await self._ids.known(old, newest)):
            raise IdReused(map(as_uuid, known))

    def _beside(self, batch: Batch) -> Iterator[Message]:
        for tag, places in batch.tags.items():
            yield Message(self._subjects.tag(tag), encode(Guard(places)), {})
        for bucket, ids in batch.buckets.items():
            yield Message(bucket, encode(Ids(ids)), {})

    async def _done(self, batch: Batch, ack: Ack) -> None:
        first = ack.sequence - len(batch.messages) + 1
        for place, message in enumerate(batch.messages, 1):
            self._facts.hear(Found(first + place - 1, message.subject, message.body, place, 0))
        with suppress(Silent, StoreError):  # it stands there already, whether they who wait hear it or not
            await self._log.wire.tell(self._subjects.news, str(ack.sequence).encode())


def _most(append: Append) -> int:
    """How many messages it can come to: a tick, and each event with its id and its tags."""
    return 1 + sum(2 + len(new.tags) for new in _rows([append]))


def _rows(appends: Sequence[Append]) -> list[NewRow]:
    return [new for append in appends for write in append.writes for new in write.rows]
