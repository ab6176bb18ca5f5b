"""Appends: planned by what is known, written in one round trip, and settled when the server says no, or says nothing."""

from __future__ import annotations

import time
from typing import Final

from refold.backends.nats.answering import KNOWN_ID, Ack, Rejected, Silent
from refold.backends.nats.facts import NOTHING, Facts
from refold.backends.nats.identities import Identities
from refold.backends.nats.judging import Judge, Seen, of_the_whole
from refold.backends.nats.log import Log
from refold.backends.nats.patience import LONG, SHORT, Patience
from refold.backends.nats.planning import Plan, needed, plan_of
from refold.backends.nats.proofs import Proofs
from refold.backends.nats.reading import Reading
from refold.backends.nats.stored import Found
from refold.backends.nats.subjects import Subjects
from refold.backends.nats.ticking import Ticks
from refold.backends.nats.turns import Turns
from refold.errors import OutcomeUnknown, StoreBusy, StoreError, StoreFull, Unsupported
from refold.ports import Append, Appended, AppendResult, Conflicted
from refold.repeats import asked_before

_TOO_MANY: Final = 10199
_FULL: Final = frozenset({10002, 10023, 10047, 10077, 10122})


class Appends:
    """The appends to one store."""

    def __init__(
        self,
        log: Log,
        subjects: Subjects,
        facts: Facts,
        ticks: Ticks,
        ids: Identities,
        reading: Reading,
        seconds: float,
        *,
        replicated: bool,
    ) -> None:
        self._log, self._subjects, self._facts, self._ticks = log, subjects, facts, ticks
        self._ids, self._seconds = ids, seconds
        self._turns = Turns()
        self._judge = Judge(subjects, ids, reading)
        self._proofs = Proofs(log.wire, subjects, replicated=replicated)

    async def append(self, append: Append) -> AppendResult:
        """Write everything or nothing, and find out which if that is not told.

        Raises:
            OutcomeUnknown, StoreBusy, StoreError: nothing could be found out within the busy timeout.
        """
        subjects = {self._subjects.stream(write.stream) for write in append.writes}
        async with self._turns.of([*subjects, *self._ids.old_buckets(append)]):
            return await self._until_told(append)

    async def _until_told(self, append: Append) -> AppendResult:
        patience, began = Patience(self._seconds), time.monotonic()
        unknown: Silent | None = None
        cause: Exception
        known_id = fresh = False
        while True:
            try:
                result = await self._attempt(append, began, fresh=fresh, known_id=known_id)
            except Rejected as error:
                if unknown is None:  # else something may have been written before
                    check_possible(error, append)
                known_id, cause, longest = known_id or error.code in KNOWN_ID, error, SHORT
            except Silent as error:
                unknown, cause, longest = unknown if error.certain else error, error, LONG
                known_id = known_id or unknown is not None
            except StoreError as error:
                raise (OutcomeUnknown(unknown) if unknown else error) from error
            else:
                if result is not None:
                    return result
                fresh = True
                continue
            if patience.is_over:
                raise OutcomeUnknown(unknown) if unknown else self._busy(cause)
            fresh = True
            await patience.rest(longest)

    def _busy(self, cause: Exception) -> StoreBusy:
        return StoreBusy(
            f"others were first for {self._seconds:g} s ({cause}), nothing was written: try again, or set ?busy_timeout=SECONDS."
        )

    async def _attempt(self, append: Append, began: float, *, fresh: bool, known_id: bool) -> AppendResult | None:
        """One try; `None` if it has to be judged by what the leader knows now."""
        whole = of_the_whole(append)
        if whole:  # then nothing may come between, not even a tick of our own
            await self._ticks.advance(append.now)
            await self._ticks.rest()
        seen = await self._seen(append, fresh=fresh or whole)
        if append.request and (outcome := seen.facts[self._subjects.key(append.request.key)].outcome):
            return asked_before(append.request, outcome)
        if (seen.old or known_id) and (first := await self._judge.first(append, asked=known_id)):
            return first
        if failures := await self._judge.failures(append, seen):
            if not seen.is_fresh or not await self._proofs.cover(seen.newest, began):
                return None
            return await self._judge.first(append, asked=True) or Conflicted(tuple(failures))
        if not whole:
            await self._ticks.advance(append.now)
        return await self._written(append, seen, whole=whole)

    async def _seen(self, append: Append, *, fresh: bool) -> Seen:
        """What is known; or all as it was at one moment, since others go on while an append is judged by it."""
        subjects, newest = needed(append, self._subjects), None
        if fresh:
            newest = await self._log.last(self._subjects.all)
            facts = await self._facts.as_of(subjects, newest) if newest else dict.fromkeys(subjects, NOTHING)
        else:
            await self._facts.ensure(subjects)
            facts = {subject: self._facts[subject] for subject in subjects}
        return Seen(facts, await self._ids.lasts(self._ids.old_buckets(append)), fresh, newest)

    async def _written(self, append: Append, seen: Seen, *, whole: bool) -> Appended:
        plan = plan_of(append, self._subjects, seen.facts, seen.old, seen.end if whole else None)
        ack = await self._proofs.write(plan.messages)
        if ack.duplicate:
            raise Rejected(10201, "the id is known")
        return await self._done(append, plan, ack)

    async def _done(self, append: Append, plan: Plan, ack: Ack) -> Appended:
        first = ack.sequence - len(plan.messages) + 1
        positions = tuple(range(first, first + plan.events))
        for sequence, message in enumerate(plan.messages, first):
            place = sequence - first + 1
            self._facts.hear(Found(sequence, message.subject, message.body, place, 0))
        await self._tell(ack)
        return Appended(positions, tuple(plan.versions[write.stream] for write in append.writes))

    async def _tell(self, ack: Ack) -> None:
        """Wake who waits. It stands there already, so whether they hear it changes nothing."""
        try:
            await self._log.wire.tell(self._subjects.news, str(ack.sequence).encode())
        except (Silent, StoreError):
            return


def check_possible(error: Rejected, append: Append) -> None:
    """Raises what is no use to try again."""
    if error.code == _TOO_MANY:
        events = sum(len(write.rows) for write in append.writes)
        raise Unsupported(
            f"one append of {events:,} events with their tags and checks is more than the server takes ({error.text}): "
            "split it, or set jetstream { limits { batch { max_msgs: N } } } on every server. Nothing was written."
        ) from error
    if error.code in _FULL:
        raise StoreFull(f"JetStream has no space left ({error.text}). Nothing was written.") from error
