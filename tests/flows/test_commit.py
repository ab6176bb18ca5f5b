"""An append where read models are kept inline: they follow what was written now, and nothing else."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace
from tests.flows.counting import CountingBackend, runtime

from refold import ANY, NO_STREAM, Conflict, NewEvent
from refold._bridge.stepping import run_sync
from refold.flows.append import Receipt, append
from refold.messages import Context
from refold.ports import Backend
from refold.testing.contract.sample import Deposited


class Following:
    """Notes between which positions it was told to keep up."""

    def __init__(self) -> None:
        self.told: list[tuple[int, int]] = []

    async def keep_up(self, inside: Backend, runtime: object, after: int, until: int) -> None:
        self.told.append((after, until))


def test_read_models_follow_what_was_written_and_neither_a_conflict_nor_a_repetition() -> None:
    following: Any = Following()
    inline, backend = replace(runtime(), inline=following), CountingBackend()
    once = NewEvent(Deposited(1), id=UUID(int=1))

    def appended(expected: Any) -> Receipt:
        return run_sync(
            append(backend, inline, "account-1", [once], expected=expected, condition=None, context=Context())
        )

    assert [appended(ANY).repeated, appended(ANY).repeated] == [False, True]
    once = NewEvent(Deposited(1), id=UUID(int=2))
    with pytest.raises(Conflict):
        appended(NO_STREAM)
    assert following.told == [(0, 1)]
