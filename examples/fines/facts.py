"""What happens to a fine in the world: the facts of the log. Money is in cents."""

from __future__ import annotations

from typing import TypeAlias

from refold import event


@event("fine.created")
class FineCreated:
    cents: int
    dismissed: bool


@event("fine.notice-sent")
class NoticeSent:
    expense: int


@event("fine.notified")
class Notified: ...


@event("fine.penalty-added")
class PenaltyAdded:
    """The fine is this much from now on, expenses aside."""

    cents: int


@event("fine.paid")
class Paid:
    cents: int


@event("fine.appeal-made")
class AppealMade: ...


@event("fine.appeal-rejected")
class AppealRejected: ...


@event("fine.sent-for-collection")
class SentForCollection: ...


Fact: TypeAlias = (
    FineCreated | NoticeSent | Notified | PenaltyAdded | Paid | AppealMade | AppealRejected | SentForCollection
)
