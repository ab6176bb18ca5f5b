"""Append: events on a condition, once, and with them how far another store was followed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from refold.errors import Conflict, UsageError
from refold.flows.together import StreamWrite
from refold.http.access import category_of
from refold.http.problems import Declined
from refold.http.shapes import EventIn
from refold.messages import NewEvent
from refold.ports import QueryMatched
from refold.query import AppendCondition
from refold.rpc.asking import Asked
from refold.rpc.events import IN_STREAM, STREAM, Draft, draft
from refold.rpc.protocol import umadb_pb2 as pb
from refold.rpc.queries import condition_of
from refold.rpc.tracking import Mark, mark_of, passed, tracking_in
from refold.rpc.visible import visible

_ATTEMPTS: Final = 1_000
"""How often an append gives way to what does not concern it before it is refused."""


async def append(asked: Asked, request: pb.AppendRequest) -> pb.AppendResponse:
    """Append all or nothing, and say where the last one stands."""
    drafts = [draft(event) for event in request.events]
    stream, tracking = _stream(drafts), tracking_in(request)
    _check(asked, stream, drafts)
    condition = None
    if request.HasField("condition"):
        asked.reads_everything()  # it tells whether something is there
        condition = condition_of(request.condition)
    events = _events(drafts, tracking)
    if not events:
        await _judge(asked, condition)
        return pb.AppendResponse(position=0)
    position = await _append(asked, StreamWrite(stream, events), condition, tracking)
    return pb.AppendResponse(position=position if drafts else 0)


def _stream(drafts: Sequence[Draft]) -> str:
    """Where they go: one stream, so that their order is kept."""
    streams = {each.stream for each in drafts} or {STREAM}
    if len(streams) > 1:
        raise UsageError(f"the events of one append go to one stream: name the same {IN_STREAM} in all of them.")
    return streams.pop()


def _check(asked: Asked, stream: str, drafts: Sequence[Draft]) -> None:
    """That the caller may append there, and that who has classes for the events can read them.

    Raises:
        Declined: one of the two is not so.
    """
    category = category_of(stream)
    asked.access.check("append", [category])
    for each in drafts:
        asked.classes.event(EventIn(type=each.type, data={**each.data}, schema_version=each.schema_version), category)


def _events(drafts: Sequence[Draft], tracking: tuple[str, int] | None) -> Sequence[NewEvent[object]]:
    if not drafts:
        return [] if tracking is None else [passed(tracking)]
    *others, last = drafts
    return [*(each.new(tracking, last=False) for each in others), last.new(tracking, last=True)]


async def _append(
    asked: Asked, write: StreamWrite, condition: AppendCondition | None, tracking: tuple[str, int] | None
) -> int:
    """Until it is written or refused. The ids are judged first, so a repeat gives the first outcome, whatever came since."""
    for _ in range(_ATTEMPTS):
        mark = None if tracking is None else await mark_of(asked.store, tracking[0])
        checks = [*_checks(condition, mark, tracking)]
        try:
            (receipt,) = await asked.store.append_all([write], checks=checks)
        except Conflict as conflict:
            condition = await _beyond_hidden(asked, condition, conflict)
            if mark is not None and tracking is not None:
                mark.refuse(tracking[1])
        else:
            return int(receipt.position)
    raise Declined(503, "busy", f"others were faster {_ATTEMPTS} times: append it again.")


def _checks(
    condition: AppendCondition | None, mark: Mark | None, tracking: tuple[str, int] | None
) -> Iterator[AppendCondition]:
    if condition is not None:
        yield condition
    if mark is not None and tracking is not None:
        yield mark.check(tracking[1])


async def _beyond_hidden(asked: Asked, condition: AppendCondition | None, conflict: Conflict) -> AppendCondition | None:
    """The condition after the events that it met, if these are hidden from who set it.

    Raises:
        Conflict: they are not.
    """
    for failure in conflict.failures:
        if condition is not None and isinstance(failure, QueryMatched) and failure.condition == condition:
            await _judge(asked, condition)
            return AppendCondition(condition.query, failure.actual)
    return condition


async def _judge(asked: Asked, condition: AppendCondition | None) -> None:
    """Raises `Conflict`, if there is a visible event that should not be there."""
    if condition is None:
        return
    async for event in visible(asked.store, condition.query, after=condition.after, limit=1):
        raise Conflict((QueryMatched(condition, event.position),))
