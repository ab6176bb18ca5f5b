"""When an append or a request is a repeat of an earlier one, and when it only has its ids or its key."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
import pytest

from refold import IdReused, KeyReused
from refold.ports import AlreadyAsked, Append, Appended, Outcome, Request, Write
from refold.repeats import asked_before, outcome_of, repeated, tags_json
from refold.rows import NewRow, Row


def id_of(number: int) -> bytes:
    return UUID(int=number).bytes


def new(number: int, **other: Any) -> NewRow:
    row = NewRow(id_of(number), "a.done", 2, b'{"a":1}', ("x", "y"), 7, "story", None, None, b"{}")
    return msgspec.structs.replace(row, **other)


def old(number: int, stream: str, version: int, tags: str = '["x","y"]') -> Row:
    told = (1_000, 7, "another story", "cause", "actor", b'{"free":"text"}')
    return Row(number * 10, stream, version, id_of(number), "a.done", 2, b'{"a":1}', tags, *told)


APPEND = Append((Write("a-1", (new(1), new(2))), Write("b-1", (new(3),))), now=5)
STORED = (old(1, "a-1", 4), old(2, "a-1", 5), old(3, "b-1", 1))


def test_what_nobody_wrote_yet_is_no_repeat() -> None:
    assert repeated(APPEND, []) is None


def test_a_repeat_is_told_what_came_of_the_first_whoever_it_is_by() -> None:
    assert repeated(APPEND, STORED) == Appended(positions=(10, 20, 30), versions=(5, 1), repeated=True)


def test_a_repeat_is_told_the_version_that_a_stream_was_brought_to_with_each_of_its_writes() -> None:
    append = Append((Write("a-1", (new(1),)), Write("b-1", (new(3),)), Write("a-1", (new(2),))), now=5)
    assert repeated(append, STORED) == Appended(positions=(10, 30, 20), versions=(5, 1, 5), repeated=True)


def test_the_rest_of_what_was_found_is_not_told() -> None:
    append = Append((Write("b-1", (new(3),)),), now=5)
    assert repeated(append, STORED) == Appended(positions=(30,), versions=(1,), repeated=True)


@pytest.mark.parametrize(
    "other",
    [
        {"stream": "a-2"}, {"type": "a.undone"}, {"schema_version": 3}, {"data": b'{"a":2}'}, {"tags": "[]"},
        {"tags": '["y","x"]'}, {"valid_at": None},
    ],
    ids=str,
)  # fmt: skip
def test_an_id_whose_event_was_another_is_refused(other: dict[str, Any]) -> None:
    with pytest.raises(IdReused) as caught:
        repeated(APPEND, (STORED[0], STORED[1]._replace(**other), STORED[2]))
    assert caught.value.ids == (UUID(int=2),)


def test_an_append_of_which_only_a_part_stands_there_is_refused() -> None:
    with pytest.raises(IdReused) as caught:
        repeated(APPEND, STORED[1:2])
    assert caught.value.ids == (UUID(int=1), UUID(int=3))


def test_tags_are_stored_as_a_json_array() -> None:
    assert [tags_json(new(1)), tags_json(new(1, tags=()))] == ['["x","y"]', "[]"]


def test_an_event_without_tags_is_repeated_by_one_without() -> None:
    append = Append((Write("a-1", (new(1, tags=()),)),), now=5)
    assert repeated(append, [old(1, "a-1", 4, tags="[]")]) == Appended((10,), (4,), repeated=True)


def test_data_of_other_bytes_are_a_repeat_where_they_are_known_to_be_the_same() -> None:
    asked: list[tuple[bytes, bytes]] = []

    def same(now: NewRow, then: Row) -> bool:
        asked.append((now.data, then.data))
        return then.data == b'{"a": 1}'

    append = Append((Write("a-1", (new(1), new(2))),), now=5, same=same)
    first, second, _ = STORED
    assert repeated(append, [first, second._replace(data=b'{"a": 1}')]) == Appended((10, 20), (5,), repeated=True)
    with pytest.raises(IdReused):
        repeated(append, [first, second._replace(data=b'{"a": 2}')])
    assert asked == [(b'{"a":1}', b'{"a": 1}'), (b'{"a":1}', b'{"a": 2}')]


# Requests -------------------------------------------------------------------------------


def test_a_request_that_was_made_before_is_told_what_came_of_it() -> None:
    outcome = Outcome("deposit 5", "a-1", 3, 10, 20)
    assert asked_before(Request("k", "deposit 5", "a-1"), outcome) == AlreadyAsked(outcome)


def test_a_request_is_known_by_what_it_was_called_before_too() -> None:
    outcome = Outcome("deposit 5", "a-1", 3, 10, 20)
    assert asked_before(Request("k", "deposit five", "a-1", "deposit 5"), outcome) == AlreadyAsked(outcome)


def test_a_key_that_was_used_for_something_else_is_refused() -> None:
    with pytest.raises(KeyReused) as caught:
        asked_before(Request("k", "deposit 6", "a-1"), Outcome("deposit 5", "a-1", 3, 10, 20))
    assert (caught.value.key, caught.value.was, caught.value.now) == ("k", "deposit 5", "deposit 6")


@pytest.mark.parametrize(("positions", "first", "last"), [((), 0, 0), ((10,), 10, 10), ((10, 20, 30), 10, 30)])
def test_an_outcome_names_the_first_position_and_the_last(positions: tuple[int, ...], first: int, last: int) -> None:
    found = outcome_of(Request("k", "deposit 5", "a-1"), 3, positions)
    assert found == Outcome(asked="deposit 5", stream="a-1", version=3, first_position=first, last_position=last)
