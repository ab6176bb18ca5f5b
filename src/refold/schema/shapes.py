"""The JSON Schema of a class, as the codec writes and reads it.

Made from `msgspec.inspect`, not by `msgspec.json.schema`, which shows a datetime as any text and an opaque default as none.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias, cast

import msgspec
from msgspec import inspect as types

from refold.codec import as_json
from refold.errors import UsageError

Schema: TypeAlias = dict[str, Any]
"""A JSON Schema (draft 2020-12), or a part of one."""

Named: TypeAlias = types.StructType | types.DataclassType | types.TypedDictType | types.NamedTupleType


def schema_of(cls: type[Any]) -> Schema:
    """The schema of an event, command or state, with titles and descriptions, and with its classes under `$defs`.

    Raises:
        UsageError: a field has a type that JSON cannot carry.
    """
    if hasattr(cls, "model_json_schema"):
        return _of_pydantic(cls)
    try:
        writer = _Writer()
        schema = writer.schema(types.type_info(cls))
    except (TypeError, NameError) as error:
        raise UsageError(f"{cls.__qualname__} has no JSON Schema: {error}.") from error
    return schema | ({"$defs": writer.defs} if writer.defs else {})


def _of_pydantic(cls: type[Any]) -> Schema:
    by_alias = bool(cls.model_config.get("serialize_by_alias"))
    schema: Schema = cls.model_json_schema(mode="validation", by_alias=by_alias)
    return schema


class _Writer:
    """Writes types as schemas; classes are written once, under `defs`, so that they may hold themselves."""

    def __init__(self) -> None:
        self.defs: dict[str, Schema] = {}
        self._known: dict[int, str] = {}

    def schema(self, info: types.Type) -> Schema:  # noqa: C901, PLR0911 - a table of types
        match info:
            case types.Metadata():
                extra = cast("Schema", info.extra_json_schema or {})  # pyright: ignore[reportUnknownMemberType] - a bare dict
                return self.schema(info.type) | extra
            case types.UnionType():
                return {"anyOf": [self.schema(each) for each in info.types]}
            case types.EnumType():
                return {"title": info.cls.__name__, "enum": [as_json(member.value) for member in info.cls]}
            case types.LiteralType():
                return {"enum": list(info.values)}
            case types.TupleType():
                size = len(info.item_types)
                parts = [self.schema(each) for each in info.item_types]
                return {"type": "array", "prefixItems": parts, "minItems": size, "maxItems": size}
            case types.CollectionType():
                return self._collection(info)
            case types.DictType():
                return self._dict(info)
            case types.StructType() | types.DataclassType() | types.TypedDictType() | types.NamedTupleType():
                return {"$ref": f"#/$defs/{self._named(info)}"}
            case types.CustomType() if hasattr(info.cls, "model_json_schema"):
                return _of_pydantic(info.cls)
            case types.CustomType():
                raise TypeError(f"nothing is known of {info.cls.__qualname__}")
            case _:
                return _plain(info)

    def _collection(self, info: types.CollectionType) -> Schema:
        unique = {"uniqueItems": True} if isinstance(info, types.SetType | types.FrozenSetType) else {}
        items = self.schema(info.item_type)
        return {"type": "array", "items": items} | unique | _limits("Items", info.min_length, info.max_length)

    def _dict(self, info: types.DictType) -> Schema:
        return {
            "type": "object",
            "additionalProperties": self.schema(info.value_type),
            "propertyNames": self.schema(info.key_type),
            **_limits("Properties", info.min_length, info.max_length),
        }

    def _named(self, info: Named) -> str:
        if id(info) not in self._known:
            name = self._known[id(info)] = f"{info.cls.__name__}{len(self._known) or ''}"
            self.defs[name] = {}
            self.defs[name] = {"title": info.cls.__name__, **_described(info.cls), **self._fields(info)}
        return self._known[id(info)]

    def _fields(self, info: Named) -> Schema:
        fields = {field.encode_name: self._field(field) for field in info.fields}
        required = [field.encode_name for field in info.fields if field.required]
        if isinstance(info, types.NamedTupleType) or (isinstance(info, types.StructType) and info.array_like):
            return {"type": "array", "prefixItems": list(fields.values()), "minItems": len(required)}
        tag: Schema = {}
        if isinstance(info, types.StructType) and info.tag_field is not None:
            tag = {info.tag_field: {"enum": [info.tag]}}
        strict = {"additionalProperties": False} if _is_strict(info) else {}
        return {"type": "object", "properties": tag | fields, "required": [*tag, *required], **strict}

    def _field(self, field: types.Field) -> Schema:
        return self.schema(field.type) | _default(field)


def _is_strict(info: Named) -> bool:
    return isinstance(info, types.StructType) and info.forbid_unknown_fields


def _default(field: types.Field) -> Schema:
    """What the field is where it is missing, if that can be told: a factory must make the same thing twice."""
    if field.default is not msgspec.NODEFAULT:
        made = [field.default]
    elif field.default_factory is not msgspec.NODEFAULT:
        made = _twice(field.default_factory)
    else:
        return {}
    try:
        values = [as_json(value) for value in made]
    except (TypeError, ValueError, NotImplementedError):
        return {}
    return {"default": values[0]} if values and values[0] == values[-1] else {}


def _twice(factory: Callable[[], object]) -> list[object]:
    try:
        return [factory(), factory()]
    except Exception:  # noqa: BLE001 - what a user's factory needs is not known here
        return []


def _described(cls: type[Any]) -> Mapping[str, str]:
    text = cls.__doc__ or ""
    is_made = dataclasses.is_dataclass(cls) and text.startswith(f"{cls.__name__}(")
    return {} if is_made or not text else {"description": inspect.cleandoc(text)}


_BASE64: Final[Schema] = {"type": "string", "contentEncoding": "base64"}
_PLAIN: Final[Mapping[type[types.Type], Schema]] = {
    types.AnyType: {},
    types.RawType: {},
    types.NoneType: {"type": "null"},
    types.BoolType: {"type": "boolean"},
    types.IntType: {"type": "integer"},
    types.FloatType: {"type": "number"},
    types.StrType: {"type": "string"},
    types.BytesType: _BASE64,
    types.ByteArrayType: _BASE64,
    types.MemoryViewType: _BASE64,
    types.DateTimeType: {"type": "string", "format": "date-time"},
    types.TimeType: {"type": "string", "format": "time"},
    types.DateType: {"type": "string", "format": "date"},
    types.TimeDeltaType: {"type": "string", "format": "duration"},
    types.UUIDType: {"type": "string", "format": "uuid"},
    types.DecimalType: {"type": "string", "format": "decimal"},
}
_BOUNDS: Final[Mapping[str, str]] = {
    "gt": "exclusiveMinimum",
    "ge": "minimum",
    "lt": "exclusiveMaximum",
    "le": "maximum",
    "multiple_of": "multipleOf",
    "min_length": "minLength",
    "max_length": "maxLength",
    "pattern": "pattern",
}


def _plain(info: types.Type) -> Schema:
    if type(info) not in _PLAIN:
        raise TypeError(f"JSON has no place for {type(info).__name__}")
    bounds = _set((keyword, getattr(info, name, None)) for name, keyword in _BOUNDS.items())
    zone = {"x-timezone": info.tz} if isinstance(info, types.DateTimeType | types.TimeType) else {}
    return _PLAIN[type(info)] | bounds | _set(zone.items())


def _limits(of: str, low: int | None, high: int | None) -> Schema:
    return _set([(f"min{of}", low), (f"max{of}", high)])


def _set(pairs: Iterable[tuple[str, object]]) -> Schema:
    return {name: value for name, value in pairs if value is not None}
