"""The log: real fines of an Italian police force, read from the file that lies beside the repository, if it does."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Final

from examples.fines.facts import (
    AppealMade,
    AppealRejected,
    Fact,
    FineCreated,
    NoticeSent,
    Notified,
    Paid,
    PenaltyAdded,
    SentForCollection,
)

from refold.eventlogs import BadRow, Json, LogMapping, entries, open_log

DATA: Final = Path(os.environ.get("REFOLD_DATA") or Path(__file__).parents[3] / "shared" / "data")
LOG: Final = DATA / "roadtraffic100traces.csv"
SOURCE: Final = "4TU.ResearchData, Road Traffic Fine Management Process"


@dataclass(frozen=True, slots=True)
class Happened:
    """A fact, and to which fine and when it happened."""

    fine: str
    at: datetime
    fact: Fact


def happened() -> Sequence[Happened]:
    """All of the log, in the order of time; what happened at one time to one fine stays in the order of the file."""
    with open_log(LOG) as log:
        found = [
            Happened(entry.stream.partition("-")[2], entry.valid_at, FACTS[entry.type](entry.data))
            for entry in entries(log, LogMapping())
            if not isinstance(entry, BadRow) and entry.valid_at is not None and entry.type in FACTS
        ]
    return sorted(found, key=lambda each: each.at)


def _cents(data: Mapping[str, Json], column: str) -> int:
    return int(Decimal(str(data[column])) * 100)


FACTS: Final[Mapping[str, Callable[[Mapping[str, Json]], Fact]]] = {
    "Create Fine": lambda row: FineCreated(_cents(row, "amount"), row["dismissal"] != "NIL"),
    "Send Fine": lambda row: NoticeSent(_cents(row, "expense")),
    "Insert Fine Notification": lambda row: Notified(),
    "Add penalty": lambda row: PenaltyAdded(_cents(row, "amount")),
    "Payment": lambda row: Paid(_cents(row, "paymentAmount")),
    "Insert Date Appeal to Prefecture": lambda row: AppealMade(),
    "Appeal to Judge": lambda row: AppealMade(),
    "Notify Result Appeal to Offender": lambda row: AppealRejected(),
    "Send for Credit Collection": lambda row: SentForCollection(),
}
"""What each activity tells. Sending an appeal on, and receiving its result, change nothing for the fine."""
