"""Contract: commands, methods of a state, and decisions on composed models become events, once, or nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from refold.aio import AsyncStore
from refold.errors import UsageError
from refold.fold import compose
from refold.messages import Position
from refold.testing.contract.base import Contract, listed
from refold.testing.contract.sample import (
    Course,
    CourseDefined,
    CourseFull,
    Deposit,
    Deposited,
    Joined,
    Noted,
    Overdrawn,
    TooManyCourses,
    Withdraw,
    Withdrawn,
    accounts,
    courses,
    join,
    notes,
    students,
)


class Deciding(Contract):
    """`handle`, `do`, `decide`."""

    async def test_a_command_becomes_events_and_the_state_after_them(self, store: AsyncStore) -> None:
        account = store.bind(accounts)
        await account.handle("1", Deposit(5))
        handled = await account.handle("1", Withdraw(2))

        assert (handled.state, handled.version, handled.events, handled.repeated) == (3, 2, (Withdrawn(2),), False)
        assert handled.position == await store.head()
        assert await account.state("1") == 3
        assert [e.data for e in await listed(store.read("account-1"))] == [Deposited(5), Withdrawn(2)]

    async def test_a_command_that_changes_nothing_appends_nothing(self, store: AsyncStore) -> None:
        account = store.bind(accounts)
        first = await account.handle("1", Deposit(5))
        handled = await account.handle("1", Deposit(0))
        assert (handled.state, handled.version, handled.events, handled.position) == (5, 1, (), first.position)
        assert await store.head() == first.position

    async def test_an_error_of_the_domain_comes_out_as_it_is_and_writes_nothing(self, store: AsyncStore) -> None:
        account = store.bind(accounts)
        await account.handle("1", Deposit(5))
        before = await listed(store.read())
        with pytest.raises(Overdrawn) as caught:
            await account.handle("1", Withdraw(6))
        assert type(caught.value) is Overdrawn
        assert await listed(store.read()) == before

    async def test_a_decision_that_fails_half_way_writes_nothing(self, store: AsyncStore) -> None:
        def half(state: int) -> Iterator[Deposited]:
            yield Deposited(state + 1)
            raise Overdrawn

        with pytest.raises(Overdrawn):
            await store.bind(accounts).do("1", half)
        assert await store.head() == 0

    async def test_events_that_their_own_fold_cannot_take_are_not_appended(self, store: AsyncStore) -> None:
        with pytest.raises(AttributeError, match="text"):
            await store.bind(notes).do("1", lambda texts: [Noted("fine"), *texts, Deposited(1)])  # type: ignore[list-item] # pyright: ignore[reportArgumentType] - the mistake under test
        assert await store.head() == 0

    async def test_one_instance_knows_nothing_of_another(self, store: AsyncStore) -> None:
        account = store.bind(accounts)
        await account.handle("1", Deposit(5))
        with pytest.raises(Overdrawn):
            await account.handle("2", Withdraw(1))
        assert await account.state("2") == 0

    async def test_a_method_of_the_state_decides_with_its_arguments(self, store: AsyncStore) -> None:
        def add(texts: tuple[str, ...], text: str, *, times: int = 1) -> Iterator[Noted]:
            yield from (Noted(f"{len(texts)}{text}") for _ in range(times))

        note = store.bind(notes)
        await note.do("1", add, "a")
        handled = await note.do("1", add, "b", times=2)

        assert (handled.state, handled.version) == (("0a", "1b", "1b"), 3)
        assert [e.metadata.free["$command"] for e in await listed(store.read())] == ["note.add"] * 3

    async def test_a_command_without_a_name_is_a_usage_error(self, store: AsyncStore) -> None:
        with pytest.raises(UsageError, match="mark the class with @command"):
            await store.bind(accounts).handle("1", Deposited(1))  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] - the mistake under test
        assert await store.head() == 0

    async def test_a_decision_sees_the_states_of_all_parts_of_its_model(self, store: AsyncStore) -> None:
        await store.append("course-db", [CourseDefined("db", 3)])
        await store.append("course-db", [Joined("db", "ann"), Joined("db", "bob")])
        await store.append("course-ml", [CourseDefined("ml", 1), Joined("ml", "ann")])
        seen: list[tuple[Course, int]] = []

        def look(course: Course, count: int) -> Iterator[Joined]:
            seen.append((course, count))
            yield from ()

        model = compose(courses.tagged("course:db"), students.tagged("student:ann"))
        decided = await store.decide(model, look, stream="course-db")

        assert seen == [(Course(3, 2), 2)]
        assert (decided.events, decided.position) == ((), await store.head())

    async def test_a_decision_is_appended_with_its_tags_and_its_name(self, store: AsyncStore) -> None:
        await store.append("course-db", [CourseDefined("db", 1)])
        model = compose(courses.tagged("course:db"), students.tagged("student:ann"))
        decided = await store.decide(model, join("db", "ann"), stream="course-db")

        *_, event = await listed(store.read())
        assert (decided.events, decided.position) == ((Joined("db", "ann"),), event.position)
        assert (event.data, event.tags) == (Joined("db", "ann"), {"course:db", "student:ann"})
        assert event.metadata.free["$command"].endswith("decision")
        assert isinstance(decided.position, Position)

    async def test_the_rules_of_every_part_hold(self, store: AsyncStore) -> None:
        for course in ("db", "ml", "os"):
            await store.append(f"course-{course}", [CourseDefined(course, 2)])

        async def joins(course: str, student: str) -> None:
            model = compose(courses.tagged(f"course:{course}"), students.tagged(f"student:{student}"))
            await store.decide(model, join(course, student), stream=f"course-{course}")

        await joins("db", "ann")
        await joins("ml", "ann")
        with pytest.raises(TooManyCourses):
            await joins("os", "ann")
        await joins("db", "bob")
        with pytest.raises(CourseFull):
            await joins("db", "cal")
        assert len(await listed(store.read())) == 3 + 3

    async def test_a_model_of_one_part_is_a_model(self, store: AsyncStore) -> None:
        decided = await store.decide(
            compose(students.tagged("student:ann")), lambda count: [Joined("db", "ann")][count:], stream="student-ann"
        )
        again = await store.decide(
            compose(students.tagged("student:ann")), lambda count: [Joined("db", "ann")][count:], stream="student-ann"
        )
        assert (decided.events, again.events) == ((Joined("db", "ann"),), ())
