"""An append inside a SQLite transaction that already holds the write lock, so that what is checked stays true."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import apsw

from refold.backends.sqlite import reading, surveying
from refold.errors import Archived
from refold.ports import (
    PAGE,
    Append,
    Appended,
    AppendResult,
    Check,
    Conflicted,
    Failure,
    QueryMatched,
    StreamCheck,
    StreamMoved,
    Write,
)
from refold.query import holds
from refold.repeats import asked_before, outcome_of, repeated, tags_json
from refold.rows import WRITTEN, digest

_INSERT: Final = f"insert into events ({', '.join(WRITTEN)}) values ({', '.join('?' * len(WRITTEN))})"  # noqa: S608 - constants
_TAG: Final = "insert into event_tags (tag, position, type) values (?, ?, ?)"
_REQUEST: Final = "insert into refold_requests values (?, ?, ?, ?, ?, ?)"
_USUAL: Final = """
select (select max(version) from events where stream = ?1), (select 1 from refold_archived where stream = ?1),
  (select 1 from events where id = ?2), (select position from events order by position desc limit 1),
  (select recorded_at from events order by position desc limit 1)"""
_LAST: Final = "select position, recorded_at from events order by position desc limit 1"


def write(db: apsw.Connection, append: Append) -> AppendResult:
    """Judge and write. The order of judgement: the request's key, the ids, then all that is expected."""
    return _write_usual(db, append) or _write_any(db, append)


def _write_usual(db: apsw.Connection, append: Append) -> Appended | None:
    """The usual append, of one stream and nothing else: all that must be known for it is asked at once.

    `None`: it is another one, or not to be written just so.
    """
    if len(append.writes) != 1 or append.checks or append.request:
        return None
    [w] = append.writes
    version, archived, known, head, newest = db.execute(_USUAL, (w.stream, w.rows[0].id)).get
    if archived or known or not holds(w.expected, version or 0):
        return None
    if len(w.rows) > 1 and reading.known_ids(db, [new.id for new in w.rows]):
        return None
    return _write(db, append, {w.stream: version or 0}, head or 0, newest or 0)


def _write_any(db: apsw.Connection, append: Append) -> AppendResult:
    if append.request and (outcome := surveying.outcome(db, append.request.key)):
        return asked_before(append.request, outcome)
    versions = {w.stream: _writable(db, w.stream) for w in append.writes}
    failures = [*_unmet(db, append, versions)]
    known = reading.known_ids(db, [new.id for w in append.writes for new in w.rows])
    if known and (first := repeated(append, reading.by_ids(db, known))):
        return first
    if failures:
        return Conflicted(tuple(failures))
    return _write(db, append, versions, *(db.execute(_LAST).fetchone() or (0, 0)))


def _writable(db: apsw.Connection, stream: str) -> int:
    """The version of a stream that is written.

    Raises:
        Archived: it is in the archive.
    """
    version = surveying.live_version(db, stream)
    if not version and (archived := surveying.archived(db, stream)):
        raise Archived(stream, archived[1], is_written=True)
    return version


def _unmet(db: apsw.Connection, append: Append, versions: dict[str, int]) -> Iterator[Failure]:
    for write in append.writes:
        if not holds(write.expected, versions[write.stream]):
            yield _moved(db, write, versions[write.stream])
    for check in append.checks:
        if failure := _failure(db, check):
            yield failure


def _failure(db: apsw.Connection, check: Check) -> Failure | None:
    if isinstance(check, StreamCheck):
        actual = surveying.version(db, check.stream)
        return None if holds(check.expected, actual) else _moved(db, check, actual)
    last = reading.last_match(db, check.query, check.after)
    return QueryMatched(check, last) if last > check.after else None


def _moved(db: apsw.Connection, check: Write | StreamCheck, actual: int) -> StreamMoved:
    expected = check.expected
    if not isinstance(expected, int):
        return StreamMoved(check.stream, expected, actual)
    tail = reading.payloads(db, check.stream, expected, None)
    reached = tail[-1][0] if tail else expected  # of an archived stream there is no tail here
    return StreamMoved(check.stream, expected, actual, tuple(tail), len(tail) < PAGE and reached >= actual)


def _write(db: apsw.Connection, append: Append, versions: dict[str, int], head: int, newest: int) -> Appended:
    position, recorded_at = head, max(append.now, newest)
    events: list[tuple[object, ...]] = []
    tags: list[tuple[str, int, str]] = []
    for w in append.writes:
        for new in w.rows:
            position += 1
            version = versions[w.stream] = versions[w.stream] + 1
            row = (
                position, w.stream, version, new.id, new.type, new.schema_version, new.data, tags_json(new), recorded_at,
                new.valid_at, new.correlation_id, new.causation_id, new.actor, new.metadata,
            )  # fmt: skip
            events.append((*row, digest(row)))
            tags.extend((tag, position, new.type) for tag in new.tags)
    db.executemany(_INSERT, events)
    if tags:
        db.executemany(_TAG, tags)
    positions = tuple(range(head + 1, position + 1))
    if request := append.request:
        version = versions.get(request.stream) or surveying.version(db, request.stream)
        outcome = outcome_of(request, version, positions)
        db.execute(
            _REQUEST,
            (request.key, outcome.asked, outcome.stream, version, outcome.first_position, outcome.last_position),
        )
    return Appended(positions, tuple(versions[w.stream] for w in append.writes))
