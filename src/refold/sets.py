"""Sets in JSON: their items stand in one order, whatever order a set is gone through.

Texts are gone through in another order by each process. Written so, what is equal would be other bytes: another event
under the same id, another command under the same key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import count
from typing import Any, TypeAlias

import msgspec
from msgspec import Raw
from msgspec import inspect as types

Ordering: TypeAlias = Callable[[bytes], bytes]
"""JSON to the same JSON with its sets in order."""

_Order: TypeAlias = Callable[[Raw], Raw]
"""The same of a part. What holds no sets has none, and is not taken apart."""


def ordering(cls: Any) -> Ordering | None:  # noqa: ANN401 - a class, or the annotation of a state
    """What puts the sets in the JSON of a class's values in order; `None` if there are none."""
    try:
        return _ordering(cls)
    except (TypeError, NameError):  # whoever makes its decoder tells what is wrong with it
        return None


@lru_cache(maxsize=4_096)  # forms of commands are made for each that is sent
def _ordering(cls: Any) -> Ordering | None:  # noqa: ANN401 - as above
    order = _order(types.type_info(cls), {})
    return None if order is None else lambda data: bytes(order(Raw(data)))


def _order(info: types.Type, made: dict[int, _Order]) -> _Order | None:
    if not _holds_sets(info, set()):
        return None
    if id(info) not in made:
        made[id(info)] = lambda data: made[id(info)](data)  # noqa: PLW0108 - bound late: it may hold itself
        made[id(info)] = _make(_bare(info), made)
    return made[id(info)]


def _holds_sets(info: types.Type, seen: set[int]) -> bool:
    if id(info) in seen:
        return False
    seen.add(id(info))
    return isinstance(info, _SETS) or any(_holds_sets(part, seen) for part in _parts(info))


def _parts(info: types.Type) -> Iterable[types.Type]:
    match info:
        case types.Metadata(type=part) | types.CollectionType(item_type=part) | types.DictType(value_type=part):
            return (part,)
        case types.UnionType(types=parts):
            return parts
        case _:
            return [part for _, part in _fields(info)]


def _make(info: types.Type, made: dict[int, _Order]) -> _Order:
    match info:
        case types.UnionType():
            return _one_of([(_fits(each), _order(each, made)) for each in info.types])
        case types.CollectionType():
            each = _each(_order(info.item_type, made))
            return _array((lambda items: _sorted(each(items))) if isinstance(info, _SETS) else each)
        case types.DictType():
            each = _each(_order(info.value_type, made))
            return _object(lambda parts: dict(zip(parts, each(parts.values()), strict=True)))
        case _:
            some = _some([(name, _order(part, made)) for name, part in _fields(info)])
            return _array(lambda items: [*some(dict(enumerate(items))).values()]) if _is_array(info) else _object(some)


def _array(done: Callable[[list[Raw]], list[Raw]]) -> _Order:
    """What does not look like its type, since a model writes it otherwise, stays as it is; so do other objects."""
    return lambda data: Raw(_encode(done(_as_items(data)))) if _kind(data) == _ARRAY else data


def _object(done: Callable[[dict[str, Raw]], dict[str, Raw]]) -> _Order:
    return lambda data: Raw(_encode(done(_as_parts(data)))) if _kind(data) == _OBJECT else data


def _each(order: _Order | None) -> Callable[[Iterable[Raw]], list[Raw]]:
    return list if order is None else lambda items: [order(item) for item in items]


def _some(orders: Sequence[tuple[Any, _Order | None]]) -> Callable[[dict[Any, Raw]], dict[Any, Raw]]:
    known = [(name, order) for name, order in dict(orders).items() if order]
    return lambda parts: parts | {name: order(parts[name]) for name, order in known if name in parts}


def _one_of(choices: Sequence[tuple[Callable[[Raw], bool], _Order | None]]) -> _Order:
    """If JSON fits several types of a union, none tells what it is."""

    def ordered(data: Raw) -> Raw:
        fitting = [order for fits, order in choices if fits(data)]
        return fitting[0](data) if len(fitting) == 1 and fitting[0] else data

    return ordered


def _sorted(items: Sequence[Raw]) -> list[Raw]:
    """As their values are sorted; those that are not, as their JSON is."""
    try:
        return sorted(items, key=_decode)
    except TypeError:
        return sorted(items, key=bytes)


def _fits(info: types.Type) -> Callable[[Raw], bool]:
    """Whether JSON may be of one type of a union; of objects, its tag tells."""
    info = _bare(info)
    tag, name = getattr(info, "tag", None), getattr(info, "tag_field", None) or ""
    found = Raw(_encode(tag))
    if _is_array(info):
        return lambda data: _kind(data) == _ARRAY and (tag is None or _as_items(data)[:1] == [found])
    if isinstance(info, types.DictType | types.CustomType) or hasattr(info, "fields"):
        return lambda data: _kind(data) == _OBJECT and (tag is None or _as_parts(data).get(name) == found)
    return lambda _: False


def _is_array(info: types.Type) -> bool:
    is_many = isinstance(info, types.CollectionType | types.TupleType | types.NamedTupleType)
    return is_many or getattr(info, "array_like", False)


def _bare(info: types.Type) -> types.Type:
    """Without its limits; of a pydantic model that is written as its only field is, that."""
    if isinstance(info, types.Metadata):
        return _bare(info.type)
    is_root = isinstance(info, types.CustomType) and getattr(info.cls, "__pydantic_root_model__", False)
    return _bare(_fields(info)[0][1]) if is_root else info


def _fields(info: types.Type) -> Sequence[tuple[Any, types.Type]]:
    """By their names in JSON, or by their places in an array."""
    if isinstance(info, types.CustomType):
        return _model_fields(info.cls)
    if isinstance(info, types.TupleType):
        return list(enumerate(info.item_types))
    fields, tag = getattr(info, "fields", ()), getattr(info, "tag", None)
    names = count(tag is not None) if _is_array(info) else [field.encode_name for field in fields]
    return [(name, field.type) for name, field in zip(names, fields, strict=False)]


@lru_cache(maxsize=4_096)  # also so that a model that holds itself is met again
def _model_fields(cls: Any) -> Sequence[tuple[str, types.Type]]:  # noqa: ANN401 - as the cache has it
    """The fields of a pydantic model, by every name that they may have in JSON."""
    found: list[tuple[str, types.Type]] = []
    for name, field in getattr(cls, "model_fields", {}).items():
        info = _model_type(field.annotation)
        found += [(each, info) for each in dict.fromkeys((name, field.alias, field.serialization_alias)) if each]
    return found


def _model_type(annotation: Any) -> types.Type:  # noqa: ANN401 - as above
    try:
        return types.type_info(annotation)
    except TypeError:  # pydantic has more: `str | datetime`
        return types.AnyType()


_SETS = (types.SetType, types.FrozenSetType)
_ARRAY, _OBJECT = b"[{"
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_as_items = msgspec.json.Decoder(list[Raw]).decode
_as_parts = msgspec.json.Decoder(dict[str, Raw]).decode


def _kind(data: Raw) -> int:
    return memoryview(data)[0]  # which copies nothing
