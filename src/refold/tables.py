"""Table: rows of a read model as values of a class, in a table that Refold makes."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal
from enum import EnumType
from functools import cached_property
from math import isnan
from operator import attrgetter
from types import NoneType, UnionType
from typing import Any, Final, Generic, TypeAlias, TypeVar, Union, cast, get_args, get_origin, get_type_hints
from uuid import UUID

import msgspec

from refold.errors import UsageError, shortened

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
        raise ValueError("it has a time zone, which no column keeps of a time of day: take a datetime.")
    return value.isoformat(timespec="microseconds")


def _key_moment(value: datetime) -> str:
    if value.tzinfo is None:
        raise ValueError("in a key it must have a time zone, to be one moment: write datetime(..., tzinfo=UTC).")
    return _moment(value)


def _key_float(value: float) -> float:
    if isnan(value):
        raise ValueError("in a key it would be equal to nothing, not even to itself.")
    return float(value)


def _decimal(value: Decimal | int) -> str:
    return str(value if isinstance(value, Decimal) else int(value))


def _key_decimal(value: Decimal | int) -> str:
    """One text for all that are equal: 1.00 and 1, 1E+2 and 100, -0 and 0. PostgreSQL, too, has them as one."""
    bare = _EVERY_DIGIT.normalize(value or _NOTHING)
    return format(bare, "f" if abs(bare.adjusted()) < _LONG else "")


_EVERY_DIGIT: Final = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)
_NOTHING: Final = Decimal()
_LONG: Final = 100
"""Decimals of so many digits before or after the point keep their power of ten: written out, 1E+999999999 is a gigabyte."""


def _microseconds(value: timedelta) -> int:
    return value // timedelta(microseconds=1)


# How a field of a class is kept: in SQLite, in PostgreSQL, and how its value gets there. Anything else is JSON.
# A text's own `__str__` gives its characters, also where it is the member of an enum.
_KINDS: Final[Mapping[type[Any], tuple[str, str, Callable[[Any], SqlValue]]]] = {
    bool: ("integer", "boolean", bool),
    int: ("integer", "bigint", int),
    float: ("real", "double precision", float),
    str: ("text", "text", str.__str__),
    bytes: ("blob", "bytea", bytes),
    datetime: ("text", "timestamptz", _moment),
    date: ("text", "date", date.isoformat),
    time: ("text", "time", _time),
    timedelta: ("integer", "bigint", _microseconds),
    Decimal: ("text", "numeric", _decimal),
    UUID: ("text", "uuid", str),
}
_TAKEN: Final[Mapping[type[Any], tuple[type[Any], ...]]] = {float: (float, int), Decimal: (Decimal, int)}
"""Whose values a field may have that are not of its class alone, and equal to some that are."""


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _key_json(value: object) -> str:
    return msgspec.json.encode(value, order="deterministic").decode()


_IN_KEYS: Final[Mapping[Callable[[Any], SqlValue], Callable[[Any], SqlValue]]] = {
    _moment: _key_moment, float: _key_float, _decimal: _key_decimal, _json: _key_json
}  # fmt: skip
"""How that goes in a key, where several stand for one value, or one for none: there they are alike, or refused."""


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


@dataclass(frozen=True, slots=True)
class Column:
    """How one field is kept."""

    name: str
    sqlite: str
    postgres: str
    nullable: bool
    takes: tuple[type[Any], ...]
    value: Callable[[Any], SqlValue]
    is_json: bool
    back: Callable[[object], object]

    @staticmethod
    def of(name: str, kind: Any, *, table: str = "", in_key: bool = False) -> Column:
        """The column for a field's annotation."""
        options = [option for option in _options(kind) if option is not NoneType]
        nullable = NoneType in _options(kind)
        cls: Any = options[0] if len(options) == 1 else object
        base = _base_of(cls)
        is_json = base not in _KINDS  # in which null is a value as any other
        sqlite, postgres, convert = _KINDS.get(base, ("text", "jsonb", _json))
        if base is not cls:
            convert = attrgetter("value")
        elif in_key:
            convert = _IN_KEYS.get(convert, convert)
        takes = (object,) if is_json else (*_TAKEN.get(cls, (cls,)), NoneType)
        value = _fitting(f"field {name!r} of table {table!r}", takes, convert, or_null=nullable or not is_json)
        back = _from_json if is_json else _BACK.get(base, _as_it_is)
        return Column(name, sqlite, postgres, nullable, takes, value, is_json, back)

    def read(self, value: object) -> object:
        """A stored value, as far as the class cannot read it by itself."""
        return self.back(value)


def _fitting(
    field: str, takes: tuple[type[Any], ...], convert: Callable[[Any], SqlValue], *, or_null: bool
) -> Callable[[Any], SqlValue]:
    """How a value goes into a column that it fits; what does not is told with the field, since many go there at once.

    None is null, and where that must not be the database says so: as a text it would be 'None'.
    """

    def fitted(value: Any) -> SqlValue:
        if value is None and or_null:
            return None
        try:
            if isinstance(value, takes):
                return convert(value)
        except Exception as error:
            raise UsageError(f"{field} cannot be {shortened(value)}: {error}") from error
        raise UsageError(
            f"{field} cannot be {shortened(value)}, which is no {takes[0].__name__}: let the handler make one of it, or give the "
            "field another type."
        )

    return fitted


def _base_of(cls: Any) -> Any:
    """What values of a class are kept as: members of an enum, of which msgspec reads only texts or integers, as these."""
    members: Any = cls.__members__ if isinstance(cls, EnumType) else {}
    return next((member.value.__class__ for member in members.values()), cls)


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
