"""Where colours meet: a coroutine run as a plain call, and what is said of one that suspends."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from refold import errors
from refold._bridge.stepping import run_sync
from refold.errors import IdReused, InvalidName, TooLarge, shortened


async def plus_one(number: int) -> int:
    return number + 1


async def nested(number: int) -> int:
    return await plus_one(await plus_one(number))


async def failing() -> None:
    raise KeyError(7)


def test_a_coroutine_that_never_suspends_is_a_plain_call() -> None:
    assert run_sync(nested(1)) == 3
    with pytest.raises(KeyError):
        run_sync(failing())


def test_one_that_suspends_is_refused_with_a_sentence_and_closed() -> None:
    closed: list[bool] = []

    async def suspending() -> None:
        try:
            await asyncio.sleep(0)
        finally:
            closed.append(True)

    with pytest.raises(RuntimeError, match="must not await real I/O"):
        run_sync(suspending())
    assert closed == [True]


def test_the_tree_on_top_of_the_errors_is_the_tree_of_the_classes() -> None:
    assert errors.__doc__ is not None
    drawn = {line.split("── ")[1].split()[0] for line in errors.__doc__.splitlines() if "── " in line} | {
        "RefoldError",
        "Unsupported",
    }
    defined = {name for name, thing in vars(errors).items() if isinstance(thing, type) and issubclass(thing, Exception)}
    assert drawn == defined


def test_every_error_of_ours_is_caught_as_ours() -> None:
    for thing in vars(errors).values():
        if isinstance(thing, type) and issubclass(thing, Exception):
            assert issubclass(thing, errors.RefoldError)


class Unshowable:
    def __repr__(self) -> str:
        raise ZeroDivisionError


@pytest.mark.parametrize(
    "value", [Unshowable(), 10**5_000, "x" * 10**6], ids=["unshowable", "long-integer", "long-text"]
)
def test_any_value_fits_into_a_sentence(value: Any) -> None:
    assert len(shortened(value)) < 120


def test_errors_say_what_happened_with_the_values_and_what_to_do() -> None:
    assert str(TooLarge("one append, in events,", 1_001, 1_000, "batch_events")) == (
        "one append, in events, has 1,001, the limit is 1,000: split it, or open the store with limits=Limits(batch_events=...)."
    )
    assert str(InvalidName("stream name", "x", "it is empty")) == "'x' is not a stream name: it is empty."
    assert "and 2 more is already in the store" in str(IdReused([1, 2, 3]))
