"""The rooms of the contract do not hide each other's tests: in one class, of two tests with one name only one would run."""

from __future__ import annotations

from collections import Counter

from refold.testing.contract import StoreContract


def test_no_two_rooms_of_the_contract_share_the_name_of_a_test() -> None:
    given = {"store", "sql_store"}
    names = Counter(
        name for room in StoreContract.__mro__ for name in vars(room) if name[:5] == "test_" or name in given
    )
    assert {name for name, count in names.items() if count > 1} == set()
