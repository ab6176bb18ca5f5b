"""Pages of events out of PostgreSQL: an index behind each way to read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Final, cast

from msgspec.structs import replace

from refold.archiving import Gone
from refold.backends.postgres.arrays import numbers, texts
from refold.backends.postgres.lines import Line
from refold.backends.postgres.session import Session, Steady
from refold.ports import PAGE, InCategory, InStory, InStream, Matching, Selection, Source
from refold.query import QueryItem
from refold.rows import Payload, Row, made

_MOST: Final = 64
"""How many pages of streams are read together at most."""
_LAST: Final = (1 << 63) - 1
_PAYLOAD: Final = "version, position, type, schema_version, data"
_COLUMNS: Final = (
    "e.position, e.stream, e.version, e.id, e.type, e.schema_version, e.data, e.tags::text,"
    " e.recorded_at, e.valid_at, e.correlation_id, e.causation_id, e.actor, e.metadata"
)
# The planner must not know the limit: without statistics it takes a range for fewer rows than that, and sorts all of them.
_FORM: Final = """
select {columns} from {tables}
where {key} and {place} > %(low)s and {place} < %(high)s
  and {position} <= %(last)s
  and (%(from)s::bigint is null or {position} > (select {schema}.last_until(%(from)s - 1)))
  and (%(until)s::bigint is null or {position} <= (select {schema}.last_until(%(until)s)))
