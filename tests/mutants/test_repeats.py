"""G4 bites: what may have been written is sent again under new ids, and the storm of repeats finds it twice."""

from __future__ import annotations

import secrets

import pytest
from tests.guarantees.seeding import seeded
from tests.guarantees.test_g04_repeats import TROUBLES, doubled, stormed


@pytest.mark.mutant("retry-without-id")
@pytest.mark.parametrize("backend", TROUBLES)
def test_a_repeat_under_new_ids_is_found(
    backend: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("refold.flows.prepare._id", lambda _: secrets.token_bytes(16))
    _, wrong = stormed(backend, request, seeded(), 8, pairs=2, again=1)
    assert doubled(wrong) > 0
