"""Events as a `pyarrow.Table`, straight from rows, page by page: no class is needed, and few are Python objects at once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias, assert_never, get_args

import msgspec
from msgspec.structs import replace

from refold.arrow.shapes import Kind, ListOf, ObjectOf, Shape, fit, merged_objects, settled, shape_of_objects
from refold.clock import as_text
from refold.errors import MissingExtra, UsageError
from refold.flows.read import Wanted, beyond, without_journals
from refold.ports import PAGE, Backend
from refold.rows import Row

try:
    import pyarrow as pa
except ImportError as error:
    raise MissingExtra("pyarrow", "arrow") from error

ArrowTable: TypeAlias = pa.Table
DataAs: TypeAlias = Literal["json", "struct"]

FIELDS: Final = 1_000
"""How many different keys the data of all events may have that become one struct."""

_TEXT: Final[pa.DataType] = pa.string()
_TYPES: Final[Mapping[Kind, pa.DataType]] = {
    Kind.BOOL: pa.bool_(), Kind.INT: pa.int64(), Kind.LONG: pa.int64(), Kind.FLOAT: pa.float64(),
}  # fmt: skip
_COLUMNS: Final[Mapping[str, pa.DataType]] = {
    "position": pa.int64(),
    "stream": _TEXT,
    "category": _TEXT,
    "stream_id": _TEXT,
    "version": pa.int64(),
    "type": _TEXT,
    "schema_version": pa.int32(),
    "id": _TEXT,
    "recorded_at": pa.timestamp("us", tz="UTC"),
    "valid_at": pa.timestamp("us", tz="UTC"),
    "data": _TEXT,
    "tags": pa.list_(_TEXT),
    "correlation_id": _TEXT,
    "causation_id": _TEXT,
    "actor": _TEXT,
    "metadata": _TEXT,
}
SCHEMA: Final = pa.schema(_COLUMNS)
_DATA: Final = SCHEMA.get_field_index("data")


class Gathered(msgspec.Struct, frozen=True):
    """The events selected, in pages, with their data as JSON, and the shape of the data, if that is wanted."""

    pages: list[pa.Table]
    shape: ObjectOf | None


async def gathered(backend: Backend, wanted: Wanted, data: DataAs) -> Gathered:
    """The events of a selection that stand in the store now.

    Raises:
        UsageError: the data have too many different keys for one struct.
    """
    if data not in get_args(DataAs):
        raise UsageError(f"data={data!r} is not known: write 'json' or 'struct'.")
    pages: list[pa.Table] = []
    shape = ObjectOf({})
    async for rows in _pages(backend, wanted, await backend.head()):
        pages.append(_page(rows))
        if data == "struct":
            shape = _checked(merged_objects(shape, shape_of_objects([_decode(row.data) for row in rows])))
    return Gathered(pages, shape if data == "struct" else None)


async def _pages(backend: Backend, wanted: Wanted, head: int) -> AsyncIterator[Sequence[Row]]:
    selection, left = replace(wanted.selection, position_until=head), wanted.left
    while left != 0:
        limit = PAGE if left is None else min(left, PAGE)
        rows = await backend.read(replace(selection, limit=limit))
        seen = rows if wanted.journals else without_journals(selection, rows)
        if seen:
            yield seen
        if len(rows) < limit:
            return
        selection, left = beyond(selection, rows[-1]), None if left is None else left - len(seen)


def _page(rows: Sequence[Row]) -> pa.Table:
    names = [row.stream.partition("-") for row in rows]
    columns: dict[str, list[Any]] = {
        "position": [row.position for row in rows],
        "stream": [row.stream for row in rows],
        "category": [category for category, _, _ in names],
        "stream_id": [id for _, _, id in names],
        "version": [row.version for row in rows],
        "type": [row.type for row in rows],
        "schema_version": [row.schema_version for row in rows],
        "id": [as_text(row.id) for row in rows],
        "recorded_at": [row.recorded_at for row in rows],
        "valid_at": [row.recorded_at if row.valid_at is None else row.valid_at for row in rows],
        "data": [row.data for row in rows],
        "tags": [_NO_TAGS if row.tags == "[]" else _decode_tags(row.tags) for row in rows],
        "correlation_id": [row.correlation_id for row in rows],
        "causation_id": [row.causation_id for row in rows],
        "actor": [row.actor for row in rows],
        "metadata": [row.metadata for row in rows],
    }
    return pa.Table.from_pydict(columns, schema=SCHEMA)


_NO_TAGS: Final[Sequence[str]] = ()
_decode = msgspec.json.Decoder(dict[str, Any]).decode
_decode_tags = msgspec.json.Decoder(list[str]).decode


def _checked(shape: ObjectOf) -> ObjectOf:
    if len(shape.fields) > FIELDS:
        raise UsageError(
            f"the data of these events have {len(shape.fields):,} different keys, a struct takes {FIELDS:,}: "
            "select fewer types with query=Query.of(types=[...]), or take data='json'."
        )
    return shape


def assembled(gathered: Gathered) -> pa.Table:
    """One table of all pages, with a struct in place of the JSON where there is a shape. The pages are used up."""
    pages, schema = gathered.pages, SCHEMA
    if gathered.shape is not None:
        shape = settled(gathered.shape)
        schema = schema.set(_DATA, pa.field("data", _type(shape)))
        for index, page in enumerate(pages):  # so that the JSON of one page goes before the struct of the next comes
            pages[index] = page.set_column(_DATA, "data", _structs(page, shape))
    return pa.concat_tables(pages) if pages else schema.empty_table()


def _structs(page: pa.Table, shape: Shape) -> pa.Array[Any]:
    objects, fitted = [_decode(str(text)) for text in page.column(_DATA).to_pylist()], fit(shape)
    return pa.array(objects if fitted is None else list(map(fitted, objects)), type=_type(shape))


def _type(shape: Shape) -> pa.DataType:
    match shape:
        case ListOf(of=of):
            return pa.list_(_type(of))
        case ObjectOf(fields=fields):
            return pa.struct([(key, _type(each)) for key, each in fields.items()])
        case Kind():
            return _TYPES.get(shape, _TEXT)
        case _:
            assert_never(shape)
