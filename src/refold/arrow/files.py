"""Events in Parquet files: written a group of rows at a time, and read so."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO, Final

from refold.arrow.table import SCHEMA
from refold.errors import EventLogError, MissingExtra

try:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq
except ImportError as error:
    raise MissingExtra("pyarrow", "arrow") from error

GROUP: Final = 10_000
"""How many events a row group holds."""
_PAGE: Final = 1_000
_VALUE: Final = 8
LARGEST: Final = 16 << 20
"""Bytes that are made into rows at once: of a file that is packed well, a few bytes may unpack to any number."""
LARGEST_GROUP: Final = 1 << 30
"""Bytes that a row group may unpack to."""


def write_parquet(groups: Iterable[Sequence[Mapping[str, Any]]], out: BinaryIO) -> None:
    """A file of row groups. Each event is a mapping by the names of the columns."""
    with pq.ParquetWriter(out, SCHEMA, compression="zstd") as writer:
        for group in groups:
            writer.write_table(pa.Table.from_pylist(list(group), schema=SCHEMA))


def read_parquet(source: BinaryIO) -> tuple[Sequence[str], Iterator[dict[str, Any]]]:
    """The names of the columns, and the rows; times to the microsecond.

    Raises:
        EventLogError: it is no Parquet file. Iterating may raise it too, also where it would not fit into memory.
    """
    try:
        texts = _texts(pq.ParquetFile(source))
        source.seek(0)
        file = pq.ParquetFile(source, read_dictionary=texts)  # a text that comes again and again is one in memory, too
        return file.schema_arrow.names, _rows(file)
    except pa.ArrowException as error:
        raise EventLogError(f"is no Parquet file that can be read: {error}") from error


def _texts(file: pq.ParquetFile) -> list[str]:
    """The columns of texts and bytes."""
    columns = (file.schema.column(index) for index in range(len(file.schema)))
    return [column.path for column in columns if column.physical_type == "BYTE_ARRAY"]


def _rows(file: pq.ParquetFile) -> Iterator[dict[str, Any]]:
    try:
        for group in range(file.num_row_groups):
            for batch in file.iter_batches(batch_size=_together(file.metadata.row_group(group)), row_groups=[group]):
                table = _in_microseconds(pa.Table.from_batches([batch]))
                step = table.num_rows if _bytes_of(table) <= LARGEST else 1
                for first in range(0, table.num_rows, step or 1):
                    yield from _checked(table.slice(first, step)).to_pylist()
    except pa.ArrowException as error:
        raise EventLogError(f"is damaged: {error}") from error


def _together(group: pq.RowGroupMetaData) -> int:
    """How many rows of a group are read at once.

    Raises:
        EventLogError: it says of itself that it unpacks to more than the memory should hold.
    """
    columns = [group.column(index) for index in range(group.num_columns)]
    size = sum(max(column.total_uncompressed_size, _VALUE * column.num_values) for column in columns)
    if size > LARGEST_GROUP:
        raise EventLogError(
            f"has a row group of {size:,} bytes when it is unpacked: write groups of {LARGEST_GROUP:,} at most"
        )
    if size > LARGEST * group.num_rows:
        raise EventLogError(f"has rows of more than {LARGEST:,} bytes, which no event is")
    return max(1, min(_PAGE, LARGEST * group.num_rows // max(size, 1)))


def _checked(table: pa.Table) -> pa.Table:
    """Raises `EventLogError` if what is to be made into rows at once is too much: then it is one row."""
    if _bytes_of(table) > LARGEST:
        raise EventLogError(f"has a row of more than {LARGEST:,} bytes, which no event is")
    return table


def _bytes_of(table: pa.Table) -> int:
    """What rows hold, each text as often as it comes."""
    return sum(_bytes_in(chunk) for column in table.columns for chunk in column.chunks)


def _bytes_in(array: Any) -> int:  # noqa: ANN401 - one of pyarrow's arrays
    if isinstance(array, pa.DictionaryArray):
        texts: Any = array.dictionary
        lengths = pc.binary_length(texts).cast(pa.int64())
        return int(pc.sum(lengths.take(array.indices)).as_py() or 0)
    if isinstance(array, pa.StructArray):
        return sum(map(_bytes_in, array.flatten()))
    if isinstance(array, pa.ListArray | pa.LargeListArray | pa.FixedSizeListArray):  # a map is a list of pairs
        return _VALUE * len(array) + _bytes_in(array.flatten())
    return max(_VALUE * len(array), int(array.nbytes))


def _in_microseconds(table: pa.Table) -> pa.Table:
    """Python's times have no nanoseconds."""
    for index, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type) and field.type.unit == "ns":
            times = table.column(index).cast(pa.timestamp("us", tz=field.type.tz), safe=False)
            table = table.set_column(index, field.name, times)
    return table
