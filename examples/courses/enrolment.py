"""A course has room for so many students, and a student may take so many courses: one decision, two boundaries."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias, assert_never

from refold import DecisionModel, Fold, compose, event

COURSES_A_STUDENT = 5


@event("course.defined", tags=("course",))
class CourseDefined:
    course: str
    capacity: int


@event("course.capacity-changed", tags=("course",))
class CapacityChanged:
    course: str
    capacity: int


@event("course.student-subscribed", tags=("course", "student"))
class Subscribed:
    course: str
    student: str


CourseEvent: TypeAlias = CourseDefined | CapacityChanged | Subscribed


class Refused(Exception):
    """A rule says no."""


@dataclass(frozen=True)
class Course:
    """How much room there is, and how much of it is taken."""

    capacity: int | None = None
    taken: int = 0

    def evolve(self, event: CourseEvent) -> Course:
        match event:
            case CourseDefined() | CapacityChanged():
                return replace(self, capacity=event.capacity)
            case Subscribed():
                return replace(self, taken=self.taken + 1)
            case _:
                assert_never(event)


def add_course(courses: frozenset[str], event: Subscribed) -> frozenset[str]:
    """The courses of a student, after one more."""
    return courses | {event.course}


course_room = Fold("course", initial=Course, evolve=Course.evolve)
courses_of_student = Fold("student", initial=frozenset[str], evolve=add_course)


def enrolment(course: str, student: str) -> DecisionModel[Course, frozenset[str]]:
    """What must be known, and must not change, for one student to subscribe to one course."""
    return compose(course_room.tagged(f"course:{course}"), courses_of_student.tagged(f"student:{student}"))


def define(course: str, capacity: int, room: Course) -> Iterator[CourseDefined]:
    """A course is defined once."""
    if room.capacity is not None:
        raise Refused(f"course {course} is there already")
    yield CourseDefined(course, capacity)


def subscribe(course: str, student: str, room: Course, courses: frozenset[str]) -> Iterator[Subscribed]:
    """A student subscribes: the course must have room, and the student must not have too many."""
    if room.capacity is None:
        raise Refused(f"there is no course {course}")
    if course in courses:
        raise Refused(f"{student} has subscribed to {course} already")
    if room.taken >= room.capacity:
        raise Refused(f"course {course} is full: {room.taken} of {room.capacity}")
    if len(courses) >= COURSES_A_STUDENT:
        raise Refused(f"{student} takes {len(courses)} courses already")
    yield Subscribed(course, student)
