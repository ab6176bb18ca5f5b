"""The machine's clock: whole microseconds, and ids that rise although it stands still or is set back."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from refold.clock import SystemClock


def at(nanoseconds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("refold.clock.time", SimpleNamespace(time_ns=lambda: nanoseconds))


def moment_of(id: bytes) -> int:
    """In 4096ths of a millisecond, as the id tells it."""
    return int.from_bytes(id[:6], "big") << 12 | int.from_bytes(id[6:8], "big") & 0xFFF


def test_now_is_in_whole_microseconds_that_have_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    at(1_999_999_999, monkeypatch)
    assert repr(SystemClock().now()) == "1999999"


def test_ids_go_on_in_the_smallest_steps_while_the_machine_stands_still_or_is_set_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, moments = SystemClock(), list[int]()
    for milliseconds in (5, 5, 5, 3, 4, 6):
        at(milliseconds * 1_000_000, monkeypatch)
        moments.append(moment_of(clock.new_id()))
    first = 5 << 12
    assert moments == [first, first + 1, first + 2, first + 3, first + 4, 6 << 12]
