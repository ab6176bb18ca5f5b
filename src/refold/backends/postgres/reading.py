"""Pages of events out of PostgreSQL: an index behind each way to read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, cast

from msgspec.structs import replace

from refold.archiving import Gone
from refold.backends.postgres.session import Steady
from refold.ports import PAGE, InCategory, InStory, InStream, Matching, Selection
from refold.query import Query, QueryItem
from refold.rows import Payload, Row, made

_END: Final = (1 << 62) - 1
_COLUMNS: Final = (
    "e.position, e.stream, e.version, uuid_send(e.id), e.type, e.schema_version, json_send(e.data), e.tags::text,"
    " e.recorded_at, e.valid_at, e.correlation_id, e.causation_id, e.actor, json_send(e.metadata)"
)
_FORM: Final = """
select {columns} from {tables}
where {key} and {place} > %(low)s and {place} < %(high)s
  and {position} <= %(last)s
  and (%(from)s::bigint is null or {position} > (select {schema}.last_until(%(from)s - 1)))
  and (%(until)s::bigint is null or {position} <= (select {schema}.last_until(%(until)s)))
order by {place} {direction} limit %(limit)s"""

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
        self.payloads = (
            f"select version, position, type, schema_version, json_send(data) from {events}"  # noqa: S608 - a checked name
            f" where stream = %s and version > %s and version <= %s order by version limit {PAGE}"
        )
        self.head = f"select coalesce(max(position), 0) from {events}"  # noqa: S608 - a checked name
        self.at = f"select {_COLUMNS} from {events} e where position = any (%s::bigint[]) order by position"  # noqa: S608
        self.ids = f"select {_COLUMNS} from {events} e where id = any (%s::uuid[]) order by position"  # noqa: S608
        self.ways: dict[tuple[Way, bool, bool], str] = {
            (way, whole, backward): _FORM.format(
                columns=_COLUMNS.replace("e.position", _position(way)) if whole else way[2],
                tables=way[0],
                key=way[1],
                place=way[2],
                position=_position(way),
                direction="desc" if backward else "asc",
                schema="{schema}",
            ).replace("{schema}", f'"{schema}"')
            for way in (_STREAM, _CATEGORY, _STORY, _ALL, _TYPE, _TAG, _TAG_OF_ALL)
            for whole in (True, False)
            for backward in (True, False)
        }


def _position(way: Way) -> str:
    return "e.position" if way is _STREAM else way[2]


async def payloads(session: Steady, sql: Statements, stream: str, after: int, until: int | None) -> Sequence[Payload]:
    """A page of what a fold needs."""
    rows = await session.fetch(sql.payloads, (stream, after, _END if until is None else until))
    return cast("Sequence[Payload]", rows)


async def rows(session: Steady, sql: Statements, selection: Selection, *, strict: bool = False) -> Sequence[Row]:
    """A page of whole events. Raises `Gone` at a tag of an archived event if it is `strict`, else leaves that out."""
    match selection.source:
        case Matching(query) if query.items:
            return await _matching(session, sql, list(_lanes(query, strict=strict)), selection)
        case Matching():
            return await _page(session, sql, (_ALL, {"key": None}), selection)
        case InStream(name):
            return await _page(session, sql, (_STREAM, {"key": name}), selection)
        case InCategory(name):
            return await _page(session, sql, (_CATEGORY, {"key": name}), selection)
        case InStory(name):
            return await _page(session, sql, (_STORY, {"key": name}), selection)


async def _matching(session: Steady, sql: Statements, lanes: Sequence[Lane], selection: Selection) -> Sequence[Row]:
    if len(lanes) == 1:
        return _all_there(await _page(session, sql, lanes[0], selection))
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


def _lanes(query: Query, *, strict: bool) -> Iterator[Lane]:
    for item in query.items:
        yield from _tag_lane(item, strict=strict) if item.tags else _type_lanes(item)


def _tag_lane(item: QueryItem, *, strict: bool) -> Iterator[Lane]:
    first, *others = sorted(item.tags)
    yield (_TAG_OF_ALL if strict else _TAG), {"key": first, "others": others, "types": sorted(item.types) or None}


def _type_lanes(item: QueryItem) -> Iterator[Lane]:
    for type in sorted(item.types):
        yield _TYPE, {"key": type}


async def _page(session: Steady, sql: Statements, lane: Lane, selection: Selection) -> Sequence[Row]:
    way, key = lane
    return await _made(session, sql.ways[way, True, selection.backward], {**key, **_bounds(selection)})


async def _made(session: Steady, text: str, values: Sequence[Any] | dict[str, Any]) -> list[Row]:
    return made(await session.fetch(text, values))


def _bounds(selection: Selection) -> dict[str, int | None]:
    s = selection
    return {
        "low": s.after if s.after is not None and not s.backward else -1,
        "high": s.after if s.after is not None and s.backward else _END,
        "last": _END if s.position_until is None else s.position_until,
        "from": s.recorded_from,
        "until": s.recorded_until,
        "limit": s.limit,
    }


async def by_ids(session: Steady, sql: Statements, ids: Sequence[bytes]) -> Sequence[Row]:
    """The events with these ids, by position."""
    return await _made(session, sql.ids, ([id.hex() for id in ids],))
