"""Pages of events out of SQLite: one prepared statement for each way to read, an index behind each."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final, cast

import apsw
from msgspec.structs import replace

from refold.archiving import Gone
from refold.ports import PAGE, InCategory, InStory, InStream, Matching, Selection
from refold.query import Query, QueryItem
from refold.rows import Payload, Row, made

_END: Final = (1 << 62) - 1
_COLUMNS: Final = ", ".join(f"e.{name}" for name in Row._fields)

# Every statement takes the same four parameters: its key, two exclusive bounds of the place that it is ordered by, and
# the inclusive bounds of position that times and positions were turned into.
_FORM: Final = """
select {columns} from {tables}
where {key} and {place} > :low and {place} < :high and {position} between :first and :last
order by {place} {direction} limit :limit"""

_KEYS: Final = {
    InStream: ("events e", "e.stream = :key", "e.version"),
    InCategory: ("events e", "e.category = :key", "e.position"),
    InStory: ("events e", "e.correlation_id = :key", "e.position"),
    Query: ("events e", ":key is null", "e.position"),
}

# One type, or one tag with the item's other tags and types as JSON arrays: what a query item is looked up by.
_BY_TYPE: Final = ("events e", "e.type = :key", "e.position")
_BY_TAG: Final = (
    "event_tags t join events e on e.position = t.position",
    (
        "t.tag = :key and (:types is null or t.type in (select value from json_each(:types)))"
        " and not exists (select 1 from json_each(:others) o where not exists"
        " (select 1 from event_tags x where x.tag = o.value and x.position = t.position))"
    ),
    "t.position",
)
# Where the event of a tag is archived, its columns are null.
_BY_TAG_OF_ALL: Final = (_BY_TAG[0].replace("join events", "left join events"), *_BY_TAG[1:])

PAYLOADS: Final = f"""
select version, position, type, schema_version, data from events
where stream = ? and version > ? and version <= ? order by version limit {PAGE}"""  # noqa: S608 - a constant

# The columns' names are ours: no value of a caller's gets into the text of a statement.
_AT_POSITIONS: Final = f"select {_COLUMNS} from json_each(:positions) p join events e on e.position = p.value"  # noqa: S608
_WITH_IDS: Final = f"select {_COLUMNS} from json_each(:ids) i join events e on e.id = unhex(i.value)"  # noqa: S608
_KNOWN: Final = "select e.id from json_each(:ids) i cross join events e on e.id = unhex(i.value)"
_LAST_ARCHIVED: Final = "select max(last_position) from refold_archived_types where type = ? and last_position > ?"
_RECORDED_AT: Final = "select recorded_at from events where position >= ? order by position limit 1"

Lane = tuple[tuple[str, str, str], dict[str, str | None]]


def payloads(db: apsw.Connection, stream: str, after: int, until: int | None) -> Sequence[Payload]:
    """A page of what a fold needs."""
    rows: Any = db.execute(PAYLOADS, (stream, after, _END if until is None else until)).fetchall()
    return cast("Sequence[Payload]", rows)


def rows(db: apsw.Connection, selection: Selection, *, strict: bool = False) -> Sequence[Row]:
    """A page of whole events. Raises `Gone` at a tag of an archived event if it is `strict`, else leaves that out."""
    match selection.source:
        case Matching(query) if query.items:
            return _matching(db, query, selection, strict)
        case Matching():
            return _page(db, (_KEYS[Query], {"key": None}), selection)
        case InStream(name):
            return _page(db, (_KEYS[InStream], {"key": name}), selection)
        case InCategory(name):
            return _page(db, (_KEYS[InCategory], {"key": name}), selection)
        case InStory(name):
            return _page(db, (_KEYS[InStory], {"key": name}), selection)


def last_match(db: apsw.Connection, query: Query, after: int) -> int:
    """The last position above `after` that matches the query, or 0."""
    one = Selection(after=_END, backward=True, limit=1)
    everything: Lane = (_KEYS[Query], {"key": None})
    lanes = _lanes(query, strict=True) if query.items else [everything]
    found = (_positions(db, lane, one, above=after) for lane in lanes)
    live = max((positions[0] for positions in found if positions), default=0)
    types = {type for item in query.items if not item.tags for type in item.types}
    return max([live, *(db.execute(_LAST_ARCHIVED, (type, after)).get or 0 for type in types)])


def _matching(db: apsw.Connection, query: Query, selection: Selection, strict: bool) -> Sequence[Row]:  # noqa: FBT001 - handed on
    lanes = list(_lanes(query, strict=strict))
    if len(lanes) == 1:
        return _all_there(_page(db, lanes[0], selection))
    last = head(db)  # each lane is read later than the one before it, and would else see more than that
    until = selection.position_until
    selection = replace(selection, position_until=last if until is None else min(until, last))
    found = {position for lane in lanes for position in _positions(db, lane, selection)}
    page = sorted(found, reverse=selection.backward)[: selection.limit]
    rows = by_position(db, page, backward=selection.backward)
    if len(rows) < len(page) and strict:
        raise Gone(min({*page} - {row.position for row in rows}))
    return rows


def _all_there(rows: Sequence[Row]) -> Sequence[Row]:
    for row in rows:
        if not row.stream:
            raise Gone(row.position)
    return rows


def _lanes(query: Query, *, strict: bool) -> Iterator[Lane]:
    for item in query.items:
        yield from _tag_lane(item, strict=strict) if item.tags else _type_lanes(item)


def _tag_lane(item: QueryItem, *, strict: bool) -> Iterator[Lane]:
    first, *others = sorted(item.tags)
    types = json.dumps(sorted(item.types)) if item.types else None
    yield (_BY_TAG_OF_ALL if strict else _BY_TAG), {"key": first, "others": json.dumps(others), "types": types}


def _type_lanes(item: QueryItem) -> Iterator[Lane]:
    for type in sorted(item.types):
        yield _BY_TYPE, {"key": type}


def _page(db: apsw.Connection, lane: Lane, selection: Selection) -> Sequence[Row]:
    (tables, key, place), params = lane
    text = _STATEMENTS[tables, key, place, _COLUMNS, selection.backward]
    return made(db.execute(text, {**params, **_bounds(db, selection)}))


def _positions(db: apsw.Connection, lane: Lane, selection: Selection, above: int = 0) -> list[int]:
    (tables, key, place), params = lane
    text = _STATEMENTS[tables, key, place, place, selection.backward]
    bounds = _bounds(db, selection)
    return [position for (position,) in db.execute(text, {**params, **bounds, "low": max(above, bounds["low"])})]


_STATEMENTS: Final = {
    (tables, key, place, columns, backward): _FORM.format(
        columns=columns.replace("e.position", place) if place == "t.position" else columns,
        tables=tables,
        key=key,
        place=place,
        position="e.position" if place == "e.version" else place,
        direction="desc" if backward else "asc",
    )
    for tables, key, place in (*_KEYS.values(), _BY_TYPE, _BY_TAG, _BY_TAG_OF_ALL)
    for columns in (_COLUMNS, place)
    for backward in (False, True)
}


def _bounds(db: apsw.Connection, selection: Selection) -> dict[str, int]:
    s = selection
    low = s.after if s.after is not None and not s.backward else -1
    high = s.after if s.after is not None and s.backward else _END
    first = 0 if s.recorded_from is None else last_until(db, s.recorded_from - 1) + 1
    last = _END if s.recorded_until is None else last_until(db, s.recorded_until)
    if s.position_until is not None:
        last = min(last, s.position_until)
    if not isinstance(
        s.source, InStream
    ):  # both say something of positions: SQLite walks along one of them, so let them agree
        first, last = max(first, low + 1), min(last, high - 1)
    return {"low": low, "high": high, "first": first, "last": last, "limit": s.limit}


def last_until(db: apsw.Connection, moment: int) -> int:
    """The last position recorded at or before a moment, by bisection: times never go backwards along positions."""
    low, high = 0, head(db)
    while low < high:
        middle = (low + high + 1) // 2
        found = db.execute(_RECORDED_AT, (middle,)).get
        low, high = (middle, high) if found <= moment else (low, middle - 1)
    return low


def head(db: apsw.Connection) -> int:
    """The last position; 0 if empty."""
    return int(db.execute("select coalesce(max(position), 0) from events").get)


def by_position(db: apsw.Connection, positions: Sequence[int], *, backward: bool = False) -> Sequence[Row]:
    """The events at these positions, in their order."""
    found = db.execute(
        _AT_POSITIONS,
        {"positions": json.dumps(positions)},
    )
    return sorted(made(found), key=lambda row: row.position, reverse=backward)


def by_ids(db: apsw.Connection, ids: Sequence[bytes]) -> Sequence[Row]:
    """The events with these ids, by position."""
    found = db.execute(_WITH_IDS, {"ids": json.dumps([id.hex() for id in dict.fromkeys(ids)])})
    return sorted(made(found), key=lambda row: row.position)


def known_ids(db: apsw.Connection, ids: Sequence[bytes]) -> list[bytes]:
    """Which of these ids stand in the store: mostly none."""
    if len(ids) == 1:
        return [id for id in ids if db.execute("select 1 from events where id = ?", (id,)).fetchone()]
    return [found for (found,) in db.execute(_KNOWN, {"ids": json.dumps([id.hex() for id in ids])})]
