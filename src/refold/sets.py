"""Sets in JSON: their items stand in one order, whatever order a set is gone through.

Texts are gone through in another order by each process. Written so, what is equal would be other bytes: another event
under the same id, another command under the same key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

import msgspec
from msgspec import Raw
from msgspec import inspect as types

Ordering: TypeAlias = Callable[[bytes], bytes]
"""JSON to the same JSON with its sets in order."""


def ordering(cls: Any) -> Ordering | None:  # noqa: ANN401 - a class, or the annotation of a state
    """What puts the sets in the JSON of a class's values in order; `None` if there are none."""
    try:
        return _ordering(cls)
    except (TypeError, NameError):  # whoever makes its decoder tells what is wrong with it
        return None


@lru_cache(maxsize=4_096)  # forms of commands are made for each that is sent
def _ordering(cls: Any) -> Ordering | None:  # noqa: ANN401 - as above
    info = types.type_info(cls)
    return (lambda data: bytes(_ordered(info, Raw(data)))) if _holds_sets(info, set()) else None


def _holds_sets(info: types.Type, seen: set[int]) -> bool:
    if id(info) in seen:
        return False
    seen.add(id(info))
    return isinstance(info, _SETS) or any(_holds_sets(part, seen) for part in _parts(info))


def _parts(info: types.Type) -> Iterable[types.Type]:
    match info:
        case types.Metadata(type=part) | types.CollectionType(item_type=part) | types.DictType(value_type=part):
            return (part,)
        case types.UnionType(types=parts) | types.TupleType(item_types=parts):
            return parts
        case _:
            return [part for _, part in _fields(info)]


def _ordered(info: types.Type, data: Raw) -> Raw:  # noqa: PLR0911 - a table of types
    """What cannot be a set, or does not look like its type since a model writes it otherwise, stays as it is."""
    match info:
        case types.Metadata():
            return _ordered(info.type, data)
        case types.UnionType():
            fitting = [each for each in info.types if _fits(each, data)]
            return _ordered(fitting[0], data) if len(fitting) == 1 else data
        case types.SetType() | types.FrozenSetType():
            return _each(data, lambda items: _sorted([_ordered(info.item_type, item) for item in items]))
        case types.CollectionType():
            return _each(data, lambda items: [_ordered(info.item_type, item) for item in items])
        case types.TupleType():
            return _each(data, lambda items: _zipped(info.item_types, items))
        case types.DictType():
            return _named(data, lambda _: info.value_type)
        case _ if _is_root(info):
            return _ordered(_fields(info)[0][1], data)
        case _:
            fields = _fields(info)
            if _is_array(info):
                tag = () if getattr(info, "tag", None) is None else (types.AnyType(),)
                return _each(data, lambda items: _zipped((*tag, *(part for _, part in fields)), items))
            return _named(data, dict(fields).get) if fields else data


def _each(data: Raw, done: Callable[[Sequence[Raw]], Sequence[Raw]]) -> Raw:
    return Raw(_encode(done(_as_items(data)))) if _kind(data) == "[" else data


def _named(data: Raw, type_of: Callable[[str], types.Type | None]) -> Raw:
    if _kind(data) != "{":
        return data
    parts = ((name, part, type_of(name)) for name, part in _as_parts(data).items())
    return Raw(_encode({name: part if info is None else _ordered(info, part) for name, part, info in parts}))


def _zipped(infos: Sequence[types.Type], items: Sequence[Raw]) -> Sequence[Raw]:
    known = [_ordered(info, item) for info, item in zip(infos, items, strict=False)]
    return [*known, *items[len(known) :]]


def _sorted(items: Sequence[Raw]) -> Sequence[Raw]:
    """As their values are sorted; those that are not, as their JSON is."""
    try:
        return sorted(items, key=_decode)
    except TypeError:
        return sorted(items, key=bytes)


def _fits(info: types.Type, data: Raw) -> bool:
    """Whether JSON may be of one type of a union; of objects, its tag tells."""
    if isinstance(info, types.Metadata):
        return _fits(info.type, data)
    if _is_root(info):
        return _fits(_fields(info)[0][1], data)
    is_array = isinstance(info, types.CollectionType | types.TupleType) or _is_array(info)
    is_object = isinstance(info, types.DictType | types.CustomType) or hasattr(info, "fields")
    if _kind(data) != ("[" if is_array else "{" if is_object else ""):
        return False
    tag = getattr(info, "tag", None)
    if tag is None:
        return True
    found = _as_items(data)[:1] if is_array else [_as_parts(data).get(getattr(info, "tag_field", None) or "")]
    return found == [Raw(_encode(tag))]


def _is_array(info: types.Type) -> bool:
    return isinstance(info, types.NamedTupleType) or getattr(info, "array_like", False)


def _is_root(info: types.Type) -> bool:
    """Whether it is a pydantic model that is written as its only field is."""
    return isinstance(info, types.CustomType) and getattr(info.cls, "__pydantic_root_model__", False)


def _fields(info: types.Type) -> Sequence[tuple[str, types.Type]]:
    if isinstance(info, types.CustomType):
        return _model_fields(info.cls)
    return [(field.encode_name, field.type) for field in getattr(info, "fields", ())]


@lru_cache(maxsize=4_096)  # also so that a model that holds itself is met again
def _model_fields(cls: Any) -> Sequence[tuple[str, types.Type]]:  # noqa: ANN401 - as the cache has it
    """The fields of a pydantic model, by every name that they may have in JSON."""
    found: list[tuple[str, types.Type]] = []
    for name, field in getattr(cls, "model_fields", {}).items():
        info = types.type_info(field.annotation)
        found += [(each, info) for each in dict.fromkeys((name, field.alias, field.serialization_alias)) if each]
    return found


_SETS = (types.SetType, types.FrozenSetType)
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_as_items = msgspec.json.Decoder(list[Raw]).decode
_as_parts = msgspec.json.Decoder(dict[str, Raw]).decode


def _kind(data: Raw) -> str:
    return bytes(data)[:1].decode()
