"""What arrived of publications is compared with what is stored: what is missing, doubled in name or out of order is found."""

from __future__ import annotations

from tests.faults.publishers import Arrived, contradictions
from tests.faults.readmodels import Deposited

from refold import Store


def test_the_comparison_finds_what_is_missing_doubled_in_name_or_out_of_order() -> None:
    with Store.open("memory://") as store:
        store.append("account-1", [Deposited(1), Deposited(2)])
        one, two = (Arrived(str(event.id), "account-1", str(event.position)) for event in store.read())
        assert contradictions(store, [one, two, one]) == ([], 1)
        assert contradictions(store, [one, one, two, one, two]) == ([], 3)
        for found in (
            [one],
            [two, one],
            [one, two, Arrived("x", "account-1", "3")],
            [one, two, Arrived(one.id, one.key, "9")],
        ):
            assert contradictions(store, found)[0] != []
