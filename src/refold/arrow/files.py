"""Events in Parquet files: written a group of rows at a time, and read so."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO, Final

from refold.arrow.table import SCHEMA
from refold.errors import EventLogError, MissingExtra

try:
    import pyarrow as pa
    import pyarrow.parquet as pq
except ImportError as error:
    raise MissingExtra("pyarrow", "arrow") from error

GROUP: Final = 10_000
"""How many events a row group holds."""
_PAGE: Final = 1_000


def write_parquet(groups: Iterable[Sequence[Mapping[str, Any]]], out: BinaryIO) -> None:
    """A file of row groups. Each event is a mapping by the names of the columns."""
    with pq.ParquetWriter(out, SCHEMA, compression="zstd") as writer:
        for group in groups:
            writer.write_table(pa.Table.from_pylist(list(group), schema=SCHEMA))


def read_parquet(source: BinaryIO) -> tuple[Sequence[str], Iterator[dict[str, Any]]]:
    """The names of the columns, and the rows; times to the microsecond.

    Raises:
        EventLogError: it is no Parquet file. Iterating may raise it too.
    """
    try:
        file = pq.ParquetFile(source)
        return file.schema_arrow.names, _rows(file)
    except pa.ArrowException as error:
        raise EventLogError(f"is no Parquet file that can be read: {error}") from error


def _rows(file: pq.ParquetFile) -> Iterator[dict[str, Any]]:
    try:
        for batch in file.iter_batches(batch_size=_PAGE):
            yield from _in_microseconds(pa.Table.from_batches([batch])).to_pylist()
    except pa.ArrowException as error:
        raise EventLogError(f"is damaged: {error}") from error


def _in_microseconds(table: pa.Table) -> pa.Table:
    """Python's times have no nanoseconds."""
    for index, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type) and field.type.unit == "ns":
            times = table.column(index).cast(pa.timestamp("us", tz=field.type.tz), safe=False)
            table = table.set_column(index, field.name, times)
    return table
