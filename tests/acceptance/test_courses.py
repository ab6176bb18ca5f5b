"""The rules of examples/courses: given/when/then, and then with many at once on real stores."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from examples.courses import enrolment, uniqueness, validity
from examples.courses.enrolment import CapacityChanged, CourseDefined, Refused, Subscribed
from examples.courses.uniqueness import Closed, Issued, Placed, Registered, Taken
from examples.courses.validity import Confirmed, Initiated, NotValid, Ordered, Priced

from refold import Query, Store
from refold.testing import spec
from refold.testing.postgres import PostgresServer

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


# given / when / then ----------------------------------------------------------


def test_a_student_subscribes_to_a_course_with_room() -> None:
    given = spec(enrolment.enrolment("c1", "ada"))
    subscribe = partial(enrolment.subscribe, "c1", "ada")

    given(CourseDefined("c1", 1)).deciding(subscribe).then(Subscribed("c1", "ada"))
    given(CourseDefined("c1", 1), Subscribed("c1", "bob")).deciding(subscribe).then_raises(Refused, "full: 1 of 1")
    given(CourseDefined("c1", 1), Subscribed("c1", "bob"), CapacityChanged("c1", 2)).deciding(subscribe).then(
        Subscribed("c1", "ada")
    )
    given(CourseDefined("c2", 9)).deciding(subscribe).then_raises(Refused, "there is no course c1")


def test_a_student_takes_five_courses_and_no_course_twice() -> None:
    given = spec(enrolment.enrolment("c1", "ada"))
    subscribe = partial(enrolment.subscribe, "c1", "ada")
    taken = [Subscribed(f"x{i}", "ada") for i in range(5)]

    given(CourseDefined("c1", 9), *taken[:4]).deciding(subscribe).then(Subscribed("c1", "ada"))
    given(CourseDefined("c1", 9), *taken).deciding(subscribe).then_raises(Refused, "takes 5 courses")
    given(CourseDefined("c1", 9), Subscribed("c1", "ada")).deciding(subscribe).then_raises(Refused, "already")


def test_a_name_belongs_to_one_until_its_account_is_closed() -> None:
    given = spec(uniqueness.name("ada"))
    register = partial(uniqueness.register, "ada")

    given(Registered("bob")).deciding(register).then(Registered("ada"))
    given(Registered("ada")).deciding(register).then_raises(Taken)
    given(Registered("ada"), Closed("ada")).deciding(register).then(Registered("ada"))


def test_invoices_are_numbered_one_after_the_other() -> None:
    given = spec(uniqueness.numbering)

    given().deciding(partial(uniqueness.issue, "ada")).then(Issued(1, "ada"))
    given(Issued(1, "bob"), Issued(2, "bob")).deciding(partial(uniqueness.issue, "ada")).then(Issued(3, "ada"))


def test_an_order_that_arrives_twice_is_placed_once() -> None:
    given = spec(uniqueness.submission("t1"))
    place = partial(uniqueness.place, "t1", "tea")

    given(Placed("t2", "tea")).deciding(place).then(Placed("t1", "tea"))
    given(Placed("t1", "tea")).deciding(place).then_nothing()


@pytest.mark.parametrize(("minutes", "holds"), [(0, True), (10, True), (11, False)])
def test_a_price_that_was_shown_holds_for_ten_minutes_after_it_changed(minutes: int, holds: bool) -> None:
    now = NOON + timedelta(minutes=minutes)
    case = spec(validity.price_of("tea"))(Priced("tea", 100, NOON - timedelta(days=1)), Priced("tea", 120, NOON))

    case.deciding(partial(validity.order, "tea", 120, now)).then(Ordered("tea", 120))
    old = case.deciding(partial(validity.order, "tea", 100, now))
    old.then(Ordered("tea", 100)) if holds else old.then_raises(NotValid)
    case.deciding(partial(validity.order, "tea", 99, now)).then_raises(NotValid)


def test_a_token_confirms_once_and_within_an_hour() -> None:
    given = spec(validity.attempt("t1"))
    sent = Initiated("ada@example.org", "t1", NOON)
    soon, late = NOON + timedelta(minutes=59), NOON + timedelta(minutes=61)

    given(sent).deciding(partial(validity.confirm, "t1", soon)).then(Confirmed("ada@example.org", "t1"))
    given(sent).deciding(partial(validity.confirm, "t1", late)).then_raises(NotValid, "too old")
    given().deciding(partial(validity.confirm, "t1", soon)).then_raises(NotValid, "never sent")
    given(sent, Confirmed("ada@example.org", "t1")).deciding(partial(validity.confirm, "t1", soon)).then_raises(
        NotValid, "used already"
    )


# Many at once, on each store that several connections can share ---------------


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/courses.db"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    url = server.new_database()
    yield url
    server.drop(url)


def at_once(url: str, count: int, attempt: Callable[[Store, int], object]) -> list[object]:
    """What came of `count` attempts, each by a thread with one of four connections of its own."""

    def run(index: int) -> object:
        try:
            return attempt(stores[index % len(stores)], index)
        except Exception as error:
            return type(error)

    stores = [Store.open(url) for _ in range(4)]
    try:
        with ThreadPoolExecutor(count) as pool:
            return list(pool.map(run, range(count)))
    finally:
        for store in stores:
            store.close()


def test_a_course_is_never_overbooked_by_students_who_come_at_once(url: str) -> None:
    with Store.open(url) as store:
        store.append("course-c1", [CourseDefined("c1", 3)])

    def attempt(store: Store, index: int) -> object:
        student = f"s{index}"
        decision = partial(enrolment.subscribe, "c1", student)
        return store.decide(enrolment.enrolment("c1", student), decision, stream=f"enrolment-{student}").events[0]

    results = at_once(url, 12, attempt)

    assert (results.count(Refused), len([r for r in results if isinstance(r, Subscribed)])) == (9, 3)
    with Store.open(url, events=[CourseDefined, Subscribed]) as store:
        assert len(list(store.read(query=Query.of(tags=["course:c1"])))) == 4


def test_a_student_never_takes_too_many_courses_at_once(url: str) -> None:
    with Store.open(url) as store:
        for index in range(12):
            store.append(f"course-c{index}", [CourseDefined(f"c{index}", 9)])

    def attempt(store: Store, index: int) -> object:
        course = f"c{index}"
        decision = partial(enrolment.subscribe, course, "ada")
        return store.decide(enrolment.enrolment(course, "ada"), decision, stream="enrolment-ada").events[0]

    results = at_once(url, 12, attempt)

    assert (results.count(Refused), len([r for r in results if isinstance(r, Subscribed)])) == (7, 5)


def test_a_name_is_given_once_to_those_who_ask_at_once(url: str) -> None:
    results = at_once(
        url,
        12,
        lambda store, index: store.decide(
            uniqueness.name("ada"), partial(uniqueness.register, "ada"), stream=f"account-{index}"
        ).events[0],
    )
    assert sorted(map(str, results)) == sorted(map(str, [Registered("ada"), *[Taken] * 11]))


def test_invoice_numbers_have_no_gap_and_no_double_at_once(url: str) -> None:
    issue = partial(uniqueness.issue, "ada")
    at_once(url, 16, lambda store, index: store.decide(uniqueness.numbering, issue, stream=f"invoice-{index}"))
    with Store.open(url, events=[Issued]) as store:
        assert [event.data.number for event in store.read()] == list(range(1, 17))


def test_an_order_sent_many_times_at_once_is_placed_once(url: str) -> None:
    place = partial(uniqueness.place, "t1", "tea")
    at_once(url, 12, lambda store, index: store.decide(uniqueness.submission("t1"), place, stream="order-t1"))
    with Store.open(url, events=[Placed]) as store:
        assert [event.data for event in store.read()] == [Placed("t1", "tea")]


def test_a_token_used_many_times_at_once_confirms_once(url: str) -> None:
    with Store.open(url) as store:
        store.append("signup-t1", [Initiated("ada@example.org", "t1", NOON)])
    confirm = partial(validity.confirm, "t1", NOON)
    results = at_once(url, 12, lambda store, index: store.decide(validity.attempt("t1"), confirm, stream="signup-t1"))
    assert results.count(NotValid) == 11


def test_orders_at_once_with_a_new_price_are_each_at_a_price_that_held(url: str) -> None:
    with Store.open(url) as store:
        store.append("product-tea", [Priced("tea", 100, NOON - timedelta(days=1))])

    def attempt(store: Store, index: int) -> object:
        if index == 5:
            return store.append("product-tea", [Priced("tea", 120, NOON)])
        cents, now = (100, NOON + timedelta(minutes=11)) if index % 2 else (120, NOON)
        decision = partial(validity.order, "tea", cents, now)
        return store.decide(validity.price_of("tea"), decision, stream=f"order-{index}")

    at_once(url, 12, attempt)

    with Store.open(url, events=[Priced, Ordered]) as store:
        changed = next(e.position for e in store.read("product-tea", after=1))
        orders = [(e.position > changed, e.data.cents) for e in store.read(category="order")]
    assert all(cents == (120 if after else 100) for after, cents in orders), orders
