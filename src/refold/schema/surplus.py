"""Surplus: keys that data bring, and their class does not have, so that a mistyped name is told and not left out."""

from __future__ import annotations

from typing import Any, cast

from refold.errors import UsageError
from refold.schema.shapes import Schema, schema_of


def surplus(cls: type[Any], data: object) -> str | None:
    """The first key of JSON data that their class does not read; None if there is none, or if the class does not say."""
    if not isinstance(data, dict):
        return None
    try:
        known = closed(schema_of(cls))
    except UsageError:  # a field that no schema has words for
        return None
    if known.get("additionalProperties") is not False:
        return None
    return next((key for key in cast("dict[str, Any]", data) if key not in known.get("properties", {})), None)


def closed(schema: Schema) -> Schema:
    """The same, with no other keys at its top, where it does not speak of them."""
    definition = schema
    if "$ref" in schema:
        definition = schema["$defs"][str(schema["$ref"]).removeprefix("#/$defs/")]
    if definition.get("type") != "object" or "properties" not in definition:
        return {**definition, "$defs": schema.get("$defs", {})}
    return {"additionalProperties": False, **definition, "$defs": schema.get("$defs", {})}
