"""Contract: a decider bound to a query in place of a stream, and a boundary other than what was read."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from refold.aio import AsyncStore
from refold.errors import Conflict, KeyReused, UsageError
from refold.flows.decide import Decided
from refold.fold import Decider, compose
from refold.messages import Position, command, event
from refold.query import Query
from refold.testing.clock import ManualClock
from refold.testing.contract.base import Contract, Stores, listed, outcomes
from refold.testing.contract.sample import Course, CourseDefined, Joined, course_evolve, courses, join, students


@command("course.join")
class Join:
    """A student wants a seat."""

    course: str
    student: str


class Full(Exception):
    """There is no seat."""


def decide(command: Join, course: Course) -> Iterator[CourseDefined | Joined]:
    """A seat, if there is one."""
    if course.taken >= course.capacity:
        raise Full
    yield Joined(command.course, command.student)


seats = Decider("course", initial=Course, evolve=course_evolve, decide=decide)


@event("seat.taken", tags=("seat",))
class Seated:
    """What the fold of seats takes."""

    seat: int


@event("seat.mailed", tags=("seat",))
class Mailed:
    """What it does not."""

    seat: int


@command("seat.take")
class Seat:
    """Take a seat, once."""

    seat: int


def seated(count: int, _: Seated | Mailed) -> int:
    """How often it was taken."""
    return count + 1


def seat(command: Seat, count: int) -> Iterator[Seated | Mailed]:
    """Taken once, and told by mail."""
    if not count:
        yield Seated(command.seat)
        yield Mailed(command.seat)


mailing: Decider[Seat, int, Seated | Mailed] = Decider(
    "seat", initial=int, evolve=seated, decide=seat, events=(Seated,)
)


class Bounding(Contract):
    """`bind(decider.tagged(...))`, `model.guarded_by(...)`, and decisions on models with an idempotency key."""

    async def test_a_decider_bound_to_tags_decides_on_what_they_select(self, store: AsyncStore) -> None:
        await store.append("course-db", [CourseDefined("db", 2), Joined("db", "ann")])
        await store.append("course-ml", [CourseDefined("ml", 9)])
        bound = store.bind(seats.tagged("course:db"))

        decided = await bound.handle(Join("db", "bob"), stream="seat-bob")

        assert (decided.events, decided.position, decided.repeated) == (
            (Joined("db", "bob"),),
            await store.head(),
            False,
        )
        assert await bound.state() == Course(2, 2)
        (recorded,) = await listed(store.read("seat-bob"))
        assert recorded.metadata.free["$command"] == "course.join"
        with pytest.raises(Full):
            await bound.handle(Join("db", "cid"), stream="seat-cid")
        assert await listed(store.read("seat-cid")) == []

    @pytest.mark.guarantee("G4")
    async def test_its_repeated_command_gives_the_first_outcome(self, store: AsyncStore) -> None:
        await store.append("course-db", [CourseDefined("db", 2)])
        bound = store.bind(seats.tagged("course:db"))
        first = await bound.handle(Join("db", "ann"), stream="seat-ann", idempotency_key="k")
        again = await bound.handle(Join("db", "ann"), stream="seat-ann", idempotency_key="k")

        assert (again.events, again.position, again.repeated) == (first.events, first.position, True)
        assert await bound.state() == Course(2, 1)
        with pytest.raises(KeyReused):
            await bound.handle(Join("db", "bob"), stream="seat-bob", idempotency_key="k")

    @pytest.mark.guarantee("G4")
    async def test_its_repeated_command_gives_events_too_that_its_fold_does_not_take(self, stores: Stores) -> None:
        async def mailed(store: AsyncStore) -> Decided[Seated | Mailed]:
            bound = store.bind(mailing.tagged("seat:1"))
            return await bound.handle(Seat(1), stream="seat-1", idempotency_key="k")

        first = await mailed(await stores.open(events=[Mailed]))
        again = await mailed(await stores.reopen(events=[Mailed]))
        assert (again.events, again.position, again.repeated) == ((Seated(1), Mailed(1)), first.position, True)

    @pytest.mark.guarantee("G4")
    async def test_who_changed_nothing_waits_for_all_that_was_decided_upon_when_asked_again(
        self, store: AsyncStore
    ) -> None:
        bound = store.bind(mailing.tagged("seat:1"))
        await bound.handle(Seat(1), stream="seat-1")
        first = await bound.handle(Seat(1), stream="seat-1", idempotency_key="k")
        again = await bound.handle(Seat(1), stream="seat-1", idempotency_key="k")
        assert (first.events, again.events, again.repeated) == ((), (), True)
        assert again.position >= first.position > 0

    async def test_its_state_is_told_as_of_what_the_store_knew_then(self, stores: Stores) -> None:
        clock = ManualClock()
        store = await stores.open(clock=clock)
        (first,) = (await store.append("course-db", [CourseDefined("db", 2)])).positions
        then = clock.time
        clock.move(timedelta(minutes=1))
        await store.append("course-db", [Joined("db", "ann")])
        bound = store.bind(seats.tagged("course:db"))

        assert [await bound.state(as_of=as_of) for as_of in (Position(0), first, then, None)] == [
            Course(),
            Course(2, 0),
            Course(2, 0),
            Course(2, 1),
        ]
        with pytest.raises(UsageError, match=r"is a version of a stream: give Position\(1\)"):
            await bound.state(as_of=1)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] - the mistake under test

    @pytest.mark.guarantee("G4")
    async def test_a_repeated_decision_on_a_model_gives_the_first_outcome_and_appends_nothing(
        self, stores: Stores
    ) -> None:
        async def joins(store: AsyncStore, capacity: int) -> Decided[Joined]:
            decision = join("db", "ann")
            model = compose(courses.tagged("course:db"), students.tagged("student:ann"))
            return await store.decide(
                model,
                lambda course, count: decision(Course(capacity, 0), count),
                stream="seat-ann",
                idempotency_key="k",
            )

        store = await stores.open()
        first = await joins(store, 1)
        await store.append("seat-bob", [Joined("db", "bob")])
        again = await joins(store, 1)
        later = await joins(await stores.reopen(), 0)  # which would be refused by now

        assert (first.events, first.repeated) == ((Joined("db", "ann"),), False)
        assert (again.events, again.position, again.repeated) == (first.events, first.position, True)
        assert (later.events, later.position, later.repeated) == (first.events, first.position, True)

    @pytest.mark.guarantee("G4")
    async def test_that_a_decision_came_to_nothing_is_an_outcome_too_and_that_it_was_refused_is_none(
        self, store: AsyncStore
    ) -> None:
        model = compose(students.tagged("student:ann"))

        def refused(_: int) -> Iterator[Joined]:
            raise Full

        def nothing(_: int) -> list[Joined]:
            return []

        with pytest.raises(Full):
            await store.decide(model, refused, stream="seat-ann", idempotency_key="k")
        first = await store.decide(model, nothing, stream="seat-ann", idempotency_key="k")
        again = await store.decide(model, lambda _: [Joined("db", "ann")], stream="seat-ann", idempotency_key="k")
        assert (first.events, first.repeated, again.events, again.repeated) == ((), False, (), True)
        assert await store.head() == 0

    @pytest.mark.guarantee("G4")
    async def test_a_key_of_a_decision_belongs_to_its_stream_and_the_tags_of_its_model(self, store: AsyncStore) -> None:
        def seated(_: object) -> list[Joined]:
            return [Joined("db", "ann")]

        ann, bob = students.tagged("student:ann"), students.tagged("student:bob")
        await store.decide(compose(ann), seated, stream="seat-ann", idempotency_key="k")

        for model, stream in ((compose(ann), "seat-bob"), (compose(bob), "seat-ann")):
            with pytest.raises(KeyReused, match="was used for a decision on seat-ann"):
                await store.decide(model, seated, stream=stream, idempotency_key="k")
        with pytest.raises(KeyReused, match=r"now comes with command course\.join on seat-ann"):
            await store.bind(seats.tagged("student:ann")).handle(
                Join("db", "ann"), stream="seat-ann", idempotency_key="k"
            )
        widened = compose(ann).guarded_by(Query.all())  # other types in a later release, say, are no other request
        assert (await store.decide(widened, seated, stream="seat-ann", idempotency_key="k")).repeated

    @pytest.mark.guarantee("G4")
    async def test_one_key_of_a_decision_at_once_from_many_is_decided_once(self, stores: Stores) -> None:
        crowd = await stores.crowd(8)
        model = compose(students.tagged("student:ann"))
        results = await outcomes(
            *(
                store.decide(model, lambda count: [Joined(f"c{count}", "ann")], stream="seat-ann", idempotency_key="k")
                for store in crowd
            )
        )
        assert sorted(decided.repeated for decided in results) == [False] + [True] * 7
        assert {(decided.events, decided.position) for decided in results} == {
            ((Joined("c0", "ann"),), results[0].position)
        }

    @pytest.mark.guarantee("G5")
    async def test_many_at_once_do_not_take_more_seats_than_there_are(self, stores: Stores) -> None:
        crowd = await stores.crowd(12)
        await crowd[0].append("course-db", [CourseDefined("db", 3)])

        def one(store: AsyncStore, index: int) -> object:
            return store.bind(seats.tagged("course:db")).handle(Join("db", f"s{index}"), stream=f"seat-{index}")

        results = await outcomes(*(one(store, index) for index, store in enumerate(crowd)))

        assert sorted(type(result).__name__ for result in results) == ["Decided"] * 3 + ["Full"] * 9
        assert await crowd[0].bind(seats.tagged("course:db")).state() == Course(3, 3)

    async def test_a_narrower_guard_forgives_what_does_not_matter(self, store: AsyncStore) -> None:
        await store.append("course-db", [CourseDefined("db", 2)])
        model = compose(courses.tagged("course:db")).guarded_by(Query.of(types=["course.defined"], tags=["course:db"]))
        await store.append("course-db", [Joined("db", "ann")])

        seen: list[Course] = []

        def decision(course: Course) -> Iterator[Joined]:
            seen.append(course)
            yield Joined("db", "bob")

        assert (await store.decide(model, decision, stream="seat-bob")).events == (Joined("db", "bob"),)
        assert seen == [Course(2, 1)]

    async def test_a_wider_guard_looks_beyond_what_is_read_and_not_behind_it(self, store: AsyncStore) -> None:
        await store.append("course-db", [CourseDefined("db", 2)])
        await store.append("course-ml", [CourseDefined("ml", 2)])  # matches the guard, but stood there before
        model = compose(courses.tagged("course:db")).guarded_by(Query.all())
        decided = await store.decide(model, lambda course: [Joined("db", str(course.taken))], stream="seat-x")
        assert decided.events == (Joined("db", "0"),)

    @pytest.mark.guarantee("G5")
    async def test_a_guard_meets_what_is_appended_meanwhile(self, stores: Stores) -> None:
        crowd = await stores.crowd(8)
        await crowd[0].append("course-db", [CourseDefined("db", 99)])
        model = compose(courses.tagged("course:db")).guarded_by(Query.of(tags=["course:db"]))

        def one(store: AsyncStore, index: int) -> object:
            return store.decide(model, lambda course: [Joined("db", str(course.taken))], stream=f"seat-{index}")

        results = await outcomes(*(one(store, index) for index, store in enumerate(crowd)))

        assert not [result for result in results if isinstance(result, Conflict)]
        assert sorted(result.events[0].student for result in results) == [str(index) for index in range(8)]
