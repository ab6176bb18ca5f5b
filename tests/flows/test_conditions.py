"""Conditions over types that were stored under other names."""

from __future__ import annotations

import pytest

from refold import AppendCondition, Conflict, NewEvent, Query, RawEvent, Store, event, move
from refold.ports import QueryMatched


@event("mail.sent", upcasters=[move("letter.sent", to="mail.sent")])
class Sent:
    number: int


def test_a_conflict_names_the_condition_as_it_was_given(tmp_path_factory: pytest.TempPathFactory) -> None:
    url = f"sqlite:///{tmp_path_factory.mktemp('conditions')}/store.db"
    with Store.open(url, events=[RawEvent]) as store:
        store.append("letter-1", [RawEvent("letter.sent", {"number": 1})])
    with Store.open(url, events=[Sent]) as store:
        condition = AppendCondition(Query.of(types=["mail.sent"]))
        with pytest.raises(Conflict) as refused:
            store.append("letter-2", [NewEvent(Sent(2))], condition=condition)
    assert refused.value.failures == (QueryMatched(condition, 1),)
