"""Hypothesis strategies for what stores hold: names, tags, JSON data, events of given classes, queries.

from refold.testing import strategies as refold_st

@given(refold_st.histories(ItemAdded, Abandoned))
def test_a_law_of_carts(events): ...
"""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar, get_type_hints, overload

from hypothesis import strategies as st

from refold.fold import Fold
from refold.messages import NewEvent, RawEvent, StreamName
from refold.projection import Projection
from refold.query import Query, QueryItem

E = TypeVar("E")

_PRINTABLE = st.characters(
    exclude_categories=("Cc", "Cs", "Zl", "Zp"),
    exclude_characters="\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufffe\uffff",
)


def names(max_size: int = 30) -> st.SearchStrategy[str]:
    """Text that the grammar of names allows: types, tags, keys."""
    return st.text(_PRINTABLE, min_size=1, max_size=max_size).filter(str.strip)


def stream_names(max_size: int = 60) -> st.SearchStrategy[StreamName]:
    """Names of streams, none of them in a category of Refold's own."""
    categories = st.text(_PRINTABLE, min_size=1, max_size=max_size // 2).filter(
        lambda text: "-" not in text and not text.startswith("$")
    )
    ids = st.text(_PRINTABLE, min_size=1, max_size=max_size - max_size // 2 - 1)
    return st.builds(StreamName, categories, ids)


def json_values(max_leaves: int = 10) -> st.SearchStrategy[Any]:
    """Everything that JSON holds and that reads back equal."""
    text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    numbers = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    return st.recursive(
        st.none() | st.booleans() | numbers | text,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
        max_leaves=max_leaves,
    )


def raw_events(
    types: st.SearchStrategy[str] | None = None, tags: st.SearchStrategy[str] | None = None
) -> st.SearchStrategy[NewEvent[RawEvent]]:
    """Events without a class, with any JSON object as their data, and with tags."""
    data = st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), json_values(5), max_size=3)
    return st.builds(
        _raw,
        names() if types is None else types,
        data,
        st.frozensets(names() if tags is None else tags, max_size=4),
    )


def _raw(type: str, data: dict[str, Any], tags: frozenset[str]) -> NewEvent[RawEvent]:
    return NewEvent(RawEvent(type, data), tags=tags)


def events(*classes: type[E], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[E]:
    """Events of these classes: each field by its annotation, or by the strategy given under its name."""
    return st.one_of([_built(cls, fields) for cls in classes])


def histories(
    *classes: type[E], max_size: int = 20, **fields: st.SearchStrategy[Any]
) -> st.SearchStrategy[tuple[E, ...]]:
    """Events of these classes, one after another."""
    return st.lists(events(*classes, **fields), max_size=max_size).map(tuple)


@overload
def histories_of(
    subject: Fold[Any, E], *, max_size: int = 20, **fields: st.SearchStrategy[Any]
) -> st.SearchStrategy[tuple[E, ...]]: ...
@overload
def histories_of(
    subject: Projection, *, max_size: int = 20, **fields: st.SearchStrategy[Any]
) -> st.SearchStrategy[tuple[Any, ...]]: ...
def histories_of(
    subject: Fold[Any, Any] | Projection, *, max_size: int = 20, **fields: st.SearchStrategy[Any]
) -> st.SearchStrategy[tuple[Any, ...]]:
    """What a stream of this fold may hold, or what this projection may see, sensible or not; `fields` as for `events`."""
    return histories(*subject.event_types, max_size=max_size, **fields)


def queries(
    types: st.SearchStrategy[str] | None = None, tags: st.SearchStrategy[str] | None = None
) -> st.SearchStrategy[Query]:
    """Queries of up to three items, `Query.all()` among them."""
    sets = st.tuples(
        st.frozensets(names() if types is None else types, max_size=3),
        st.frozensets(names() if tags is None else tags, max_size=3),
    )
    items = sets.filter(any).map(lambda both: QueryItem(*both))
    return st.frozensets(items, max_size=3).map(Query)


def _built(cls: type[E], fields: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[E]:
    if not dataclasses.is_dataclass(cls):
        return st.builds(cls, **fields)
    hints = get_type_hints(cls)
    own = [field.name for field in dataclasses.fields(cls)]
    return st.builds(cls, **{name: fields[name] if name in fields else _of(hints[name]) for name in own})


def _of(hint: Any) -> st.SearchStrategy[Any]:
    if hint is Any or hint is object:
        return json_values()
    if hint is float:
        return st.floats(allow_nan=False, allow_infinity=False)
    if hint is str:
        return st.text(st.characters(exclude_categories=["Cs"]))
    return st.from_type(hint)
