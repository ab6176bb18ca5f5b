"""Queries as people read them, and what is refused."""

from __future__ import annotations

from typing import Any, cast

import pytest

from refold import InvalidName, Query, UsageError
from refold.query import QueryItem


@pytest.mark.parametrize(
    ("query", "text"),
    [
        (Query.all(), "every event"),
        (Query.of(types=["b", "a"]), "a | b"),
        (Query.of(tags=["u:2", "t:1"]), "t:1 + u:2"),
        (Query.of(types=["b", "a"], tags=["t:1", "u:2"]), "a | b and t:1 + u:2"),
        (Query.of(types=["b"]) | Query.of(types=["a"], tags=["t:1"]), "a and t:1 or b"),
    ],
)
def test_a_query_reads_as_a_sentence(query: Query, text: str) -> None:
    assert str(query) == text


def test_a_query_item_without_type_and_tag_is_refused() -> None:
    with pytest.raises(UsageError) as refused:
        Query.of()
    assert str(refused.value) == "a query item needs a type or a tag; for every event take Query.all()."


@pytest.mark.parametrize("given", ["account.paid-in", b"ab"])
@pytest.mark.parametrize("parameter", ["types", "tags"])
def test_one_text_in_place_of_a_collection_is_refused(parameter: str, given: Any) -> None:
    for query in (Query.of, QueryItem):
        with pytest.raises(UsageError) as refused:
            query(**{parameter: given})
        assert str(refused.value) == (
            f"{parameter}={given!r} is one text, and would be read letter by letter: give a collection, [{given!r}]."
        )


def test_what_is_no_collection_is_refused() -> None:
    with pytest.raises(UsageError) as refused:
        Query.of(types=cast("Any", 7))
    assert str(refused.value) == "types=7 is no collection: write it into one, [...]."


def test_what_is_no_name_is_refused_as_what_it_should_have_named() -> None:
    with pytest.raises(InvalidName) as no_type:
        Query.of(types=[""])
    with pytest.raises(InvalidName) as no_tag:
        Query.of(tags=["\n"])
    assert (no_type.value.kind, no_type.value.name) == ("event type", "")
    assert (no_tag.value.kind, no_tag.value.name) == ("tag", "\n")


def test_a_query_matches_events_by_their_types_and_tags() -> None:
    query = Query.of(types=["a"], tags=["t:1"]) | Query.of(types=["b"])
    events = [("a", {"t:1", "u:2"}), ("a", {"u:2"}), ("b", set[str]()), ("c", {"t:1"})]
    assert [query.matches(type, tags) for type, tags in events] == [True, False, True, False]
