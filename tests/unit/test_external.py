"""Effects as values: how often they are tried, what is asked of them, and what can never work."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from refold import InvalidName, UsageError, command, effect, event
from refold.external import Breaker, Call, EffectHandler, Retry

SECOND = timedelta(seconds=1)


@command("card.charge")
class Charge:
    cents: int


@event("card.charged")
class Charged:
    cents: int
    key: str


def charge(request: Charge, key: str) -> Charged:
    return Charged(request.cents, key)


def test_the_wait_doubles_up_to_the_longest_and_ends_with_the_attempts() -> None:
    retry = Retry(attempts=6, first=2 * SECOND, longest=9 * SECOND)
    assert [retry.wait(n) for n in range(1, 7)] == [2 * SECOND, 4 * SECOND, 8 * SECOND, 9 * SECOND, 9 * SECOND, None]
    assert Retry(attempts=200, longest=timedelta(days=36_500)).wait(100) == timedelta(days=36_500)
    assert [Retry(attempts=1).wait(n) for n in (1, 2)] == [None, None]


def test_however_long_the_first_wait_and_however_many_attempts_no_wait_is_longer_than_the_longest() -> None:
    day, never = timedelta(days=1), timedelta.max
    assert [Retry(100, day, 5 * day).wait(n) for n in (3, 4, 33, 34, 99)] == [4 * day, *[5 * day] * 4]
    assert [Retry(1 << 70, day, never).wait(n) for n in (30, 31, 1 << 69)] == [day * (1 << 29), never, never]
    assert Retry(100, timedelta.resolution, never).wait(60) == timedelta.resolution * (1 << 59)


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (lambda: Retry(attempts=0), "Retry(attempts=0) never tries: the first attempt counts, too."),
        (
            lambda: Retry(first=timedelta()),
            "Retry waits 0:00:00 first and 0:01:00 at most: neither 0 nor the other way round.",
        ),
        (
            lambda: Retry(first=2 * SECOND, longest=SECOND),
            "Retry waits 0:00:02 first and 0:00:01 at most: neither 0 nor the other way round.",
        ),
        (lambda: effect("card.charge", timeout=timedelta()), "effect 'card.charge' has a timeout of 0:00:00: give it some time."),
    ],
    ids=["no attempt", "no wait", "first longer than longest", "no time"],
)  # fmt: skip
def test_what_never_tries_is_refused(made: Callable[[], object], told: str) -> None:
    with pytest.raises(UsageError) as refused:
        made()
    assert str(refused.value) == told


def test_the_first_wait_may_be_the_longest() -> None:
    assert Retry(first=SECOND, longest=SECOND).wait(1) == SECOND


def test_an_effect_is_a_function_under_a_name_with_how_hard_it_is_tried() -> None:
    retry, breaker = Retry(attempts=8), Breaker(2, SECOND)
    handler = effect("card.charge", retry=retry, timeout=SECOND, breaker=breaker)(charge)
    assert handler == EffectHandler("card.charge", charge, retry, SECOND, breaker)
    assert handler(Charge(5), "k") == Charged(5, "k")
    assert handler.request_types == (Charge,)
    plain = effect("card.charge")(charge)
    assert (plain.retry, plain.timeout, plain.breaker) == (
        Retry(5, SECOND, 60 * SECOND),
        30 * SECOND,
        Breaker(5, 30 * SECOND),
    )


def test_a_request_may_have_an_event_that_comes_back_if_every_attempt_fails() -> None:
    call = effect("card.charge")(charge).send(Charge(5))
    assert (call, call.otherwise("failed")) == (
        Call("card.charge", Charge(5)),
        Call("card.charge", Charge(5), "failed"),
    )


def test_what_an_effect_is_asked_is_a_command() -> None:
    def on_an_event(request: Charged, key: str) -> None: ...

    with pytest.raises(UsageError, match=r"Charged.* is no command"):
        _ = effect("card.charge")(on_an_event).request_types
    with pytest.raises(UsageError, match=r"as in @effect\('card.charge'\) on a function with annotations"):
        _ = effect("card.charge")(lambda request, key: None).request_types


def test_an_effect_has_a_name() -> None:
    with pytest.raises(InvalidName) as refused:
        effect("")
    assert (refused.value.kind, refused.value.name) == ("effect name", "")
