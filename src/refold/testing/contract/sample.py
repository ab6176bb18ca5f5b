"""The events and deciders that the contract is told with: accounts, notes, courses, and facts of any type."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, assert_never
from uuid import UUID

from refold.fold import Decider, Fold
from refold.messages import NewEvent, RawEvent, command, event


@event("account.deposited", tags=("to",))
class Deposited:
    amount: int
    to: str = "someone"


@event("account.withdrawn")
class Withdrawn:
    amount: int


AccountEvent: TypeAlias = Deposited | Withdrawn


@command("account.deposit")
class Deposit:
    amount: int


@command("account.withdraw")
class Withdraw:
    amount: int


AccountCommand: TypeAlias = Deposit | Withdraw


class Overdrawn(Exception):
    """There is less in the account than should come out."""


def balance(before: int, event: AccountEvent) -> int:
    """What is in the account after an event."""
    match event:
        case Deposited(amount):
            return before + amount
        case Withdrawn(amount):
            return before - amount
        case _:
            assert_never(event)


def account(command: AccountCommand, balance: int) -> Iterator[AccountEvent]:
    """The rules: a deposit of 0 changes nothing, and nobody takes out more than there is."""
    match command:
        case Deposit(0):
            return
        case Deposit(amount):
            yield Deposited(amount)
        case Withdraw(amount) if amount > balance:
            raise Overdrawn
        case Withdraw(amount):
            yield Withdrawn(amount)
        case _:
            assert_never(command)


accounts: Final = Decider("account", initial=int, evolve=balance, decide=account)


@event("note.taken")
class Noted:
    text: str


@event("thing.said")
class Said:
    what: Any


def noted(texts: tuple[str, ...], event: Noted) -> tuple[str, ...]:
    """The texts of all notes."""
    return (*texts, event.text)


notes: Final = Fold("note", initial=tuple[str, ...], evolve=noted)


@event("course.defined", tags=("course",))
class CourseDefined:
    course: str
    capacity: int


@event("course.joined", tags=lambda e: [f"course:{e.course}", f"student:{e.student}"])
class Joined:
    course: str
    student: str


@dataclass(frozen=True)
class Course:
    """How many a course takes, and how many it has."""

    capacity: int = 0
    taken: int = 0


def course_evolve(course: Course, event: CourseDefined | Joined) -> Course:
    """The course after an event."""
    match event:
        case CourseDefined(_, capacity):
            return Course(capacity, course.taken)
        case Joined():
            return Course(course.capacity, course.taken + 1)
        case _:
            assert_never(event)


courses: Final = Fold("course", initial=Course, evolve=course_evolve)


def joined(count: int, _: Joined) -> int:
    """How many courses a student has."""
    return count + 1


students: Final = Fold("student", initial=int, evolve=joined)


class CourseFull(Exception):
    """Every seat is taken."""


class TooManyCourses(Exception):
    """The student has two already."""


def join(course: str, student: str) -> Callable[[Course, int], Iterator[Joined]]:
    """Join a course that has a seat, as a student with fewer than two courses."""

    def decision(state: Course, count: int) -> Iterator[Joined]:
        if state.taken >= state.capacity:
            raise CourseFull
        if count >= 2:
            raise TooManyCourses
        yield Joined(course, student)

    return decision


EVENTS: Final = (Deposited, Withdrawn, Noted, Said, CourseDefined, Joined, RawEvent)


def fact(type: str, *tags: str, id: UUID | None = None, **data: object) -> NewEvent[RawEvent]:
    """An event of any type with any tags, without a class."""
    return NewEvent(RawEvent(type, data), id=id, tags=frozenset(tags))
