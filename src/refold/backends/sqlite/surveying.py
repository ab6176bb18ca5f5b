"""What a SQLite store holds: versions, streams, outcomes, checkpoints, counts, and damage."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Final

import apsw

from refold.backends.sqlite import reading
from refold.backends.sqlite.connection import migrate
from refold.clock import as_datetime
from refold.ports import Damage, Outcome, Stats, StreamInfo

_VERSION: Final = "select max(version) from events where stream = ?"
_OUTCOME: Final = "select asked, stream, version, first_position, last_position from refold_requests where key = ?"

# One step in the index for each stream, instead of one for each event.
_STREAMS: Final = """
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
       (select 1 from events p where p.position = e.position - 1)""",
    """select position, 'its data or metadata are not JSON' from events
       where position > :after and position <= :until
       and not (json_valid(cast(data as text)) and json_valid(cast(metadata as text)) and json_valid(tags))""",
    """select position, 'its tag ' || tag.value || ' is not in the index' from events e, json_each(e.tags) tag
       where position > :after and position <= :until and json_valid(tags)
       and not exists (select 1 from event_tags t where t.tag = tag.value and t.position = e.position)""",
)
_TAG_ROWS: Final = """
select (select count(*) from event_tags),
       (select coalesce(sum(json_array_length(tags)), 0) from events where tags <> '[]' and json_valid(tags))"""


def version(db: apsw.Connection, stream: str) -> int:
    """The version of a stream; 0 if it is empty."""
    return int(db.execute(_VERSION, (stream,)).get or 0)


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
    first = db.execute("select recorded_at from events order by position limit 1").get
    last = db.execute("select recorded_at from events order by position desc limit 1").get
    return Stats(
        events=db.execute("select count(*) from events").get,
        streams=db.execute("select count(*) from events where version = 1").get,
        types=dict(db.execute("select type, count(*) from events group by type")),
        categories=dict(db.execute("select category, count(*) from events group by category")),
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


def _as_made() -> dict[str, str]:
    """The triggers of a new store."""
    with contextlib.closing(apsw.Connection(":memory:")) as new:
        migrate(new)
        return dict(new.execute(_TRIGGERS))


def _of_events(db: apsw.Connection, after: int, until: int) -> Iterator[Damage]:
    for problem in _PROBLEMS:
        for position, what in db.execute(problem, {"after": after, "until": until}):
            yield Damage(position, what)
