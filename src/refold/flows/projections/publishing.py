"""Publish: what events tell others is handed over and acknowledged, outside of any transaction, before a checkpoint moves."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from refold.errors import AddressRefused, OutcomeUnknown, ReceiverAway, ReceiverGone, StoreError
from refold.flows.prepare import Runtime
from refold.flows.projections.batch import HandlerFailed
from refold.messages import Recorded
from refold.publication import Publication

if TYPE_CHECKING:
    from refold.flows.projections.work import Work

BUDGET: Final = 1_000_000
"""After so many microseconds no further message is sent in a step: the checkpoint moves, and whoever stops it need not wait."""


async def publish(
    runtime: Runtime, work: Work, publication: Publication, events: Sequence[Recorded[Any]], to: int
) -> int:
    """Send the messages of these events in their order, and say up to which position of `to` the step now goes.

    Where one is not taken, the step ends before it, so that nothing is sent twice for it; the next step begins with the error.

    Raises:
        HandlerFailed: the first message was not taken, or could not be made.
        ReceiverAway, ReceiverGone, AddressRefused: nor will any other be now.
    """
    held, work.held = work.held, None
    if held is not None:
        raise held
    began, done = runtime.clock.now(), 0
    try:
        for position, parts in groupby(events, lambda recorded: recorded.position):
            if done and runtime.clock.now() - began > BUDGET:
                return done
            await send_all(publication, list(parts))
            done = int(position)
    except Exception as error:
        if not done:
            raise
        work.held = error
        return done
    return to


async def send_all(publication: Publication, events: Sequence[Recorded[Any]]) -> None:
    """Send the messages of these events in their order.

    Raises:
        As `publish`.
    """
    for recorded in events:
        try:
            await publication.sender.send(publication.message(recorded))
        except (ReceiverAway, ReceiverGone, AddressRefused, StoreError, OutcomeUnknown):
            raise
        except (ConnectionError, TimeoutError) as error:
            raise ReceiverAway(f"{type(error).__name__}: {error}") from error
        except Exception as error:
            raise HandlerFailed(recorded, error) from error
