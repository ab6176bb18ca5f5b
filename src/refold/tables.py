"""Table: rows of a read model as values of a class, in a table that Refold makes."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal
from enum import Enum
from functools import cached_property
from math import isnan
from types import NoneType, UnionType
from typing import Any, Final, Generic, TypeAlias, TypeVar, Union, cast, get_args, get_origin, get_type_hints
from uuid import UUID

import msgspec

from refold.errors import UsageError

R = TypeVar("R")

SqlValue: TypeAlias = int | float | str | bytes | None
Place: TypeAlias = tuple[SqlValue, ...]
"""The values of a row's key."""

_NAME: Final = re.compile(r"[a-z_][a-z0-9_]*")


def _moment(value: datetime) -> str:
    """In UTC and always of one length, so that as text, too, the earlier is the less."""
    return (value if value.tzinfo is None else value.astimezone(UTC)).isoformat(timespec="microseconds")


def _time(value: time) -> str:
    if value.tzinfo is not None:
        raise UsageError(
            f"{value!r} is a time of day with a time zone, which no column of a table keeps: take a datetime."
        )
    return value.isoformat(timespec="microseconds")


def _key_moment(value: datetime) -> str:
    if value.tzinfo is None:
        raise UsageError(
            f"{value!r} in a key has no time zone, so it is no one moment: write datetime(..., tzinfo=UTC)."
        )
    return _moment(value)


def _key_float(value: float) -> float:
    if isnan(value):
        raise UsageError("nan is equal to nothing, not even to itself, and so is no key of a row.")
    return float(value)


def _key_decimal(value: Decimal) -> str:
    """One text for all that are equal: 1.00 and 1, 1E+2 and 100, -0 and 0. PostgreSQL, too, has them as one."""
    bare = _EVERY_DIGIT.normalize(value or _NOTHING)
    return format(bare, "f" if abs(bare.adjusted()) < _LONG else "")


_EVERY_DIGIT: Final = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)
_NOTHING: Final = Decimal()
_LONG: Final = 100
"""Decimals of so many digits before or after the point keep their power of ten: written out, 1E+999999999 is a gigabyte."""


def _key_json(value: object) -> str:
    return msgspec.json.encode(value, order="deterministic").decode()


def _microseconds(value: timedelta) -> int:
    return value // timedelta(microseconds=1)


# How a field of a class is kept: in SQLite, in PostgreSQL, and how its value gets there. Anything else is JSON.
_KINDS: Final[Mapping[type[Any], tuple[str, str, Callable[[Any], SqlValue]]]] = {
    bool: ("integer", "boolean", bool),
    int: ("integer", "bigint", int),
    float: ("real", "double precision", float),
    str: ("text", "text", str),
    bytes: ("blob", "bytea", bytes),
    datetime: ("text", "timestamptz", _moment),
    date: ("text", "date", date.isoformat),
    time: ("text", "time", _time),
    timedelta: ("integer", "bigint", _microseconds),
    Decimal: ("text", "numeric", str),
    UUID: ("text", "uuid", str),
}

_IN_KEYS: Final[Mapping[type[Any], Callable[[Any], SqlValue]]] = {
    datetime: _key_moment, float: _key_float, Decimal: _key_decimal
}  # fmt: skip
"""Those of which several stand for one value, or one for none: in keys they are alike, or refused."""


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
        """The row is so from now on: inserted, or in place of the one with its key."""
        return Put(self, tuple(self.columns[name].value(getattr(row, name)) for name in self.key), row)

    def patch(self, key: object, /, **fields: object) -> Patch:
        """These fields of the row are so from now on; where there is no such row, nothing happens.

        Raises:
            UsageError: a field is not there, or belongs to the key.
        """
        for name in fields:
            if name not in self.columns or name in self.key:
                raise UsageError(f"table {self.name!r} has no field {name!r} beside its key to patch.")
        return Patch(self, self.place(key), fields)

    def delete(self, key: object) -> Delete:
        """The row is not there any more; where it was not, nothing happens."""
        return Delete(self, self.place(key))

    def place(self, key: object) -> Place:
        """The key's values as they stand in the table.

        Raises:
            UsageError: it has more or fewer values than the key has fields.
        """
        values = cast("tuple[object, ...]", key) if isinstance(key, tuple) else (key,)
        if len(values) != len(self.key):
            raise UsageError(f"{key!r} is no key of table {self.name!r}: its key is ({', '.join(self.key)}).")
        return tuple(self.columns[name].value(value) for name, value in zip(self.key, values, strict=True))

    def place_of(self, row: R) -> Place:
        """Where a row stands."""
        return self.put(row).place

    @cached_property
    def columns(self) -> Mapping[str, Column]:
        """Each field's name and how it is kept."""
        return {name: Column.of(name, kind, in_key=name in self.key) for name, kind in get_type_hints(self.row).items()}

    def values(self, row: R) -> Mapping[str, SqlValue]:
        """A row as it is stored."""
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


@dataclass(frozen=True, slots=True)
class Column:
    """How one field is kept."""

    name: str
    sqlite: str
    postgres: str
    nullable: bool
    value: Callable[[Any], SqlValue]
    is_json: bool
    back: Callable[[object], object]

    @staticmethod
    def of(name: str, kind: Any, *, in_key: bool = False) -> Column:
        """The column for a field's annotation."""
        options = [option for option in _options(kind) if option is not NoneType]
        nullable = NoneType in _options(kind)
        base = options[0] if len(options) == 1 else object
        if isinstance(base, type) and issubclass(base, Enum):
            base = type(cast("object", next(iter(base)).value))  # all are texts, or integers: msgspec reads no others
            convert: Callable[[Any], SqlValue] = lambda member: cast("SqlValue", member.value)  # noqa: E731 - a table of functions
        else:
            convert = _KINDS[base][2] if base in _KINDS else _key_json if in_key else _json
            convert = _IN_KEYS.get(cast("type[Any]", base), convert) if in_key else convert
        sqlite, postgres = _KINDS[base][:2] if base in _KINDS else ("text", "jsonb")
        is_json = base not in _KINDS  # in which null is a value as any other
        back = _from_json if is_json else _BACK.get(cast("type[Any]", base), _as_it_is)
        return Column(
            name, sqlite, postgres, nullable, _or_none(convert) if nullable or not is_json else convert, is_json, back
        )

    def read(self, value: object) -> object:
        """A stored value, as far as the class cannot read it by itself."""
        return self.back(value)


def _options(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)


def _as_it_is(value: object) -> object:
    return value


def _from_json(value: object) -> object:
    return msgspec.json.decode(value) if isinstance(value, str) else value


def _from_microseconds(value: object) -> object:
    found = _from_json(value)  # a column of SQLite that was made for JSON holds numbers as text
    return timedelta(microseconds=found) if isinstance(found, int) else found


def _from_time(value: object) -> object:
    return _from_json(value) if isinstance(value, str) and value.startswith('"') else value


def _from_flag(value: object) -> object:
    return value == 1 if value in {0, 1} else value  # SQLite has no bools


_BACK: Final[Mapping[type[Any], Callable[[object], object]]] = {
    bool: _from_flag, time: _from_time, timedelta: _from_microseconds
}  # fmt: skip
"""Times of day and spans were JSON once, and still read as that."""


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _or_none(convert: Callable[[Any], SqlValue]) -> Callable[[Any], SqlValue]:
    """None is null, and where that must not be the database says so: as a text it would be 'None'."""
    return lambda value: None if value is None else convert(value)
