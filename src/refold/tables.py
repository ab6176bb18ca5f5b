"""Table: rows of a read model as values of a class, in a table that Refold makes."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import Any, Final, Generic, TypeAlias, TypeVar, cast, get_type_hints

import msgspec

from refold.columns import Column, SqlValue
from refold.errors import UsageError

R = TypeVar("R")

Place: TypeAlias = tuple[SqlValue, ...]
"""The values of a row's key."""

_NAME: Final = re.compile(r"[a-z_][a-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Key(Generic[R]):
    """A row of a table, by its key: for `get=`."""

    table: Table[R]
    place: Place


@dataclass(frozen=True, slots=True)
class Put:
    """The row is so from now on, whatever it was."""

    table: Table[Any]
    place: Place
    row: object


@dataclass(frozen=True, slots=True)
class Patch:
    """These fields of the row are so from now on; a row that is not there stays so."""

    table: Table[Any]
    place: Place
    fields: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Delete:
    """The row is not there any more."""

    table: Table[Any]
    place: Place


Change: TypeAlias = Put | Patch | Delete


class Table(Generic[R]):
    """The table `name` of rows that are values of a dataclass or `msgspec.Struct`; Refold makes it from the fields.

    `key`: the field, or the fields, that tell rows apart. Numbers, texts, bytes, bools, times, `Decimal`, `UUID`, and enums
    of integers or of texts, get a column of the database's own type, `... | None` one that may be null; any other field is
    kept as JSON. A `datetime` is kept in UTC, a `timedelta` as a number of microseconds. SQLite has times as text, which sorts
    as they do, and has no type for a `Decimal`: that is text there, so "9.90" comes after "29.90". Where it is to be
    sorted, compared or added up, take an integer of the smallest unit, such as cents. In a key equal decimals are one, kept
    without zeros at their end; a `datetime` there has a time zone, and no field of it may be None.

    Raises:
        UsageError: the name is no plain lower-case SQL name, the class has no fields, none of the key's name, one of the key
            that may be None, or one that msgspec cannot read, such as an enum of both numbers and texts.
    """

    def __init__(self, name: str, row: type[R], *, key: str | Sequence[str]) -> None:
        if not _NAME.fullmatch(name):
            raise UsageError(f"{name!r} is no name for a table: take lower-case letters, digits and underscores.")
        if not (dataclasses.is_dataclass(row) or issubclass(row, msgspec.Struct)):
            raise UsageError(f"rows of table {name!r} are {row!r}: take a frozen dataclass or a msgspec.Struct.")
        try:
            msgspec.json.Decoder(row)
        except TypeError as error:
            raise UsageError(f"rows of table {name!r}, {row.__name__}, could not be read again: {error}.") from error
        self.name, self.row = name, row
        self.key = (key,) if isinstance(key, str) else tuple(key)
        if not self.key or not self.columns.keys() >= set(self.key):
            raise UsageError(f"the key {key!r} of table {name!r} is not among its fields: {', '.join(self.columns)}.")
        for field in self.key:
            if self.columns[field].nullable:
                raise UsageError(
                    f"field {field!r} is in the key of table {name!r} and may be None, which SQL takes for equal to nothing: no "
                    "row would be found again. Give it a value that stands for none, such as '', and an annotation without None."
                )

    def __getitem__(self, key: object) -> Key[R]:
        """The row with a key, for `get=`; a key of several fields is a tuple."""
        return Key(self, self.place(key))

    def put(self, row: R) -> Put:
        """The row is so from now on: inserted, or in place of the one with its key.

        Raises:
            UsageError: a value is none of its field's class.
        """
        if not all(map(isinstance, self._given(row), self._takes)):
            self.values(row)  # says which it is
        return Put(self, self.place_of(row), row)

    def patch(self, key: object, /, **fields: object) -> Patch:
        """These fields of the row are so from now on; where there is no such row, nothing happens.

        Raises:
            UsageError: a field is not there, or belongs to the key, or a value is none of its class.
        """
        for name, value in fields.items():
            if name not in self.columns or name in self.key:
                raise UsageError(f"table {self.name!r} has no field {name!r} beside its key to patch.")
            if not isinstance(value, self.columns[name].takes):
                self.columns[name].value(value)
        return Patch(self, self.place(key), fields)

    def delete(self, key: object) -> Delete:
        """The row is not there any more; where it was not, nothing happens."""
        return Delete(self, self.place(key))

    def place(self, key: object) -> Place:
        """The key's values as they stand in the table.

        Raises:
            UsageError: it has more or fewer values than the key has fields, or one that is none of its field's class.
        """
        values = cast("tuple[object, ...]", key) if isinstance(key, tuple) else (key,)
        if len(values) != len(self.key):
            raise UsageError(f"{key!r} is no key of table {self.name!r}: its key is ({', '.join(self.key)}).")
        return tuple(self.columns[name].value(value) for name, value in zip(self.key, values, strict=True))

    def place_of(self, row: R) -> Place:
        """Where a row stands."""
        return tuple([self.columns[name].value(getattr(row, name)) for name in self.key])

    @cached_property
    def columns(self) -> Mapping[str, Column]:
        """Each field's name and how it is kept."""
        kinds = get_type_hints(self.row)
        return {name: Column.of(name, kind, table=self.name, in_key=name in self.key) for name, kind in kinds.items()}

    @cached_property
    def _given(self) -> Callable[[R], Sequence[object]]:
        """What a row has in its fields; after them once more in the first, since of one alone it would be no sequence."""
        return attrgetter(*self.columns, next(iter(self.columns)))

    @cached_property
    def _takes(self) -> Sequence[tuple[type[Any], ...]]:
        return [column.takes for column in self.columns.values()]

    def values(self, row: R) -> Mapping[str, SqlValue]:
        """A row as it is stored.

        Raises:
            UsageError: a value is none of its field's class, or cannot be kept.
        """
        return {name: column.value(getattr(row, name)) for name, column in self.columns.items()}

    def patched(self, row: R, fields: Mapping[str, object]) -> R:
        """A row with other values."""
        if isinstance(row, msgspec.Struct):
            return msgspec.structs.replace(row, **fields)
        return cast("R", dataclasses.replace(cast("Any", row), **fields))

    def read(self, values: Sequence[object]) -> R:
        """The row that the columns' values are.

        Raises:
            UsageError: they do not fit the class, which then has changed without a new version of the projection.
        """
        found = {name: column.read(value) for (name, column), value in zip(self.columns.items(), values, strict=True)}
        try:
            return msgspec.convert(
                found, self.row, str_keys=True
            )  # as strictly as JSON is read: "null" is a text, not None
        except msgspec.ValidationError as error:
            raise UsageError(
                f"a row of table {self.name!r} does not fit {self.row.__name__} ({error}): {found!r}. When the class changes, "
                "give the projection a new version."
            ) from error

    def __repr__(self) -> str:
        return f"Table({self.name!r}, {self.row.__name__}, key={self.key!r})"
