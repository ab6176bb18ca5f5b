"""When an append or a request is a repeat of an earlier one: the rule that every backend shares."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from refold.clock import as_uuid
from refold.errors import IdReused, KeyReused
from refold.ports import AlreadyAsked, Append, Appended, Outcome, Request
from refold.rows import NewRow, Row


def tags_json(row: NewRow) -> str:
    """The tags as they are stored: a sorted JSON array."""
    return msgspec.json.encode(row.tags).decode() if row.tags else "[]"


def repeated(append: Append, found: Iterable[Row]) -> Appended | None:
    """The first outcome of an append whose ids stand in the store already, `None` if none of them does.

    Raises:
        IdReused: some ids stand there, but not all, or with other content, or in other streams.
    """
    known = {row.id: row for row in found}
    if not known:
        return None
    strangers = [
        new.id
        for write in append.writes
        for new in write.rows
        if new.id not in known or not _same(append, write.stream, new, known[new.id])
    ]
    if strangers:
        raise IdReused(as_uuid(id) for id in strangers)
    versions = {write.stream: known[write.rows[-1].id].version for write in append.writes}
    return Appended(
        positions=tuple(known[new.id].position for write in append.writes for new in write.rows),
        versions=tuple(versions[write.stream] for write in append.writes),
        repeated=True,
    )


def _same(append: Append, stream: str, new: NewRow, old: Row) -> bool:
    return (old.stream, old.type, old.schema_version, old.tags, old.valid_at) == (
        stream,
        new.type,
        new.schema_version,
        tags_json(new),
        new.valid_at,
    ) and (old.data == new.data or (append.same is not None and append.same(new, old)))


def asked_before(request: Request, outcome: Outcome) -> AlreadyAsked:
    """The outcome that stands under the request's key.

    Raises:
        KeyReused: the key was used for something else.
    """
    if outcome.asked not in (request.asked, request.asked_before):
        raise KeyReused(request.key, outcome.asked, request.asked)
    return AlreadyAsked(outcome)


def outcome_of(request: Request, version: int, positions: Sequence[int]) -> Outcome:
    """What to remember under the request's key: an append without events stands at position 0."""
    first, last = (positions[0], positions[-1]) if positions else (0, 0)
    return Outcome(request.asked, request.stream, version, first, last)
