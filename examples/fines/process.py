"""The process: who has not paid is sent a notice, then owes a penalty, and is sent for credit collection in the end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from typing import Any, Final, TypeAlias
from zoneinfo import ZoneInfo

from examples.fines.facts import AppealMade, AppealRejected, FineCreated, NoticeSent, Notified, Paid, PenaltyAdded
from examples.fines.office import Decide, office

from refold import Effect, Process, Recorded, at, cancel, event, finish

ROME: Final = ZoneInfo("Europe/Rome")
NOTICE_AFTER: Final = timedelta(days=60)
PENALTY_AFTER: Final = timedelta(days=60)
COLLECTION_AFTER: Final = timedelta(days=300)


@event("fine.notice-due")
class NoticeDue: ...


@event("fine.penalty-due")
class PenaltyDue: ...


@event("fine.collection-due")
class CollectionDue: ...


Noticed: TypeAlias = (
    FineCreated | NoticeSent | Notified | PenaltyAdded | Paid | AppealMade | AppealRejected | NoticeDue | PenaltyDue
    | CollectionDue
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fine:
    """What one fine is about, in cents. While an appeal is pending nothing is added."""

    amount: int = 0
    expense: int = 0
    paid: int = 0
    dismissed: bool = False
    appealing: bool = False

    @property
    def is_settled(self) -> bool:
        """Whether nothing is owed any more."""
        return self.dismissed or 0 < self.amount + self.expense <= self.paid


def days_after(e: Recorded[Any], days: timedelta) -> datetime:
    """The beginning of the day so many days later, on the calendar of the office."""
    return datetime.combine(e.recorded_at.astimezone(ROME).date() + days, time(), ROME)


def react(e: Recorded[Noticed], fine: Fine) -> Iterator[Effect]:
    """What should follow. Deciding is all that it does: the office in the log has done the rest."""
    if evolve(fine, e.data).is_settled:
        yield from map(cancel, (NoticeDue, PenaltyDue, CollectionDue))
        yield finish()
        return
    match e.data:
        case FineCreated():
            yield at(days_after(e, NOTICE_AFTER), NoticeDue())
        case NoticeSent() | NoticeDue():
            yield cancel(NoticeDue)
            yield office.send(e.stream.id, Decide("notice"))
        case Notified() | AppealRejected():
            yield at(days_after(e, PENALTY_AFTER), PenaltyDue())
        case AppealMade():
            yield cancel(PenaltyDue)
        case PenaltyDue():
            yield office.send(e.stream.id, Decide("penalty"))
            yield at(days_after(e, COLLECTION_AFTER), CollectionDue())
        case CollectionDue():
            yield office.send(e.stream.id, Decide("collection"))
            yield finish()
        case _:
            pass


def evolve(fine: Fine, event: Noticed) -> Fine:
    """The fine after one event."""
    match event:
        case FineCreated(cents, dismissed):
            return replace(fine, amount=cents, dismissed=dismissed)
        case NoticeSent(expense):
            return replace(fine, expense=expense)
        case PenaltyAdded(cents) if not fine.appealing:
            return replace(fine, amount=cents)
        case Paid(cents):
            return replace(fine, paid=fine.paid + cents)
        case AppealMade() | AppealRejected():
            return replace(fine, appealing=isinstance(event, AppealMade))
        case _:
            return fine


fines = Process("fines", Fine, react, evolve, starts_on=(FineCreated,))