order by {place} {direction} limit (select %(limit)s::bigint)"""
# With a page comes, as its last row, whether there is an archive, where more may be.
_MARKED: Final = """
select * from (({form})
  union all select {end}, null, {end}{nulls} from {schema}.archive) page order by {ordinal} {direction}"""

_TABLES: Final = "{schema}.events e"
_STREAM: Final = (_TABLES, "e.stream = %(key)s", "e.version")
_CATEGORY: Final = (_TABLES, "split_part(e.stream, '-', 1) = %(key)s", "e.position")
_STORY: Final = (_TABLES, "e.correlation_id = %(key)s", "e.position")
_ALL: Final = (_TABLES, "%(key)s::text is null", "e.position")
_TYPE: Final = (_TABLES, "e.type = %(key)s", "e.position")
_TAG: Final = (
    "{schema}.event_tags t join {schema}.events e on e.position = t.position",
    (
        "t.tag = %(key)s and (%(types)s::text[] is null or t.type = any (%(types)s::text[]))"
        " and not exists (select from unnest(%(others)s::text[]) o(tag) where not exists"
        " (select from {schema}.event_tags x where x.tag = o.tag and x.position = t.position))"
    ),
    "t.position",
)
# Where the event of a tag is archived, its columns are null.
_TAG_OF_ALL: Final = (_TAG[0].replace("join {schema}.events", "left join {schema}.events"), *_TAG[1:])

Way = tuple[str, str, str]
Lane = tuple[Way, dict[str, Any]]


class Statements:
    """The texts of all reads in one schema."""

    def __init__(self, schema: str) -> None:
        events = f'"{schema}".events'
        marked = f'select {_LAST}, null, null, null, null from "{schema}".archive'  # noqa: S608 - a checked name
        self.payloads = (
            f"select * from ((select {_PAYLOAD} from {events} where stream = %s and version > %s"  # noqa: S608
            f" order by version limit %s) union all {marked}) page order by version"
        )
        self.many_payloads = (
            "select p.* from unnest(%s::text[], %s::bigint[], %s::bigint[]) with ordinality a(stream, after, most, ask),"  # noqa: S608
            " lateral (select array_agg(version), array_agg(position), array_agg(type), array_agg(schema_version),"
            f" array_agg(data) from (select {_PAYLOAD} from {events} where stream = a.stream and version > a.after"
            " order by version limit a.most) e) p order by a.ask"
        )
        self.head = f"select coalesce(max(position), 0) from {events}"  # noqa: S608 - a checked name
        self.at = f"select {_COLUMNS} from {events} e where position = any (%s::bigint[]) order by position"  # noqa: S608
        self.ids = f"select {_COLUMNS} from {events} e where id = any (%s::uuid[]) order by position"  # noqa: S608
        self.ways: dict[tuple[Way, bool, bool], str] = {
            (way, whole, backward): _text(schema, way, whole=whole, backward=backward)
            for way in (_STREAM, _CATEGORY, _STORY, _ALL, _TYPE, _TAG, _TAG_OF_ALL)
            for whole in (True, False)
            for backward in (True, False)
        }


def _text(schema: str, way: Way, *, whole: bool, backward: bool) -> str:
    """One way to read: whole events and the mark of an archive, or else their places."""
    tables, key, place = way
    text = (_MARKED.replace("{form}", _FORM) if whole else _FORM).format(
        columns=_COLUMNS.replace("e.position", _position(way)) if whole else place,
        tables=tables,
        key=key,
        place=place,
        position=_position(way),
        direction="desc" if backward else "asc",
        end=0 if backward else _LAST,
        nulls=", null" * 11,
        ordinal=3 if way is _STREAM else 1,
        schema="{schema}",
    )
    return text.replace("{schema}", f'"{schema}"')


def _position(way: Way) -> str:
    return "e.position" if way is _STREAM else way[2]


Page = tuple[Sequence[Payload], bool]
"""A page of what a fold needs, and whether there may be an archive where there is more."""


class Payloads:
    """Pages of streams, for many callers: what is asked for while others are read is read together."""

    def __init__(self, session: Session, steady: Steady, sql: Statements) -> None:
        self._steady, self._sql = steady, sql
        self._line = Line[tuple[str, int, int], Page](session, _together, self._pages)

    async def page(self, stream: str, after: int, until: int | None) -> Page:
        """Up to `PAGE` events of a stream."""
        most = PAGE if until is None else max(0, min(PAGE, until - after))  # versions have no holes
        return await self._line.ask((stream, after, most))

    async def _pages(self, asked: Sequence[tuple[str, int, int]]) -> Sequence[Page]:
        if len(asked) == 1:
            rows = await self._steady.fetch(self._sql.payloads, asked[0], plain=True)
            marked = bool(rows) and rows[-1][0] == _LAST
            return [(cast("Sequence[Payload]", rows[:-1] if marked else rows), marked)]
        streams, afters, most = zip(*asked, strict=True)
        rows = await self._steady.fetch(
            self._sql.many_payloads, (texts(streams), numbers(afters), numbers(most)), plain=True
        )
        return [_page_of(row) for row in rows]


def _page_of(columns: tuple[Any, ...]) -> Page:
    if columns[0] is None:
        return (), True  # it may be archived: whoever needs to know looks
    return list(zip(*columns, strict=True)), False


def _together(waiting: Iterator[object]) -> int:
    return sum(1 for _ in islice(waiting, _MOST))


async def rows(session: Steady, sql: Statements, selection: Selection, *, strict: bool = False) -> Sequence[Row]:
    """A page of whole events. Raises `Gone` at a tag of an archived event if it is `strict`, else leaves that out."""
    lanes = _lanes(selection.source, strict=strict)
    if len(lanes) == 1:
        return _all_there((await _page(session, sql, lanes[0], selection))[0])
    return await _matching(session, sql, lanes, selection)


async def rows_and_mark(session: Steady, sql: Statements, selection: Selection) -> tuple[Sequence[Row], bool | None]:
    """A page of whole events, and whether there is an archive; `None` if that takes more than one statement."""
    lanes = _lanes(selection.source, strict=True)
    return await _page(session, sql, lanes[0], selection) if len(lanes) == 1 else ((), None)


async def _matching(session: Steady, sql: Statements, lanes: Sequence[Lane], selection: Selection) -> Sequence[Row]:
    found: set[int] = set()
    bounds = _bounds(await _bounded(session, sql, selection))
    for way, key in lanes:
        text = sql.ways[way, False, selection.backward]
        found.update(position for (position,) in await session.fetch(text, {**key, **bounds}))
    page = sorted(found, reverse=selection.backward)[: selection.limit]
    rows = (await _made(session, sql.at, (page,)))[:: -1 if selection.backward else 1]
    if len(rows) < len(page) and any(way is _TAG_OF_ALL for way, _ in lanes):
        raise Gone(min({*page} - {row.position for row in rows}))
    return rows


def _all_there(rows: Sequence[Row]) -> Sequence[Row]:
    for row in rows:
        if not row.stream:
            raise Gone(row.position)
    return rows


async def _bounded(session: Steady, sql: Statements, selection: Selection) -> Selection:
    """Up to what is there now: each lane is read later than the one before it, and would else see more than that."""
    ((head,),) = await session.fetch(sql.head)
    until = selection.position_until
    return replace(selection, position_until=head if until is None else min(until, head))


def _lanes(source: Source, *, strict: bool) -> list[Lane]:
    match source:
        case Matching(query) if query.items:
            return [lane for item in query.items for lane in _lanes_of(item, strict=strict)]
        case Matching():
            return [(_ALL, {"key": None})]
        case InStream(name):
            return [(_STREAM, {"key": name})]
        case InCategory(name):
            return [(_CATEGORY, {"key": name})]
        case InStory(name):
            return [(_STORY, {"key": name})]


def _lanes_of(item: QueryItem, *, strict: bool) -> Iterator[Lane]:
    yield from _tag_lane(item, strict=strict) if item.tags else _type_lanes(item)


def _tag_lane(item: QueryItem, *, strict: bool) -> Iterator[Lane]:
    first, *others = sorted(item.tags)
    yield (_TAG_OF_ALL if strict else _TAG), {"key": first, "others": others, "types": sorted(item.types) or None}


def _type_lanes(item: QueryItem) -> Iterator[Lane]:
    for type in sorted(item.types):
        yield _TYPE, {"key": type}


async def _page(session: Steady, sql: Statements, lane: Lane, selection: Selection) -> tuple[Sequence[Row], bool]:
    way, key = lane
    rows = await _made(session, sql.ways[way, True, selection.backward], {**key, **_bounds(selection)})
    marked = bool(rows) and rows[-1].position == (0 if selection.backward else _LAST)
    return (rows[:-1] if marked else rows), marked


async def _made(session: Steady, text: str, values: Sequence[Any] | dict[str, Any]) -> list[Row]:
    return made(await session.fetch(text, values, plain=True))


def _bounds(selection: Selection) -> dict[str, int | None]:
    s = selection
    return {
        "low": s.after if s.after is not None and not s.backward else -1,
        "high": s.after if s.after is not None and s.backward else _LAST,
        "last": _LAST if s.position_until is None else s.position_until,
        "from": s.recorded_from,
        "until": s.recorded_until,
        "limit": s.limit,
    }


async def by_ids(session: Steady, sql: Statements, ids: Sequence[bytes]) -> Sequence[Row]:
    """The events with these ids, by position."""
    return await _made(session, sql.ids, ([id.hex() for id in ids],))
