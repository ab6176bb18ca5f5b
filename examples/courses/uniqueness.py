"""Names that only one may have at a time, numbers without gaps, requests that count once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias, assert_never

from refold import DecisionModel, Fold, compose, event


class Taken(Exception):
    """Somebody was first."""


# A user name is unique, and free again when its account is closed ------------------------------------------------------


@event("account.registered", tags=("name",))
class Registered:
    name: str


@event("account.closed", tags=("name",))
class Closed:
    name: str


AccountEvent: TypeAlias = Registered | Closed


def is_taken(_: bool, event: AccountEvent) -> bool:
    """Whether the name is in use after this event."""
    match event:
        case Registered():
            return True
        case Closed():
            return False
        case _:
            assert_never(event)


name_use = Fold("account", initial=bool, evolve=is_taken)


def name(wanted: str) -> DecisionModel[bool]:
    """The boundary is the name, whatever account has it."""
    return compose(name_use.tagged(f"name:{wanted}"))


def register(wanted: str, taken: bool) -> Iterator[Registered]:
    """Take a name, if nobody has it."""
    if taken:
        raise Taken(f"the name {wanted} is taken")
    yield Registered(wanted)


# Invoices are numbered without gaps ------------------------------------------------------------------------------------


@event("invoice.issued", tags=lambda invoice: ["invoices"])
class Issued:
    number: int
    customer: str


def last_number(_: int, event: Issued) -> int:
    """The number of the newest invoice."""
    return event.number


numbering = compose(Fold("invoice", initial=int, evolve=last_number).tagged("invoices"))


def issue(customer: str, last: int) -> Iterator[Issued]:
    """The next number."""
    yield Issued(last + 1, customer)


# An order that arrives twice is recorded once --------------------------------------------------------------------------


@event("order.placed", tags=("token",))
class Placed:
    token: str
    item: str


def was_placed(_: bool, event: Placed) -> bool:
    """Once placed, always placed."""
    return True


placing = Fold("order", initial=bool, evolve=was_placed)


def submission(token: str) -> DecisionModel[bool]:
    """The boundary is the token that the client gave the order."""
    return compose(placing.tagged(f"token:{token}"))


def place(token: str, item: str, placed: bool) -> Iterator[Placed]:
    """Place the order, unless this very one was placed."""
    if not placed:
        yield Placed(token, item)
