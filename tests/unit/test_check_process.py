"""check_process: each planted fault is found, with a short run, and the sound twin of each has none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Literal, TypeAlias, TypeVar

import pytest
from examples.hello import abandonment

from refold import (
    After,
    Effect,
    Process,
    Recorded,
    Saga,
    Send,
    UsageError,
    after,
    at,
    cancel,
    command,
    event,
    finish,
)
from refold.demo.fulfilment import fulfilment
from refold.demo.orders import CancelOrder, ConfirmPayment, OrderCancelled, OrderPlaced, OrderShipped
from refold.demo.payments import PaymentReceived, RefundPayment, RequestPayment
from refold.demo.stock import PickStock, ReleaseStock, ReserveStock
from refold.external import Call
from refold.process import fail
from refold.testing import check_process, in_stream
from refold.testing.processcheck.checking import MOST, ProcessFaults
from refold.testing.processcheck.findings import Finding

C = TypeVar("C")
DAY = timedelta(days=1)


@event("order.placed")
class Placed: ...


@event("order.paid")
class Paid: ...


@event("order.shipped")
class Shipped: ...


@event("order.overdue")
class Overdue: ...


@event("survey.due")
class SurveyDue: ...


@event("shipping.refused")
class Refused: ...


@command("order.confirm")
class Confirm: ...


@command("order.ship")
class Ship: ...


@command("order.cancel")
class CancelIt: ...


@command("survey.send")
class Survey: ...


Noticed: TypeAlias = Placed | Paid | Shipped | Overdue
Seen: TypeAlias = Literal["new", "placed", "paid", "cancelled"]
NEXT: dict[type[Any], dict[Seen, Seen]] = {
    Placed: {"new": "placed"},
    Paid: {"placed": "paid"},
    Overdue: {"placed": "cancelled"},
}


def evolve(seen: Seen, event: object) -> Seen:
    return NEXT.get(type(event), {}).get(seen, seen)


def new() -> Seen:
    return "new"


def to(command: object) -> Send:
    return Send("order", "1", command)


def order(react: Callable[[Recorded[Any], Seen], Iterable[Effect]], *more: type[Any]) -> Process[Any, Seen]:
    classes: tuple[type[Any], ...] = (Placed, Paid, Shipped, Overdue, *more)
    return Process("order", new, react, evolve, events=classes, starts_on=(Placed,))


def sound(e: Recorded[Any], seen: Seen) -> Iterator[Effect]:
    match e.data, seen:
        case Placed(), "new":
            yield after(DAY, Overdue())
        case Paid(), "placed":
            yield cancel(Overdue)
            yield to(Confirm())
        case Overdue(), "placed":
            yield to(CancelIt())
            yield finish()
        case Shipped(), "paid":
            yield finish()
        case _:
            pass


def faults(process: Process[Any, Any], **options: Any) -> ProcessFaults:
    with pytest.raises(ProcessFaults) as found:
        check_process(process, **options)
    return found.value


def the_one(process: Process[Any, Any], **options: Any) -> Finding:
    (finding,) = faults(process, **options).findings
    return finding


def run(finding: Finding) -> list[str]:
    return [f"{type(one.event).__name__} {one.how}" for one in finding.run]


def test_a_sound_process_passes_and_it_is_said_what_was_looked_into() -> None:
    checked = check_process(order(sound))
    assert (checked.events, checked.depth, checked.is_whole) == ((Placed(), Paid(), Shipped()), 6, True)
    assert checked.states == 5  # nothing yet, placed, paid, cancelled and ended, shipped and ended


# Planted faults, and what is sound beside each ---------------------------------


def late_survey(e: Recorded[Any], seen: Seen) -> Iterator[Effect]:
    if isinstance(e.data, SurveyDue):
        yield to(Survey())
    yield from sound(e, seen)
    if isinstance(e.data, Shipped) and seen == "paid":
        yield after(DAY, SurveyDue())


def survey_first(e: Recorded[Any], seen: Seen) -> Iterator[Effect]:
    match e.data, seen:
        case Shipped(), "paid":
            yield after(DAY, SurveyDue())
        case SurveyDue(), _:
            yield to(Survey())
            yield finish()
        case _:
            yield from sound(e, seen)


def test_a_timeout_after_the_end_is_found() -> None:
    found = faults(order(late_survey, SurveyDue))
    assert [(each.kind, each.about, run(each)) for each in found.findings] == [
        ("after the end", "SurveyDue", ["Placed event", "Paid event", "Shipped event"]),
        ("unhandled", "SurveyDue", []),
    ]
    assert "react yields after(1 day, 0:00:00, SurveyDue()) after finish()" in str(found)


def test_a_timeout_after_the_end_is_found_even_if_the_end_is_written_below_it() -> None:
    def react(e: Recorded[Any], seen: Seen) -> Iterator[Effect]:
        effects = [*late_survey(e, seen)]
        return reversed(effects) if isinstance(e.data, Shipped) else iter(effects)

    found = faults(order(react, SurveyDue))
    assert [(each.kind, each.about) for each in found.findings] == [
        ("never comes back", "SurveyDue"),
        ("unhandled", "SurveyDue"),
    ]


def shipped_once(seen: Seen, event: object) -> Seen:
    return "cancelled" if isinstance(event, Shipped) and seen == "paid" else evolve(seen, event)


def test_a_timeout_before_the_end_is_sound() -> None:
    check_process(replace(order(survey_first, SurveyDue), evolve=shipped_once))


def test_a_timer_that_is_set_twice_by_a_repeat_is_found_where_it_sends_twice() -> None:
    def react(e: Recorded[Any], seen: Seen) -> Iterator[Effect]:
        if isinstance(e.data, SurveyDue):
            yield to(Survey())
        elif isinstance(e.data, Placed):
            yield after(DAY, SurveyDue())
        if isinstance(e.data, Shipped):
            yield finish()

    found = the_one(Process("survey", new, react, evolve, events=(Placed, Shipped, SurveyDue), starts_on=(Placed,)))
    assert (found.kind, run(found)) == (
        "double send",
        ["Placed event", "Placed event", "SurveyDue timeout", "SurveyDue timeout"],
    )


def forgetful(e: Recorded[Any], seen: Seen) -> Iterator[Effect]:
    if isinstance(e.data, Paid) and seen != "cancelled":
        yield cancel(Overdue)
        yield to(Confirm())
    else:
        yield from sound(e, seen)


def test_a_double_send_upon_a_repeat_is_found() -> None:
    found = the_one(order(forgetful))
    assert (found.kind, found.about, run(found)) == (
        "double send",
        "Confirm upon Paid",
        ["Placed event", "Paid event", "Paid repeat"],
    )
    assert [one.effects for one in found.run] == [
        (after(DAY, Overdue()),),
        (cancel(Overdue), to(Confirm())),
        (cancel(Overdue), to(Confirm())),
    ]


def test_what_is_idempotent_or_recurs_may_be_sent_twice() -> None:
    check_process(order(forgetful), idempotent=[Confirm])
    check_process(order(forgetful), recurring=[Paid])


def test_a_command_that_differs_by_its_event_is_not_sent_twice() -> None:
    def react(e: Recorded[Any], seen: Seen) -> Iterator[Effect]:
        for effect in forgetful(e, seen):
            yield Send("order", str(e.id), Confirm()) if effect == to(Confirm()) else effect

    check_process(order(react))


@event("order.asked")
class Asked: ...


def racing(e: Recorded[Any], seen: Seen) -> Iterator[Effect]:
    """The customer may cancel, and so does the timer: but the timer is not cancelled then."""
    match e.data, seen:
        case Placed(), "new":
            yield after(DAY, Overdue())
        case Asked(), "placed":
            yield to(CancelIt())
        case Overdue(), _:
            yield to(CancelIt())
        case Shipped(), _:
            yield cancel(Overdue)
            yield finish()
        case _:
            pass


def after_asking(seen: Seen, event: object) -> Seen:
    return "cancelled" if isinstance(event, Asked) and seen == "placed" else evolve(seen, event)


def test_a_double_send_in_a_race_with_a_timeout_is_found() -> None:
    process = Process("race", new, racing, after_asking, events=(Placed, Asked, Shipped, Overdue), starts_on=(Placed,))
    found = the_one(process)
    assert (found.kind, run(found)) == ("double send", ["Placed event", "Asked event", "Overdue timeout"])

    def react(e: Recorded[Any], seen: Seen) -> Iterator[Effect]:
        if isinstance(e.data, Asked) and seen == "placed":
            yield cancel(Overdue)
        yield from racing(e, seen)

    check_process(replace(process, react=react))


def test_the_other_order_of_the_race_is_found_too() -> None:
    def react(e: Recorded[Any], seen: Seen) -> Iterator[Effect]:
        if isinstance(e.data, Asked):
            yield cancel(Overdue)
            yield to(CancelIt())
        else:
            yield from racing(e, seen)

    process = Process("race", new, react, after_asking, events=(Placed, Asked, Shipped, Overdue), starts_on=(Placed,))
    found = the_one(process, recurring=[Asked])
    assert (found.kind, run(found)) == ("double send", ["Placed event", "Overdue timeout", "Asked event"])


def no_cancel(e: Recorded[Any], seen: Seen) -> Iterator[Effect]:
    match e.data:
        case Overdue():
            yield to(CancelIt())
            yield finish()
        case _:
            yield from (effect for effect in sound(e, seen) if effect != cancel(Overdue))


def test_a_timer_that_nobody_cancels_is_found() -> None:
    found = the_one(order(no_cancel))
    assert (found.kind, found.about, run(found)) == (
        "timer left set",
        "CancelIt upon Overdue",
        ["Placed event", "Paid event", "Shipped event"],
    )


def test_a_timer_may_be_left_set_if_its_timeout_would_do_nothing() -> None:
    def react(e: Recorded[Any], seen: Seen) -> Iterator[Effect]:
        return (effect for effect in sound(e, seen) if effect != cancel(Overdue))

    check_process(order(react))


def test_an_end_upon_what_the_timer_waited_for_needs_no_cancel() -> None:
    def react(e: Recorded[Any], seen: Seen) -> Iterator[Effect]:
        match e.data:
            case Placed() if seen == "new":
                yield after(DAY, Overdue())
            case Paid():
                yield to(Confirm())
                yield finish()
            case Overdue():
                yield to(CancelIt())
                yield finish()
            case _:
                pass

    check_process(Process("order", new, react, evolve, events=(Placed, Paid, Overdue), starts_on=(Placed,)))


def endless(e: Recorded[Any], seen: Seen) -> Iterator[Effect]:
    return (effect for effect in sound(e, seen) if effect != finish())


def test_a_process_that_cannot_end_is_found_unless_it_is_meant_so() -> None:
    found = faults(order(endless)).findings
    assert [(each.kind, run(each)) for each in found] == [
        ("never ends", []),
        ("unhandled", ["Placed event", "Shipped event"]),  # it would have led to the end
    ]
    check_process(replace(order(endless), events=(Placed, Paid, Overdue)), ends=False)


def stuck(e: Recorded[Any], seen: Seen) -> Iterator[Effect]:
    effects = sound(e, seen)
    return (effect for effect in effects if effect != finish()) if isinstance(e.data, Overdue) else effects


def test_an_instance_for_which_nothing_can_change_any_more_is_found() -> None:
    found = the_one(order(stuck))
    assert (found.kind, run(found)) == ("dead end", ["Placed event", "Overdue timeout"])


def restless(e: Recorded[Any], seen: Seen) -> Iterator[Effect]:
    yield from stuck(e, seen)
    if seen == "cancelled" and isinstance(e.data, Shipped):
        yield after(DAY, Overdue())


def test_an_instance_that_goes_on_without_a_way_out_is_found() -> None:
    found = the_one(order(restless))
    assert (found.kind, run(found)) == ("no way out", ["Placed event", "Overdue timeout"])
    assert found.what == "it can come to no end, whatever comes."


@dataclass(frozen=True)
class Log:
    """A state that is another one with each event."""

    seen: Seen = "new"
    events: tuple[object, ...] = ()


def test_an_instance_without_a_way_out_is_found_even_if_there_is_no_end_of_states() -> None:
    def react(e: Recorded[Any], log: Log) -> Iterator[Effect]:
        return stuck(e, log.seen)

    def logged(log: Log, event: object) -> Log:
        return Log(evolve(log.seen, event), (*log.events, event))

    process = Process(
        "order", Log, react, logged, events=(Placed, Paid, Shipped, Overdue), starts_on=(Placed,)
    )  # as `stuck`, but it remembers all
    found = the_one(process)
    assert (found.kind, run(found)) == ("no way out", ["Placed event", "Overdue timeout"])
    assert "in any of the next 4 inputs" in found.what
    check_process(replace(process, react=lambda e, log: sound(e, log.seen)))


def compensating(e: Recorded[Any], seen: Seen) -> Iterator[Effect]:
    if isinstance(e.data, Paid) and seen == "placed":
        yield cancel(Overdue)
        yield to(Ship()).otherwise(Refused())
    elif isinstance(e.data, Refused) and seen == "paid":
        yield to(CancelIt())
        yield finish()
    else:
        yield from sound(e, seen)


def test_a_compensation_that_runs_is_sound() -> None:
    check_process(order(compensating, Refused), must_send=(CancelIt, Ship))


def test_a_compensation_that_nothing_reacts_to_is_found() -> None:
    def react(e: Recorded[Any], seen: Seen) -> Iterator[Effect]:
        return iter(()) if isinstance(e.data, Refused) else compensating(e, seen)

    found = the_one(order(react, Refused))
    assert (found.kind, found.about, run(found)) == (
        "unhandled",
        "Refused",
        ["Placed event", "Paid event", "Refused refusal"],
    )
    assert "event of .otherwise(...) Refused leads to nothing" in found.what


def test_a_compensation_that_cannot_be_read_is_found() -> None:
    found = the_one(order(compensating))
    assert (found.kind, found.about) == ("unhandled", "Refused")
    assert "react is not annotated with it" in found.what


def test_a_compensation_of_what_is_sent_with_the_end_is_found() -> None:
    def react(e: Recorded[Any], seen: Seen) -> Iterator[Effect]:
        yield from compensating(e, seen)
        if isinstance(e.data, Paid) and seen == "placed":
            yield finish()

    kinds = {(each.kind, each.about) for each in faults(order(react, Refused)).findings}
    assert ("never comes back", "Ship") in kinds


def test_a_command_that_no_run_sends_is_found() -> None:
    def react(e: Recorded[Any], seen: Seen) -> Iterator[Effect]:
        if isinstance(e.data, Refused) and seen == "cancelled":  # the wrong state: it comes when it is paid
            yield to(Survey())
        yield from compensating(e, seen)

    found = the_one(order(react, Refused), must_send=(CancelIt, Survey))
    assert (found.kind, found.about) == ("never sent", "Survey")


def test_an_event_that_never_matters_is_found() -> None:
    found = the_one(order(sound, SurveyDue))
    assert (found.kind, found.about, run(found)) == ("unhandled", "SurveyDue", ["Placed event", "SurveyDue event"])


def test_a_call_is_asked_as_a_command_is() -> None:
    charge = Call("card.charge", Confirm())

    def react(e: Recorded[Any], seen: Seen) -> Iterator[Effect]:
        for effect in compensating(e, seen):
            yield charge.otherwise(Refused()) if isinstance(effect, Send) and effect.fallback else effect

    check_process(order(react, Refused), must_send=[Confirm])


def test_what_was_refused_may_be_asked_again() -> None:
    def react(e: Recorded[Any], seen: Seen) -> Iterator[Effect]:
        if isinstance(e.data, Refused):
            yield to(Ship()).otherwise(Refused())
        else:
            yield from compensating(e, seen)

    check_process(order(react, Refused))


def surveyed(seen: Seen, event: object) -> Seen:
    return "paid" if isinstance(event, SurveyDue) else evolve(seen, event)


def two_timers(e: Recorded[Any], seen: Seen) -> Iterator[Effect]:
    match e.data, seen:
        case Placed(), "new":
            yield after(2 * DAY, Overdue())
            yield after(DAY, SurveyDue())
        case SurveyDue(), _:
            yield to(Survey())
        case Overdue(), "paid":
            yield finish()
        case Overdue(), _:
            raise AssertionError("it comes too early")
        case _:
            pass


def test_timers_come_in_the_order_in_which_they_are_certainly_due() -> None:
    process = Process("order", new, two_timers, surveyed, events=(Placed, Overdue, SurveyDue), starts_on=(Placed,))
    check_process(process)

    def moments(e: Recorded[Any], seen: Seen) -> Iterator[Effect]:
        start = datetime(2026, 1, 1, tzinfo=UTC)
        return (at(start + one.delay, one.timeout) if isinstance(one, After) else one for one in two_timers(e, seen))

    check_process(replace(process, react=moments))

    def apart(e: Recorded[Any], seen: Seen) -> Iterator[Effect]:
        start = datetime(2026, 1, 1, tzinfo=UTC)
        return (at(start, Overdue()) if one == after(2 * DAY, Overdue()) else one for one in two_timers(e, seen))

    found = the_one(replace(process, react=apart))  # which of a delay and a moment is over first, nobody knows
    assert (found.kind, run(found)) == ("raises", ["Placed event", "Overdue timeout"])


def test_a_timer_is_not_left_set_while_it_is_certainly_not_due() -> None:
    def react(e: Recorded[Any], seen: Seen) -> Iterator[Effect]:
        match e.data, seen:
            case Placed(), "new":
                yield after(2 * DAY, Overdue())
                yield after(DAY, SurveyDue())
            case Paid(), "placed":
                yield to(Confirm())
            case Shipped(), _:
                yield finish()
            case SurveyDue(), "placed":
                yield finish()
            case SurveyDue(), _:
                yield cancel(Overdue)
            case Overdue(), _:
                yield to(CancelIt())
            case _:
                pass

    found = the_one(order(react, SurveyDue))
    assert (found.kind, found.about) == ("unhandled", "Overdue")  # it is always cancelled, or the end comes first


def test_what_cannot_come_is_left_out() -> None:
    """Nothing is shipped before it is paid."""

    def react(e: Recorded[Any], seen: Seen) -> Iterator[Effect]:
        if isinstance(e.data, Shipped):
            yield finish() if seen == "paid" else fail("not paid")
        else:
            yield from sound(e, seen)

    def possible(event: object, seen: frozenset[type[Any]]) -> bool:
        return Confirm in seen if isinstance(event, Shipped) else True

    failing = check_process(order(react))
    checked = check_process(order(react), possible=possible)
    assert (checked.events, checked.is_whole) == (failing.events, True)


# Functions that are none --------------------------------------------------------


def test_what_raises_in_a_state_that_can_be_is_found() -> None:
    def react(e: Recorded[Any], seen: Seen) -> Iterator[Effect]:
        if isinstance(e.data, Shipped) and seen == "placed":
            raise LookupError("no payment")
        yield from sound(e, seen)

    found = the_one(order(react))
    assert (found.kind, found.what, run(found)) == (
        "raises",
        "react raises LookupError: no payment.",
        ["Placed event", "Shipped event"],
    )


def test_an_evolve_that_raises_is_found() -> None:
    def raising(seen: Seen, event: object) -> Seen:
        return {Placed: {"new": "placed"}, Paid: {"placed": "paid"}}[type(event)][seen]  # type: ignore[return-value]

    found = faults(replace(order(sound), evolve=raising)).findings
    assert ("raises", "evolve raises KeyError: 'placed'.") in [(each.kind, each.what) for each in found]


def test_a_react_that_keeps_something_is_found() -> None:
    numbers = iter(range(10**6))

    def react(e: Recorded[Any], seen: Seen) -> Iterator[Effect]:
        for effect in sound(e, seen):
            yield Send("order", str(next(numbers)), Confirm()) if effect == to(Confirm()) else effect

    assert faults(order(react)).findings[0].kind == "impure"


@dataclass
class Loose:
    events: list[object] = field(default_factory=list[object])


def test_an_evolve_that_changes_its_state_is_found() -> None:
    def changing(state: Loose, event: object) -> Loose:
        state.events[:] = [event]
        return state

    def react(e: Recorded[Any], state: Loose) -> Iterator[Effect]:
        if isinstance(e.data, Shipped):
            yield finish()

    process = Process("loose", Loose, react, changing, events=(Placed, Shipped))
    found = faults(process, ends=False).findings
    assert {each.kind for each in found} == {"impure"}
    assert "react or evolve changes what it is given" in found[0].what
    check_process(replace(process, evolve=lambda state, event: Loose([event])))


def test_what_is_no_effect_is_found() -> None:
    def react(e: Recorded[Any], seen: Seen) -> Iterator[Any]:
        yield from sound(e, seen)
        if isinstance(e.data, Paid):
            yield Confirm()

    assert "no effect" in [each.kind for each in faults(order(react)).findings]


def test_states_that_cannot_be_compared_are_refused() -> None:
    with pytest.raises(UsageError, match="of a class that can be compared"):
        check_process(replace(order(sound), initial=object))  # type: ignore[arg-type]


# Events -------------------------------------------------------------------------


class Colour(Enum):
    RED = 1
    BLUE = 2


@dataclass(frozen=True)
class Part:
    sku: str
    colour: Colour | None


@event("many.kinds")
class Kinds:
    parts: tuple[Part, ...]
    price: Decimal
    sizes: dict[str, list[int]]
    way: Literal["air", "sea"]
    at: datetime
    is_gift: bool = False


def ends_at_once(e: Recorded[Any], seen: Seen) -> Iterator[Effect]:
    yield finish()


def test_events_are_made_of_one_value_of_each_field_and_of_each_other_one() -> None:
    process = Process("kinds", new, ends_at_once, evolve, events=(Kinds,))
    first = Kinds(
        (Part("1", Colour.RED),), Decimal(1), {"1": [1]}, "air", datetime(2026, 1, 1, tzinfo=UTC), is_gift=False
    )
    assert check_process(process).events == (
        first,
        replace(first, parts=()),
        replace(first, price=Decimal(2)),
        replace(first, sizes={}),
        replace(first, way="sea"),
        replace(first, is_gift=True),
    )


@event("many.closed")
class Odd:
    what: complex


@event("many.keyed")
class Keyed:
    order: int


def test_given_events_stand_for_their_class_and_the_key_is_theirs() -> None:
    process = Process("kinds", new, ends_at_once, evolve, events=(Odd, Placed))
    assert check_process(process, events=in_stream("odd-7", Odd(1j))).events == (Odd(1j), Placed())
    keyed: Process[Any, Seen] = Process(
        "keyed",
        new,
        ends_at_once,
        evolve,
        events=(Keyed, Placed),
        key=lambda e: str(getattr(e.data, "order", e.stream.id)),
    )
    assert check_process(keyed, events=[Keyed(7)]).events == (Keyed(7), Placed())


@event("many.named")
class Named:
    order: str


@event("many.due")
class KeyedDue:
    order: str


def test_what_only_comes_back_has_no_key() -> None:
    def react(recorded: Recorded[Named | KeyedDue], state: Seen) -> Iterator[Effect]:
        match recorded.data:
            case Named(order):
                yield after(DAY, KeyedDue(order))
            case KeyedDue():
                yield finish()

    process: Process[Any, Seen] = Process(
        "keyed", new, react, evolve, events=(Named, KeyedDue), starts_on=(Named,),
        key=lambda e: f"{e.stream.id}/{e.data.order}",
    )  # fmt: skip
    assert check_process(process, events=[Named("1")], recurring=[Named]).events == (Named("1"),)
    with pytest.raises(
        UsageError, match=r"one instance, '1/1', but KeyedDue\(order='2'\) belongs to '1/2': give events"
    ):
        check_process(process, events=[Named("1"), KeyedDue("2")])


def test_a_key_that_is_no_id_is_told() -> None:
    keyed: Process[Any, Seen] = Process("keyed", new, ends_at_once, evolve, events=(Keyed,), key=lambda e: e.data.order)
    told = (
        r"key of process 'keyed' gave 7 for 'many.keyed' at position 1: let it give text. Give events of one instance"
    )
    with pytest.raises(UsageError, match=told):
        check_process(keyed, events=[Keyed(7)])


def test_a_version_to_which_instances_move_is_checked_as_any() -> None:
    first = order(sound)
    moving = replace(first, version=2, earlier=(first,), migrate={1: lambda seen: seen})
    assert check_process(moving) == check_process(first)


def test_what_is_no_process_is_told() -> None:
    saga: Any = Saga("paying", Placed)
    with pytest.raises(
        UsageError, match=r"check_process takes a Process, not Saga\(.*: a saga is tested by spec\(saga\)"
    ):
        check_process(saga)


def comes_back(e: Recorded[Any], seen: Seen) -> Iterator[Effect]:
    yield after(DAY, SurveyDue())


def test_it_is_said_when_events_have_to_be_given() -> None:
    process = Process("kinds", new, ends_at_once, evolve, events=(Odd, Placed))
    with pytest.raises(UsageError, match=r"no Odd can be made up: .*'what'.* Give one, as in .*events=\[...\]"):
        check_process(process)
    keyed: Process[Any, Seen] = Process(
        "keyed", new, ends_at_once, evolve, events=(Keyed,), key=lambda e: str(e.data.order)
    )
    with pytest.raises(UsageError, match=r"one instance, '1', but Keyed\(order=2\) belongs to '2': give events"):
        check_process(keyed)
    again = Process("again", new, comes_back, evolve, events=(SurveyDue,), starts_on=(SurveyDue,))
    with pytest.raises(UsageError, match="no event begins an instance"):
        check_process(again)
    with pytest.raises(UsageError, match="depth=0"):
        check_process(order(sound), depth=0)


# The report, the examples, the time ---------------------------------------------


def test_the_report_shows_each_run() -> None:
    assert str(faults(order(forgetful))) == (
        "process 'order' has 1 fault (5 states, runs of up to 6 inputs)\n"
        "  1. double send: send Confirm() to order-1 twice: Paid comes twice.\n"
        "     1. Placed() -> after(1 day, 0:00:00, Overdue())\n"
        "     2. Paid() -> cancel(Overdue), send Confirm() to order-1\n"
        "     3. Paid() again -> cancel(Overdue), send Confirm() to order-1"
    )


def test_the_process_of_the_front_page_is_sound_for_one_that_never_ends() -> None:
    assert check_process(abandonment, ends=False).is_whole


def shop(event: object, seen: frozenset[type[Any]]) -> bool:
    """What the deciders of the shop let happen."""
    match event:
        case OrderPlaced():
            return OrderPlaced not in seen
        case OrderShipped():
            return ConfirmPayment in seen and OrderCancelled not in seen
        case OrderCancelled():
            return OrderPlaced in seen and ConfirmPayment not in seen and OrderCancelled not in seen
        case PaymentReceived():
            return RequestPayment in seen and PaymentReceived not in seen
        case _:
            return OrderPlaced in seen


def test_the_process_of_the_shop_is_sound() -> None:
    harmless = [CancelOrder, ConfirmPayment, RefundPayment, ReleaseStock, ReserveStock, PickStock]
    assert check_process(replace(fulfilment, starts_on=(OrderPlaced,)), possible=shop, idempotent=harmless).states > 10


def test_each_input_is_tried_once_in_each_state() -> None:
    calls = list[object]()

    def react(e: Recorded[Any], seen: Seen) -> Iterator[Effect]:
        calls.append((e.data, e.id, seen))
        return sound(e, seen)

    check_process(order(react), depth=10)
    assert max(Counter(calls).values()) <= 2 * 2  # twice, to compare; and before it is known that Overdue is a timeout
    assert len(calls) < 100


def test_where_states_have_no_end_the_check_has_one() -> None:
    def logged(log: Log, event: object) -> Log:
        return Log(evolve(log.seen, event), (*log.events, event))

    process = Process("order", Log, lambda e, log: sound(e, log.seen), logged, events=(Placed, Paid, Shipped, Overdue))
    checked = check_process(replace(process, starts_on=(Placed,)), depth=20)
    assert (checked.is_whole, checked.states < 2 * MOST) == (False, True)
