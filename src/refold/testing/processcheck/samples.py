"""Events for one instance of a process: those that are given, and small ones made up for the classes that are not."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from itertools import islice
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import msgspec

from refold.errors import UsageError, shortened
from refold.messages import Recorded
from refold.process import Process
from refold.testing.history import in_stream, placed

ID: Final = "1"
"""The key of the instance, unless given events belong to another. Text that is made up is the key, too: a field may hold it."""

_MOST: Final = 8
_DEEPEST: Final = 4
_NUMBERS: Final = 1, 2
_PLAIN: Final[Mapping[object, tuple[object, ...]]] = {
    bool: (False, True),
    int: _NUMBERS,
    float: (1.0, 2.0),
    Decimal: (Decimal(1), Decimal(2)),
    bytes: (b"1",),
    datetime: (datetime(2026, 1, 1, tzinfo=UTC),),
    date: (date(2026, 1, 1),),
    time: (time(12),),
    timedelta: (timedelta(hours=1),),
    UUID: (UUID(int=1),),
    NoneType: (None,),
    None: (None,),
}


def events_for(
    process: Process[Any, Any], classes: Iterable[type[Any]], given: Iterable[object]
) -> tuple[str, tuple[Recorded[Any], ...]]:
    """The key of the instance, and its events: those given, and for each class of which none is, some that are made up.

    Raises:
        UsageError: one cannot be made up, or the key of the first cannot be told.
    """
    first = placed(given)
    id = _key(process, first[0]) if first else ID
    known = {event.data.__class__ for event in first}
    made = [event for cls in classes if cls not in known for event in _made(cls, id)]
    return id, placed((*first, *in_stream(f"test-{id}", *made)))


def check_keys(process: Process[Any, Any], events: Iterable[Recorded[Any]], id: str) -> None:
    """Raises `UsageError` if they do not belong to this one instance."""
    for event in events:
        key = _key(process, event)
        if key != id:
            raise UsageError(
                f"process {process.name!r} is checked for one instance, {id!r}, but {shortened(event.data)} belongs to {key!r}: "
                "give events of one instance for each class, as in check_process(..., events=[...])."
            )


def _key(process: Process[Any, Any], event: Recorded[Any]) -> str:
    try:
        return process.instance_of(event)
    except UsageError as error:
        raise UsageError(f"{error} Give events of one instance, as in check_process(..., events=[...]).") from error


def _made(cls: type[Any], id: str) -> tuple[object, ...]:
    made: list[object] = []
    try:
        made.extend(islice(_built(cls, id, 0), _MOST))
    except Exception as error:
        raise UsageError(
            f"no {cls.__qualname__} can be made up: {error}. Give one, as in check_process(..., events=[...])."
        ) from error
    return tuple(made)


def _built(cls: type[Any], id: str, depth: int) -> Iterator[object]:
    """One of the first value of each field, and one with each other value of each field."""
    hints = get_type_hints(cls, include_extras=True)
    names = [name for name in inspect.signature(cls).parameters if name in hints]
    fields = {name: list(_values(hints[name], id, depth + 1)) for name in names}
    if lacking := [name for name, values in fields.items() if not values]:
        raise TypeError(f"nothing is known of what its field {lacking[0]!r} may hold")
    whole = {name: values[0] for name, values in fields.items()}
    yield cls(**whole)
    for name, values in fields.items():
        yield from (cls(**{**whole, name: value}) for value in values[1:])


def _values(hint: Any, id: str, depth: int) -> Iterator[object]:  # noqa: ANN401, C901 - a table of hints
    alias = getattr(hint, "__value__", None) or getattr(hint, "__supertype__", None)
    origin, args = get_origin(hint), get_args(hint)
    if depth > _DEEPEST:
        return
    if alias is not None:
        yield from _values(alias, id, depth)
    elif origin is Annotated:
        yield from _values(args[0], id, depth)
    elif origin is Literal:
        yield from args
    elif origin in (Union, UnionType):
        for part in args:
            yield from _values(part, id, depth)
    elif hint in _PLAIN:
        yield from _PLAIN[hint]
    elif hint in (str, Any, object):
        yield id
    elif isinstance(hint, type) and issubclass(hint, Enum):
        yield from hint
    elif origin is tuple or hint is tuple:
        yield from _tuples(args, id, depth)
    elif make := _collection(origin or hint):
        yield from _collections(make, args, id, depth)
    elif (cls := _with_fields(hint)) is not None:
        yield from _built(cls, id, depth)


def _collection(cls: Any) -> Callable[[Any], object] | None:  # noqa: ANN401 - a hint is of any class
    """What to make where such a collection, concrete or abstract, is asked for."""
    kinds = (list, dict, set, frozenset)
    return next((kind for kind in kinds if isinstance(cls, type) and cls is not object and issubclass(kind, cls)), None)


def _collections(make: Callable[[Any], object], args: tuple[Any, ...], id: str, depth: int) -> Iterator[object]:
    """One with an element, and an empty one."""
    parts = [list(islice(_values(arg, id, depth + 1), 1)) for arg in args or (str,) * (2 if make is dict else 1)]
    if all(parts):
        yield make([tuple(value for (value,) in parts)] if make is dict else parts[0])
    yield make(())


def _tuples(args: tuple[Any, ...], id: str, depth: int) -> Iterator[object]:
    if not args or args[1:] == (...,):
        yield from _collections(tuple, args[:1], id, depth)
        return
    parts = [list(islice(_values(arg, id, depth + 1), 1)) for arg in args]
    if all(parts):
        yield tuple(values[0] for values in parts)


def _with_fields(hint: Any) -> type[Any] | None:  # noqa: ANN401 - a hint is of any class
    if not isinstance(hint, type):
        return None
    cls: type[Any] = hint
    is_known = hasattr(cls, "__attrs_attrs__") or hasattr(cls, "model_validate_json")
    return cls if is_known or dataclasses.is_dataclass(cls) or issubclass(cls, msgspec.Struct) else None
