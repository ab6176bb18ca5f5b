"""Column: how one field of a table's rows is kept in a database, and read again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal
from enum import EnumType
from math import isnan
from operator import attrgetter
from types import NoneType, UnionType
from typing import Any, Final, TypeAlias, Union, get_args, get_origin
from uuid import UUID

import msgspec

from refold.errors import UsageError, shortened

SqlValue: TypeAlias = int | float | str | bytes | None


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
