"""What a PostgreSQL store holds: versions, streams, outcomes, checkpoints, counts, and damage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from refold.backends.postgres import guards
from refold.backends.postgres.session import Steady
from refold.clock import FIRST, LAST, as_datetime
from refold.ports import NO_TIME, Damage, Stats, StreamInfo
from refold.rows import Row

_LIVE_STREAMS: Final = """
with recursive name (name) as (
  (select stream from {schema}.events where stream > %(after)s and stream >= %(prefix)s order by stream limit 1)
  union all
  select (select stream from {schema}.events where stream > name order by stream limit 1) from name
  where starts_with(name, %(prefix)s)
)
select name, last.version, last.position, first.recorded_at, last.recorded_at from name
join {schema}.events first on first.stream = name and first.version = 1
join lateral (select * from {schema}.events where stream = name order by version desc limit 1) last on true
where starts_with(name, %(prefix)s) limit %(limit)s"""
_ARCHIVED_STREAMS: Final = """
select stream, events, last_position, first_recorded_at, last_recorded_at from {schema}.archived
where stream > %(after)s and stream >= %(prefix)s and starts_with(stream, %(prefix)s) order by stream limit %(limit)s"""
_STREAMS: Final = f"({_LIVE_STREAMS}) union all ({_ARCHIVED_STREAMS}) order by 1 limit %(limit)s"

_PROBLEMS: Final = (
    """select position, 'version ' || version || ' of stream ' || stream || ' does not follow version ' || (version - 1)
       from {schema}.events e where position > %(after)s and position <= %(until)s and version > 1 and not exists
       (select from {schema}.events p where p.stream = e.stream and p.version = e.version - 1 and p.position < e.position)""",
    """select position, 'its time is before that of the event before it' from {schema}.events e
       where position > %(after)s and position <= %(until)s and recorded_at <
       (select recorded_at from {schema}.events p where p.position < e.position order by p.position desc limit 1)""",
    """select position, 'the event before it is missing' from {schema}.events e
       where position > %(after)s and position <= %(until)s and position > 1 and not exists
       (select from {schema}.events p where p.position = e.position - 1) and not exists
       (select from {schema}.archived a where a.last_position >= e.position - 1 and a.first_position < e.position)""",
    """select position, 'its stream ' || stream || ' is archived' from {schema}.events e
       where position > %(after)s and position <= %(until)s and version = 1 and exists
       (select from {schema}.archived a where a.stream = e.stream)""",
    """select position, 'its tag ' || tag.name || ' is not in the index'
       from {schema}.events e, json_array_elements_text(e.tags) tag(name)
       where position > %(after)s and position <= %(until)s
       and not exists (select from {schema}.event_tags t where t.tag = tag.name and t.position = e.position)""",
    f"""select position, '{NO_TIME}' from {{schema}}.events
       where position > %(after)s and position <= %(until)s and valid_at not between {FIRST} and {LAST}""",  # noqa: S608 - constants
    """select position, 'it has no digest: something else than Refold wrote it' from {schema}.events
       where position > %(after)s and position <= %(until)s and digest is null
       and position >= coalesce((select since from {schema}.digests), 1)""",
    f"""select position, 'it is not what was written: its digest does not fit' from {{schema}}.events
       where position > %(after)s and position <= %(until)s
       and digest <> substr(sha256(convert_to(row({", ".join(Row._fields)})::text, 'UTF8')), 1, 8)""",  # noqa: S608 - constants
)
_COUNT: Final = """
select (select count(*) from {schema}.events) + (select coalesce(sum(events), 0) from {schema}.archived)::bigint,
       (select count(*) from {schema}.events where version = 1) + (select count(*) from {schema}.archived)"""
_TYPES: Final = """
select type, sum(events)::bigint from (
  select type, count(*) as events from {schema}.events group by type union all
  select type, events from {schema}.archived_types) counted group by type"""
_CATEGORIES: Final = """
select category, sum(events)::bigint from (
  select split_part(stream, '-', 1) as category, count(*) as events from {schema}.events group by 1 union all
  select category, events from {schema}.archived) counted group by category"""
_ENDS: Final = """
select coalesce(max(position), 0), least(min(recorded_at), (select min(first_recorded_at) from {schema}.archived)),
  max(recorded_at) from {schema}.events"""


class Statements:
    """The texts of all surveys in one schema."""

    def __init__(self, schema: str) -> None:
        self.schema, named = schema, f'"{schema}"'

        def put(text: str) -> str:
            return text.replace("{schema}", named)

        self.version = put("select {schema}.version_of(%s)")
        self.outcome = put(
            "select asked, stream, version, first_position, last_position from {schema}.requests where key = %s"
        )
        self.streams = put(_STREAMS)
        self.count, self.types, self.categories, self.ends = map(put, (_COUNT, _TYPES, _CATEGORIES, _ENDS))
        self.archived = put("select place from {schema}.archived, {schema}.archive where stream = %s")
        self.bytes = put(
            "select coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint from pg_class c"
            " where c.relnamespace = '{schema}'::regnamespace and c.relkind = 'r'"
        )
        self.problems = tuple(map(put, _PROBLEMS))


async def streams(session: Steady, sql: Statements, after: str, prefix: str, limit: int) -> Sequence[StreamInfo]:
    """A page of streams by name."""
    found = await session.fetch(sql.streams, {"after": after, "prefix": prefix, "limit": limit})
    return [
        StreamInfo(name, at, last, as_datetime(first), as_datetime(newest)) for name, at, last, first, newest in found
    ]


async def stats(session: Steady, sql: Statements) -> Stats:
    """Counts."""
    events, named = (await session.fetch(sql.count))[0]
    head, first, last = (await session.fetch(sql.ends))[0]
    return Stats(
        events=events,
        streams=named,
        types=dict(await session.fetch(sql.types)),
        categories=dict(await session.fetch(sql.categories)),
        head=head,
        first_recorded_at=None if first is None else as_datetime(first),
        last_recorded_at=None if last is None else as_datetime(last),
        bytes=(await session.fetch(sql.bytes))[0][0],
    )


async def damages(session: Steady, sql: Statements, after: int, limit: int) -> Sequence[Damage]:
    """What is wrong: with the triggers when `after` is 0, and with the next `limit` positions."""
    found: list[Damage] = []
    if after == 0:
        found += await guards.damages(session, sql.schema)
        held, last = (await session.fetch(sql.count))[0][0], (await session.fetch(sql.ends))[0][0]
        if last != held:
            found.append(
                Damage(None, f"the last position is {last}, but {held} events are in the store and its archive")
            )
    for problem in sql.problems:
        rows = await session.fetch(problem, {"after": after, "until": after + limit})
        found += [Damage(position, what) for position, what in rows]
    return found
