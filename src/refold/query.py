"""Which events: queries over types and tags, what a writer expects, and the pure rules by which both match."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, TypeAlias, cast

from refold.errors import UsageError, shortened
from refold.messages import checked_name, several


class Expected(Enum):
    """What a writer believes of a stream, when it is not a version."""

    ANY = "any"
    NO_STREAM = "no stream"
    EXISTS = "exists"


ANY: Final = Expected.ANY
"""Append whatever the stream holds."""
NO_STREAM: Final = Expected.NO_STREAM
"""The stream must be empty."""
EXISTS: Final = Expected.EXISTS
"""The stream must hold an event."""

ExpectedVersion: TypeAlias = int | Expected


def holds(expected: ExpectedVersion, version: int) -> bool:
    """Whether a stream at `version` is what the writer expects."""
    match expected:
        case Expected.ANY:
            return True
        case Expected.NO_STREAM:
            return version == 0
        case Expected.EXISTS:
            return version > 0
        case int():
            return version == expected


@dataclass(frozen=True, slots=True)
class QueryItem:
    """Events whose type is one of `types` and that carry all of `tags`; an empty set does not restrict."""

    types: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if not self.types and not self.tags:
            raise UsageError("a query item needs a type or a tag; for every event take Query.all().")
        for name in several("types", self.types):
            checked_name("event type", name)
        for tag in several("tags", self.tags):
            checked_name("tag", tag)

    def matches(self, type: str, tags: Collection[str]) -> bool:
        """Whether an event of that type with those tags is meant."""
        return (not self.types or type in self.types) and self.tags.issubset(tags)


@dataclass(frozen=True, slots=True)
class Query:
    """Events that match any of the items; without items, every event.

    The dynamic consistency boundary of Pellegrini and Milan (dcb.events), where the published text leaves a choice
    settled in favour of the stricter reading: an empty item is refused.
    """

    items: frozenset[QueryItem] = field(default=frozenset())

    @staticmethod
    def all() -> Query:
        """Every event."""
        return Query()

    @staticmethod
    def of(*, types: Iterable[str] = (), tags: Iterable[str] = ()) -> Query:
        """Events whose type is one of `types` and that carry all of `tags`.

        Raises:
            UsageError: there is neither, or one of them is a text, in place of a collection of texts.
            InvalidName: one of them is no name.
        """
        return Query(frozenset({QueryItem(frozenset(several("types", types)), frozenset(several("tags", tags)))}))

    def __or__(self, other: Query) -> Query:
        if not self.items or not other.items:
            return Query()
        return Query(self.items | other.items)

    def matches(self, type: str, tags: Collection[str]) -> bool:
        """Whether an event of that type with those tags is meant."""
        return not self.items or any(item.matches(type, tags) for item in self.items)

    def __str__(self) -> str:
        return " or ".join(sorted(map(_described, self.items))) or "every event"


def _described(item: QueryItem) -> str:
    return " and ".join(filter(None, (" | ".join(sorted(item.types)), " + ".join(sorted(item.tags)))))


def checked_condition(condition: object) -> None:
    """Raises `UsageError` if it is no condition on which to append."""
    if not isinstance(condition, AppendCondition):
        raise UsageError(f"{shortened(condition)} is no condition: write AppendCondition(Query.of(...), after=...).")


@dataclass(frozen=True, slots=True)
class AppendCondition:
    """Fail if an event that matches `query` stands after position `after`; without `after`, if any does.

    An event *at* `after` does not conflict, `after` may lie above the head, and the events of one append never
    conflict with each other.
    """

    query: Query
    after: int = 0

    def __post_init__(self) -> None:
        if not isinstance(cast("object", self.query), Query):
            raise UsageError(f"query={shortened(self.query)} is no query: write Query.of(types=[...], tags=[...]).")
