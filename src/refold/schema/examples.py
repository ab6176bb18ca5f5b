"""JSON values that a schema allows: few, but each option, each absence and each null is among them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final

from refold.schema.shapes import Schema

_MOST: Final = 64
_TEXT: Final = "text"
_FORMATS: Final[Mapping[str, str]] = {
    "date-time": "2024-02-29T12:30:00Z",
    "time": "12:30:00",
    "date": "2024-02-29",
    "duration": "P1DT2H",
    "uuid": "0199c0de-0000-7000-8000-000000000001",
    "decimal": "12.50",
}


class NoExample(Exception):
    """A schema asks for what cannot be made up: text of a pattern or of a foreign format."""


def examples(schema: Schema) -> tuple[Any, ...]:
    """Values that an event of this schema may have; none where they cannot be made up."""
    try:
        return tuple(islice(_of(schema), _MOST))
    except (NoExample, RecursionError):
        return ()


def _of(schema: Schema) -> Iterator[Any]:
    if "enum" in schema:
        yield from schema["enum"]
    elif "anyOf" in schema:
        for option in schema["anyOf"]:
            yield from _of(option)
    elif "$ref" in schema:
        raise NoExample("a class inside itself")
    else:
        yield from _of_type(schema)


def _of_type(schema: Schema) -> Iterator[Any]:
    match schema.get("type"):
        case "object" if "properties" in schema:
            yield from _objects(schema)
        case "object":
            value = _first(schema.get("additionalProperties", {}))
            yield {_first(schema.get("propertyNames", {"type": "string"})): value}
            yield from [{}] if not schema.get("minProperties") else ()
        case "array":
            yield from _arrays(schema)
        case "string":
            yield _text(schema)
        case "integer" | "number":
            yield _number(schema)
        case "boolean":
            yield from (True, False)
        case "null":
            yield None
        case _:
            yield _TEXT


def _objects(schema: Schema) -> Iterator[Any]:
    """Whole; without all that may be missing; and with each other value of each field."""
    fields = {name: list(_of_or_none(part)) for name, part in schema["properties"].items()}
    required = schema["required"]
    if any(not fields[name] for name in required):
        raise NoExample("a field")
    whole = {name: values[0] for name, values in fields.items() if values}
    yield whole
    yield {name: whole[name] for name in required}
    for name, values in fields.items():
        yield from ({**whole, name: value} for value in values[1:])


def _of_or_none(schema: Schema) -> Iterator[Any]:
    try:
        yield from _of(schema)
    except NoExample:
        return


def _arrays(schema: Schema) -> Iterator[Any]:
    if "prefixItems" in schema:
        yield [_first(part) for part in schema["prefixItems"]]
        return
    least = schema.get("minItems", 0)
    if not least:
        yield []
    items = list(_of_or_none(schema.get("items", {})))
    yield from ([item] * max(least, 1) for item in items)


def _text(schema: Schema) -> str:
    if "pattern" in schema:
        raise NoExample(f"text of the pattern {schema['pattern']}")
    if schema.get("contentEncoding"):
        return "aGk="
    if (format := schema.get("format")) is not None:
        if format not in _FORMATS:
            raise NoExample(f"text of the format {format}")
        return _FORMATS[format].removesuffix("Z" if schema.get("x-timezone") is False else "!")
    return _TEXT.ljust(schema.get("minLength", 0), "t")[: schema.get("maxLength", None)]


def _number(schema: Schema) -> float:
    step: float = schema.get("multipleOf", 1)
    low: float | None = schema.get("minimum", schema.get("exclusiveMinimum"))
    high: float | None = schema.get("maximum", schema.get("exclusiveMaximum"))
    if low is None:
        return step if high is None else (high // step - 1) * step
    value = low if "minimum" in schema and not low % step else (low // step + 1) * step
    if high is not None and value > high:
        raise NoExample("a number in narrow bounds")
    return value


def _first(schema: Schema) -> Any:  # noqa: ANN401 - JSON of any shape
    return next(_of(schema))
