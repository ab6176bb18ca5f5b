"""Rows as Parquet and back: the same bytes, in columns that other tools can read."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final, cast

from refold.archiving import is_selected
from refold.errors import MissingExtra
from refold.ports import InStory, InStream, Matching, Selection
from refold.rows import Row, made

try:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq
except ImportError as error:
    raise MissingExtra("pyarrow", "arrow") from error

_GROUP: Final = 10_000
"""How many events a row group holds."""
_SLICE: Final = 1_000

_TIME: Final = pa.timestamp("us", tz="UTC")
_TYPES: Final[dict[str, pa.DataType]] = {
    "position": pa.int64(), "stream": pa.string(), "version": pa.int64(), "id": pa.binary(16), "type": pa.string(),
    "schema_version": pa.int32(), "data": pa.string(), "tags": pa.string(), "recorded_at": _TIME, "valid_at": _TIME,
    "correlation_id": pa.string(), "causation_id": pa.string(), "actor": pa.string(), "metadata": pa.string(),
}  # fmt: skip
_SCHEMA: Final = pa.schema(_TYPES)
_BYTES: Final = {"data": pa.binary(), "metadata": pa.binary(), "recorded_at": pa.int64(), "valid_at": pa.int64()}
"""What a row has in place of what is written."""


def written(rows: Sequence[Row]) -> bytes:
    """The content of a file with these rows."""
    columns = {name: [row[index] for row in rows] for index, name in enumerate(Row._fields)}
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pydict(columns, schema=_SCHEMA), sink, row_group_size=_GROUP, compression="zstd")
    return bytes(sink.getvalue())


class Events:
    """The events of one file, by position."""

    def __init__(self, content: bytes, count: int) -> None:
        """Raises whatever pyarrow does when the content is no such file, or `ValueError` if it does not have so many rows."""
        # Without threads of Arrow's: one that still runs when the program ends, ends it with an abort.
        file = pq.ParquetFile(pa.BufferReader(content), pre_buffer=False)
        if file.metadata.num_rows != count:
            raise ValueError(f"it has {file.metadata.num_rows:,} rows, not {count:,}")
        table = file.read(use_threads=False).select(list(Row._fields))
        for name, type in _BYTES.items():
            table = table.set_column(table.schema.get_field_index(name), name, table.column(name).cast(type))
        self._table = table.sort_by("position").combine_chunks()

    def all(self) -> Sequence[Row]:
        """All of them, by stream and version, as they were written."""
        return list(_rows(self._table.sort_by([("stream", "ascending"), ("version", "ascending")])))

    def page(self, selection: Selection, streams: Collection[str]) -> Sequence[Row]:
        """A page of a selection, of the events of these streams."""
        found: list[Row] = []
        for row in _rows(self._table.filter(_wanted(selection)), backward=selection.backward):
            if len(found) == selection.limit:
                break
            if row.stream in streams and is_selected(selection, row):
                found.append(row)
        return found

    def with_ids(self, ids: Collection[bytes]) -> Sequence[Row]:
        """Those with these ids."""
        return list(_rows(self._table.filter(pc.field("id").isin(pa.array(list(ids), pa.binary(16))))))


def _wanted(selection: Selection) -> Any:  # noqa: ANN401 - pyarrow has no types
    """What Arrow can tell of a selection: bounds, and what one column says."""
    s, place = selection, "version" if isinstance(selection.source, InStream) else "position"
    wanted = pc.field("position") >= 0
    if s.after is not None:
        wanted &= pc.field(place) < s.after if s.backward else pc.field(place) > s.after
    if s.recorded_from is not None:
        wanted &= pc.field("recorded_at") >= s.recorded_from
    if s.recorded_until is not None:
        wanted &= pc.field("recorded_at") <= s.recorded_until
    if s.position_until is not None:
        wanted &= pc.field("position") <= s.position_until
    match s.source:
        case InStream(stream):
            wanted &= pc.field("stream") == stream
        case InStory(correlation_id):
            wanted &= pc.field("correlation_id") == correlation_id
        case Matching(query) if query.items and all(item.types for item in query.items):
            wanted &= pc.field("type").isin(sorted({type for item in query.items for type in item.types}))
        case _:
            pass
    return wanted


def _rows(table: pa.Table, *, backward: bool = False) -> Iterator[Row]:
    """The rows of a table, a slice at a time."""
    starts = range(0, table.num_rows, _SLICE)
    for start in reversed(starts) if backward else starts:
        some = table.slice(start, _SLICE)
        columns = [some.column(name).to_pylist() for name in Row._fields]
        page = made(cast("Iterator[tuple[Any, ...]]", zip(*columns, strict=True)))
        yield from reversed(page) if backward else page
