"""Persevere: steps that go on whatever happens. What can heal is tried again, and what cannot is put aside with its key."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from refold.errors import AddressRefused, ReceiverGone, RefoldError, Unreadable, UsageError, shortened
from refold.external import Retry
from refold.flows.prepare import Runtime
from refold.flows.projections.batch import HandlerFailed
from refold.flows.projections.traces import traces_of
from refold.flows.projections.work import BATCH, Stepped, Work, step
from refold.ports import Backend, Pace
from refold.projection import Handling, Projection
from refold.publication import Publication

ATTEMPTS: Final = 3
"""How often an event is tried before its key is parked."""
FIRST_WAIT: Final = 0.05
"""Seconds before an event is tried again; twice as long each time."""
IN_A_ROW: Final = 10
"""So many keys parked with no event applied in between: then not the events are wrong, but the handler."""
FEWEST: Final = 50
"""So many events share a step, however long it takes."""


_RETRY: Final = Retry(ATTEMPTS, timedelta(seconds=FIRST_WAIT))


class GivenUp(Exception):
    """The projection fails for whatever event it is given."""


class Persevering:
    """The steps of one worker, and what went wrong in them lately."""

    def __init__(self, work: Work, most: int = BATCH) -> None:
        """`most`: so many events share a step at most."""
        self.work, self.most = work, most
        work.batch = min(work.batch, most)
        self._stop: int | None = None
        self._clear = 0
        """Up to here there is nothing left to do before the event that failed, though its position may be further on."""
        self._attempts = 0
        self._failed_at = 0
        self._in_a_row = 0
        self._unclear = 0

    async def step(
        self, source: Backend, target: Backend, runtime: Runtime, pace: Pace, until: int | None
    ) -> Stepped | None:
        """The next step; one that failed for its events is taken again in a smaller or another way, and applied nothing.

        Raises:
            Unclaimed, StoreError, OutcomeUnknown, ReceiverAway: as a step does.
            GivenUp: too many keys had to be parked in a row, or the next event cannot even be tried, or must not.
        """
        stop = min((each for each in (until, self._stop) if each is not None), default=None)
        try:
            stepped = await step(source, target, runtime, self.work, until=stop)
        except HandlerFailed as failed:
            await self._failed(failed, pace)
            traces = traces_of([failed.recorded]) if self.work.observed else ()
            return Stepped(self.work.position, 0, traces=traces, error=type(failed.error).__name__)
        except (ReceiverGone, AddressRefused) as error:
            raise GivenUp(str(error)) from error
        except (UsageError, Unreadable) as error:  # of one of the events: which one, smaller batches will tell
            await self._smaller(error, pace)
            return Stepped(self.work.position, 0)
        if stepped is None and self._stop is not None:  # all before the event that failed is done; now it alone
            self._clear, self._stop = self._stop, None
            return Stepped(self.work.position, 0)
        self._went_well(stepped)
        return stepped

    def took(self, seconds: float, longest: float) -> None:
        """Fit the next steps to what the last one took: as long as one is under way, its partition's lease cannot be renewed."""
        if seconds > longest:
            self.most = max(min(self.most, FEWEST), self.most // 2)
            self.work.batch = min(self.work.batch, self.most)
        elif seconds < longest / 4:
            self.most = min(BATCH, self.most * 2)

    async def _smaller(self, error: RefoldError, pace: Pace) -> None:
        """Try fewer events at once; where a single one is too many, it is not the event that can be put aside."""
        if self.work.batch > 1:
            self.work.batch //= 2
            return None
        self._unclear += 1
        if self._unclear >= ATTEMPTS:
            raise GivenUp(f"it cannot go on after position {self.work.position}: {error}")
        return await pace.pause(FIRST_WAIT * 2 ** (self._unclear - 1))

    def _went_well(self, stepped: Stepped | None) -> None:
        self._unclear = 0
        self.work.batch = min(self.most, self.work.batch * 2)
        if stepped is not None:
            self.work.doomed.clear()
            self._stop = None if self._stop is not None and stepped.position >= self._stop else self._stop
            self._in_a_row = 0 if stepped.applied else self._in_a_row

    async def _failed(self, failed: HandlerFailed, pace: Pace) -> None:
        """Commit what comes before the event first; then try it a few times; then it is doomed, and the next step parks it."""
        at = failed.recorded.position
        if at - 1 > max(self.work.position, self._clear) and self._stop != at - 1:
            self._stop = at - 1
            return None
        self._stop = None
        self._attempts = self._attempts + 1 if at == self._failed_at else 1
        self._failed_at = at
        wait = _retry_of(self.work.projection).wait(self._attempts)
        if wait is not None:
            return await pace.pause(wait.total_seconds())
        self._in_a_row += 1
        if self._in_a_row >= IN_A_ROW:
            raise GivenUp(f"{self._in_a_row} keys in a row failed, the last one on {told(failed, self.work)}")
        self.work.doomed[at] = told(failed, self.work), self._attempts
        return None


def _retry_of(projection: Projection) -> Retry:
    return projection.retry if isinstance(projection, Publication) else _RETRY


def told(failed: HandlerFailed, work: Work) -> str:
    """What went wrong, where, for a list of dead letters."""
    handling = work.projection.handlers.get(failed.recorded.data.__class__)
    where = "" if handling is None else f" in {_name(handling)}"
    return f"{type(failed.error).__name__}: {shortened_text(failed.error)}{where} on {failed.recorded.type!r}"


def _name(handling: Handling) -> str:
    call: Any = handling.call
    return str(getattr(call, "__qualname__", None) or shortened(call))


def shortened_text(error: Exception, limit: int = 300) -> str:
    """The error's own words, or as many of them as fit."""
    text = str(error)
    return text if len(text) <= limit else f"{text[:limit]}..."
