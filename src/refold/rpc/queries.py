"""Queries and conditions of the protocol, as Refold's."""

from __future__ import annotations

from typing import Final, TypeAlias

from refold.errors import InvalidName, UsageError
from refold.messages import OWN, checked_name
from refold.query import AppendCondition, Query, QueryItem
from refold.rpc.events import TRACKING
from refold.rpc.protocol import umadb_pb2 as pb

MOST: Final = 2**62
"""No position is above it."""
_ITEMS: Final = 500
_NAMES: Final = 2_000

Meant: TypeAlias = Query | None
"""A query; None if it names only what no event can have, so that it finds nothing."""


def query_of(query: pb.Query) -> Meant:
    """What a query finds. Without items, and with an item that has neither types nor tags, that is every event.

    Raises:
        UsageError: it has too many items or names.
    """
    if len(query.items) > _ITEMS or sum(len(item.types) + len(item.tags) for item in query.items) > _NAMES:
        raise UsageError(f"a query has at most {_ITEMS} items, and {_NAMES:,} types and tags in them.")
    if any(not item.types and not item.tags for item in query.items):
        return Query.all()
    items = [found for item in query.items if (found := _item(item)) is not None]
    return Query(frozenset(items)) if items or not query.items else None


def _item(item: pb.QueryItem) -> QueryItem | None:
    """An item without the types that no event can have; None if it has no others, or such a tag."""
    types = frozenset(type for type in item.types if _can_be(type) and not type.startswith(OWN))
    tags_can_be = all(_can_be(tag) and not tag.startswith(TRACKING) for tag in item.tags)
    if not tags_can_be or (item.types and not types):
        return None
    return QueryItem(types, frozenset(item.tags))


def _can_be(name: str) -> bool:
    try:
        checked_name("name", name)
    except InvalidName:
        return False
    return True


def condition_of(condition: pb.AppendCondition) -> AppendCondition | None:
    """What must hold; None if it always does. Without a query, no event at all may stand after the position.

    Raises:
        UsageError: as `query_of`.
    """
    query = query_of(condition.fail_if_events_match)
    return None if query is None else AppendCondition(query, min(condition.after, MOST))
