"""Saved states: which is nearest, what is passed over, and what is saved at all, beside the events and apart from them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace
from tests.flows.counting import runtime

from refold import Fold, Snapshots, StoreBusy, UsageError
from refold._bridge.stepping import run_sync
from refold.backends.memory import MemoryBackend
from refold.clock import SystemClock
from refold.flows.append import append
from refold.flows.shortcuts import Saving, Standing
from refold.flows.snapshots import checksum_of, nearest, opened, save, try_to_save
from refold.flows.snapshotting import check_snapshots
from refold.messages import Context
from refold.opening import open_blocking
from refold.ports import Backend, Own
from refold.query import ANY
from refold.testing.contract.sample import Deposited, accounts

CLOCK = SystemClock()
FIRST, SECOND = Standing(10, 1, 3, 0), Standing(15, 2, 4, 0)
"""The account's states: two events of another stream stand before it, so that versions are no positions."""


@pytest.fixture(params=["beside the events", "apart from the events"])
def backend(request: pytest.FixtureRequest) -> Iterator[Any]:
    found: Any = open_blocking("sqlite:///:memory:")
    if request.param == "apart from the events":  # as far as the flows know: what they ask is answered all the same
        found.capabilities = replace(found.capabilities, together=False)
    for stream, amount in (("account-2", 1), ("account-2", 1), ("account-1", 10), ("account-1", 5), ("account-1", 1)):
        run_sync(
            append(
                found, runtime(), stream, [Deposited(amount)], expected=ANY, condition=None, context=Context()
            )
        )  # fmt: skip
    yield found
    run_sync(found.close())


@pytest.fixture
def saving() -> Saving:
    return Saving(accounts, Snapshots(every=1))


def saved(backend: Backend, saving: Saving, *standings: Standing[int]) -> None:
    for standing in standings:
        run_sync(save(backend, CLOCK, saving, "account-1", standing))


def near(backend: Backend, saving: Saving, until: int | None = None) -> Standing[int] | None:
    return run_sync(nearest(backend, saving, "account-1", until))


def checked(backend: Backend) -> list[tuple[int, str]]:
    found = run_sync(check_snapshots(backend, runtime(), accounts, "1"))
    return [(check.version, check.verdict) for check in found]


def touched(backend: Backend, what: str) -> None:
    """What only a hand or a disk does."""
    run_sync(backend.work([Own(f"update {{refold}}snapshots set {what} where version = 2", {})]))  # noqa: S608 - constants


def test_the_nearest_is_the_newest_that_does_not_lie_beyond(backend: Backend, saving: Saving) -> None:
    assert near(backend, saving) is None
    saved(backend, saving, FIRST, SECOND)
    found = [near(backend, saving, until) for until in (0, 1, 2, 3, None)]
    first, second = replace(FIRST, began=1), replace(SECOND, began=2)
    assert found == [None, first, second, second, second]
    assert checked(backend) == [(1, "sound"), (2, "sound")]


@pytest.mark.parametrize(
    ("touch", "verdict"),
    [
        ("last_id = x'00'", "foreign"),
        ("position = 5", "foreign"),
        ("state = x'3136'", "damaged"),
        ("checksum = x'00'", "damaged"),
    ],
)
def test_one_that_cannot_be_trusted_is_passed_over_for_the_one_before(
    backend: Backend, saving: Saving, touch: str, verdict: str
) -> None:
    saved(backend, saving, FIRST, SECOND)
    touched(backend, touch)
    assert near(backend, saving) == replace(FIRST, began=1)
    assert checked(backend) == [(1, "sound"), (2, verdict)]


@pytest.mark.parametrize(
    "standing",
    [Standing(15, 2, 5, 0), Standing(15, 9, 4, 0), Standing(15, 9, 9, 0)],
    ids=["another position", "another version", "nothing there"],
)
def test_a_state_of_what_does_not_stand_in_the_stream_is_not_saved(
    backend: Backend, saving: Saving, standing: Standing[int]
) -> None:
    saved(backend, saving, standing)
    assert (near(backend, saving), checked(backend)) == (None, [])


def test_a_checksum_covers_the_place_and_is_the_same_for_ever(saving: Saving) -> None:
    place = ("fingerprint", "account-1", 2, 4, b"15")
    assert checksum_of(*place).hex() == "c4412b04384fb10fac96cf17dcd710f9"
    others = (("f", *place[1:]), ("fingerprint", "account-2", 2, 4, b"15"), ("fingerprint", "account-1", 3, 4, b"15"))
    assert len({checksum_of(*each) for each in (place, *others, ("fingerprint", "account-1", 2, 5, b"15"))}) == 5
    with pytest.raises(UsageError, match=r"^it is damaged: its checksum is another one\.$"):
        opened(saving, "account-1", (2, 4, b"15", b""))


def test_whether_a_state_was_saved_is_told_and_one_that_cannot_be_is_not_tried_again_soon(
    backend: Any, saving: Saving, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tried(saving: Saving, standing: Standing[Any], to: Backend = backend) -> tuple[bool, bool]:
        done = run_sync(try_to_save(to, CLOCK, saving, "account-1", standing))
        return done, not saving.is_due("account-1", replace(SECOND, version=3), 0)

    fleeting: Fold[Any, Any] = Fold("account", lambda: 0, accounts.evolve)
    assert tried(saving, SECOND) == (True, False)
    assert tried(saving, SECOND, MemoryBackend()) == (False, False)
    assert tried(Saving(fleeting, Snapshots(every=1)), replace(SECOND, state={1, 2})) == (False, True)

    async def busy(_: object) -> Any:
        raise StoreBusy("busy")

    monkeypatch.setattr(backend, "work", busy)
    assert tried(saving, SECOND) == (False, False)
