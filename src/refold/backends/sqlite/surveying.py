"""What a SQLite store holds: versions, streams, outcomes, checkpoints, counts, and damage."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final

import apsw

from refold.backends.sqlite import reading
from refold.backends.sqlite.connection import migrate
from refold.clock import FIRST, LAST, as_datetime
from refold.ports import NO_TIME, Damage, Outcome, Stats, StreamInfo
from refold.rows import WRITTEN, digest

_VERSION: Final = "select max(version) from events where stream = ?"
_ARCHIVED: Final = "select events, place from refold_archived, refold_archive where stream = ?"
_OUTCOME: Final = "select asked, stream, version, first_position, last_position from refold_requests where key = ?"

# One step in the index for each stream, instead of one for each event.
_LIVE_STREAMS: Final = """
with recursive name (name) as (
  select min(stream) from events where stream > :after and stream >= :prefix
  union all
  select (select min(stream) from events where stream > name) from name
  where substr(name, 1, length(:prefix)) = :prefix
)
select name, last.version, last.position, first.recorded_at, last.recorded_at
from name
join events first on first.stream = name and first.version = 1
join events last on last.stream = name and last.version = (select max(version) from events where stream = name)
where substr(name, 1, length(:prefix)) = :prefix
limit :limit"""
_ARCHIVED_STREAMS: Final = """
select stream, events, last_position, first_recorded_at, last_recorded_at from refold_archived
where stream > :after and stream >= :prefix and substr(stream, 1, length(:prefix)) = :prefix order by stream limit :limit"""
_STREAMS: Final = (
    f"select * from ({_LIVE_STREAMS}) union all select * from ({_ARCHIVED_STREAMS}) order by 1 limit :limit"  # noqa: S608 - constants
)

_TRIGGERS: Final = "select name, sql from sqlite_master where type = 'trigger'"

# Each finds one kind of damage between two positions, and gives the position and a sentence about it.
_PROBLEMS: Final = (
    """select position, 'version ' || version || ' of stream ' || stream || ' does not follow version ' || (version - 1)
       from events e where position > :after and position <= :until and version > 1 and not exists
       (select 1 from events p where p.stream = e.stream and p.version = e.version - 1 and p.position < e.position)""",
    """select position, 'its time is before that of the event before it' from events e
       where position > :after and position <= :until and recorded_at <
       (select recorded_at from events p where p.position < e.position order by p.position desc limit 1)""",
    """select position, 'the event before it is missing' from events e
       where position > :after and position <= :until and position > 1 and not exists
       (select 1 from events p where p.position = e.position - 1) and not exists
       (select 1 from refold_archived a where a.last_position >= e.position - 1 and a.first_position < e.position)""",
    """select position, 'its stream ' || stream || ' is archived' from events e
       where position > :after and position <= :until and version = 1 and exists
       (select 1 from refold_archived a where a.stream = e.stream)""",
    """select position, 'its data or metadata are not JSON' from events
       where position > :after and position <= :until
       and not (json_valid(cast(data as text)) and json_valid(cast(metadata as text)) and json_valid(tags))""",
    f"""select position, '{NO_TIME}' from events
       where position > :after and position <= :until and valid_at not between {FIRST} and {LAST}""",  # noqa: S608 - constants
    """select position, 'its tag ' || tag.value || ' is not in the index' from events e, json_each(e.tags) tag
       where position > :after and position <= :until and json_valid(tags)
       and not exists (select 1 from event_tags t where t.tag = tag.value and t.position = e.position)""",
    """select position, 'it has no digest: something else than Refold wrote it' from events
       where position > :after and position <= :until and digest is null
       and position >= coalesce((select since from refold_digests), 1)""",
)
_POSITIONS: Final = "select position from events where position > ? and position <= ? order by position"
_WRITTEN: Final = f"select {', '.join(WRITTEN)} from events where position = ? and digest is not null"  # noqa: S608 - constants
_TAG_ROWS: Final = """
select (select count(*) from event_tags),
       (select coalesce(sum(json_array_length(tags)), 0) from events where tags <> '[]' and json_valid(tags))
       + (select coalesce(sum(tags), 0) from refold_archived)"""
_HELD: Final = """
select (select coalesce(max(position), 0) from events),
       (select count(*) from events) + (select coalesce(sum(events), 0) from refold_archived)"""


_FIRST: Final = """
select min(recorded_at) from (
  select recorded_at from (select recorded_at from events order by position limit 1)
  union all select min(first_recorded_at) from refold_archived)"""
_STREAM_COUNT: Final = "select (select count(*) from events where version = 1) + (select count(*) from refold_archived)"
_TYPES: Final = """
select type, sum(events) from (
  select type, count(*) as events from events group by type union all
  select type, sum(events) from refold_archived_types group by type) group by type"""
_CATEGORIES: Final = """
select category, sum(events) from (
  select category, count(*) as events from events group by category union all
  select category, sum(events) from refold_archived group by category) group by category"""


def version(db: apsw.Connection, stream: str) -> int:
    """The version of a stream, archived or not; 0 if it is empty."""
    return live_version(db, stream) or (archived(db, stream) or (0,))[0]


def live_version(db: apsw.Connection, stream: str) -> int:
    """The version of a stream; 0 if it is empty, or archived."""
    return int(db.execute(_VERSION, (stream,)).get or 0)


def has_archive(db: apsw.Connection) -> bool:
    """Whether anything was ever archived; that is never forgotten."""
    return db.execute("select 1 from refold_archive").fetchone() is not None


def archived(db: apsw.Connection, stream: str) -> tuple[int, str] | None:
    """The version of an archived stream, and where the archive is."""
    found = db.execute(_ARCHIVED, (stream,)).fetchone()
    return None if found is None else (found[0], found[1])


def outcome(db: apsw.Connection, key: str) -> Outcome | None:
    """What was remembered under an idempotency key."""
    found = db.execute(_OUTCOME, (key,)).fetchone()
    return Outcome(*found) if found else None


def streams(db: apsw.Connection, after: str, prefix: str, limit: int) -> Sequence[StreamInfo]:
    """A page of streams by name."""
    found = db.execute(_STREAMS, {"after": after, "prefix": prefix, "limit": limit})
    return [
        StreamInfo(name, at, last, as_datetime(first), as_datetime(newest)) for name, at, last, first, newest in found
    ]


def stats(db: apsw.Connection) -> Stats:
    """Counts, from the indexes."""
    first = db.execute(_FIRST).get
    last = db.execute("select recorded_at from events order by position desc limit 1").get
    return Stats(
        events=db.execute(
            "select (select count(*) from events) + (select coalesce(sum(events), 0) from refold_archived)"
        ).get,
        streams=db.execute(_STREAM_COUNT).get,
        types=dict(db.execute(_TYPES)),
        categories=dict(db.execute(_CATEGORIES)),
        head=reading.head(db),
        first_recorded_at=None if first is None else as_datetime(first),
        last_recorded_at=None if last is None else as_datetime(last),
        bytes=db.pragma("page_count") * db.pragma("page_size"),
    )


def damages(db: apsw.Connection, after: int, limit: int) -> Sequence[Damage]:
    """What is wrong: with the file and its triggers when `after` is 0, and with the next `limit` positions."""
    return [*(_of_file(db) if after == 0 else ()), *_of_events(db, after, after + limit)]


def _of_file(db: apsw.Connection) -> Iterator[Damage]:
    for (problem,) in db.execute("pragma integrity_check"):
        if problem != "ok":
            yield Damage(None, str(problem))
    there = dict(db.execute(_TRIGGERS))
    for name, made in sorted(_as_made().items()):
        if there.get(name) != made:
            how = "not as it was made" if name in there else "missing"
            yield Damage(None, f"the trigger {name} is {how}: events could be changed")
    indexed, written = db.execute(_TAG_ROWS).get
    if indexed != written:
        yield Damage(None, f"the index of tags has {indexed} rows, the events have {written} tags")
    last, held = db.execute(_HELD).get
    if last != held:
        yield Damage(None, f"the last position is {last}, but {held} events are in the store and its archive")


@cache
def _as_made() -> Mapping[str, str]:
    """The triggers of a new store: the same for as long as this program runs, and a new store takes longer than a look."""
    with contextlib.closing(apsw.Connection(":memory:")) as new:
        migrate(new)
        return dict(new.execute(_TRIGGERS))


def _of_events(db: apsw.Connection, after: int, until: int) -> Iterator[Damage]:
    for problem in _PROBLEMS:
        for position, what in db.execute(problem, {"after": after, "until": until}):
            yield Damage(position, what)
    positions: Any = db.execute(_POSITIONS, (after, until)).fetchall()
    for (position,) in positions:
        if unlike := _unlike_written(db, position):
            yield Damage(position, unlike)


def _unlike_written(db: apsw.Connection, position: int) -> str | None:
    """What the digest of an event tells, if it has one."""
    try:
        found = db.execute(_WRITTEN, (position,)).fetchone()
    except UnicodeDecodeError:
        return "it is not what was written: a text of it is not UTF-8"
    if found is None:  # it has none, or the event was archived since
        return None
    *row, told = found
    return None if told == digest(row) else "it is not what was written: its digest does not fit"
