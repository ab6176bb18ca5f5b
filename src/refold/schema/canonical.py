"""Schemas of equal meaning as equal text, and the fingerprint of that text.

Out go titles, descriptions and examples, the names of classes, every order that means nothing, and the several spellings of
one thing. A class stands where it is used; one that holds itself is a `$ref` to where it stands first. Keywords that are
not known here stay: `msgspec.Meta(extra_json_schema={"unit": "cent"})` makes a unit part of the schema.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final, cast

from refold.schema.shapes import Schema, schema_of

_WORDS: Final = frozenset(
    {"title", "description", "examples", "$comment", "$schema", "$id", "$defs", "deprecated", "readOnly", "writeOnly"}
)
STRUCTURE: Final = frozenset(
    {"type", "enum", "anyOf", "properties", "required", "additionalProperties", "propertyNames", "items", "prefixItems"}
    | {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "pattern"}
    | {
        "minItems",
        "maxItems",
        "uniqueItems",
        "minProperties",
        "maxProperties",
        "format",
        "contentEncoding",
        "default",
        "$ref",
    }
)
"""The keywords that say which values are valid. All others are notes, such as a unit, which are compared as they stand."""

_MAPS: Final = frozenset({"properties", "patternProperties"})
_SINGLE: Final = frozenset({"items", "additionalProperties", "propertyNames", "not", "contains"})
_MANY: Final = frozenset({"prefixItems", "anyOf", "allOf"})


def canonical(cls: type[Any]) -> Schema:
    """The canonical schema of an event, command or state.

    Raises:
        UsageError: a field has a type that JSON cannot carry.
    """
    return normalised(schema_of(cls))


def normalised(schema: Schema, *, words: bool = False) -> Schema:
    """A schema in its canonical form; with `words`, titles and descriptions stay."""
    unfolded = _Unfolding(words=words).unfold(schema, cast("Mapping[str, Schema]", schema.get("$defs", {})), ())
    return _pointed(unfolded, "#", ())


def text_of(value: object) -> str:
    """A JSON value on one line, its keys in order: equal values give equal text."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def fingerprint(value: object) -> str:
    """The SHA-256 of a JSON value."""
    return f"sha256:{sha256(text_of(value).encode()).hexdigest()}"


# While schemas are unfolded, a class is marked with _CLASS, and a class inside itself is _UP, so many classes up: what it
# stands in may still be moved by sorting.
_CLASS: Final = "$class"
_UP: Final = "$up"


class _Unfolding:
    """Puts each class where it is used."""

    def __init__(self, *, words: bool) -> None:
        self._dropped = _WORDS - {"title", "description"} if words else _WORDS

    def unfold(self, schema: Schema, defs: Mapping[str, Schema], inside: tuple[int, ...]) -> Schema:
        """`inside`: the definitions that it stands in, from the outermost."""
        defs = cast("Mapping[str, Schema]", schema.get("$defs", defs))
        ref = schema.get("$ref")
        if ref is None:
            return _simplified(self._parts(schema, defs, inside))
        definition = defs[str(ref).removeprefix("#/$defs/")]
        beside = self._parts({key: value for key, value in schema.items() if key != "$ref"}, defs, inside)
        if id(definition) in inside:
            return {_UP: len(inside) - inside.index(id(definition)) - 1} | beside
        return self.unfold(definition, defs, (*inside, id(definition))) | {_CLASS: True} | beside

    def _parts(self, schema: Schema, defs: Mapping[str, Schema], inside: tuple[int, ...]) -> Schema:
        return {
            key: self._part(key, value, defs, inside)
            for key, value in sorted(schema.items())
            if key not in self._dropped
        }

    def _part(self, key: str, value: Any, defs: Mapping[str, Schema], inside: tuple[int, ...]) -> Any:  # noqa: ANN401 - JSON
        if key in _MAPS:
            return {name: self.unfold(part, defs, inside) for name, part in sorted(value.items())}
        if key in _SINGLE and isinstance(value, dict):
            return self.unfold(cast("Schema", value), defs, inside)
        if key in _MANY or key == "oneOf":
            return [self.unfold(part, defs, inside) for part in value]
        return value


def _simplified(schema: Schema) -> Schema:
    """The one spelling of what can be spelt in several ways; its parts are in theirs."""
    schema = dict(schema)
    if "const" in schema:
        schema["enum"] = [schema.pop("const")]
    if "enum" in schema:
        schema.pop("type", None)
        schema["enum"] = _sorted(schema["enum"])
    if isinstance(schema.get("type"), list):
        schema["anyOf"] = [{"type": each} for each in schema.pop("type")]
    schema.pop("discriminator", None)  # the tags stand in the options
    for part in schema.pop("allOf", ()):
        schema = part | schema
    options = [*schema.pop("anyOf", ()), *schema.pop("oneOf", ())]
    if options:
        notes = {key: schema.pop(key) for key in list(schema) if key not in STRUCTURE | _WORDS | {_CLASS}}
        schema = _of_options([_noted(inner, notes) for option in options for inner in _flat(option)]) | schema
    return _without_noise(schema)


def _flat(option: Schema) -> list[Schema]:
    return option["anyOf"] if option.keys() == {"anyOf"} else [option]


def _noted(option: Schema, notes: Schema) -> Schema:
    return option if option.get("type") == "null" else notes | option


def _of_options(options: list[Schema]) -> Schema:
    literals = [value for option in options if option.keys() == {"enum"} for value in option["enum"]]
    rest = [option for option in options if option.keys() != {"enum"}]
    if None in literals:
        literals.remove(None)
        rest.append({"type": "null"})
    if literals:
        rest.append({"enum": _sorted(literals)})
    different = _sorted(rest)
    return different[0] if len(different) == 1 else {"anyOf": different}


def _sorted(values: list[Any]) -> list[Any]:
    by_text = {text_of(value): value for value in values}
    return [by_text[text] for text in sorted(by_text)]


def _without_noise(schema: Schema) -> Schema:
    if schema.get("enum") and None in schema["enum"] and len(schema["enum"]) > 1:
        schema = _of_options([{"enum": schema.pop("enum")}]) | schema
    if schema.get("enum") == [None]:
        schema = {"type": "null"} | {key: value for key, value in schema.items() if key != "enum"}
    if schema.get("additionalProperties") in ({}, True):
        del schema["additionalProperties"]
    if schema.get("propertyNames") in ({}, {"type": "string"}):
        del schema["propertyNames"]
    if schema.get("items") in ({}, True) or ("prefixItems" in schema and schema.get("items") is False):
        del schema["items"]
    if schema.get("minItems") == 0:
        del schema["minItems"]
    if schema.get("type") == "number" and isinstance(schema.get("default"), int):
        schema["default"] = float(schema["default"])
    if "properties" in schema:
        schema["required"] = sorted(schema.get("required", ()))
    return dict(sorted(schema.items()))


def _pointed(schema: Schema, pointer: str, classes: tuple[str, ...]) -> Schema:
    """The same with each class inside itself as a `$ref` to where it stands."""
    if schema.get(_CLASS):
        classes = (*classes, pointer)
    found: Schema = {}
    for key, value in schema.items():
        if key == _CLASS:
            continue
        if key == _UP:
            found["$ref"] = classes[-1 - value]
        elif key in _MAPS:
            found[key] = {
                name: _pointed(part, f"{pointer}/{key}/{_escaped(name)}", classes) for name, part in value.items()
            }
        elif key in _SINGLE and isinstance(value, dict):
            found[key] = _pointed(cast("Schema", value), f"{pointer}/{key}", classes)
        elif key in _MANY:
            found[key] = [_pointed(part, f"{pointer}/{key}/{index}", classes) for index, part in enumerate(value)]
        else:
            found[key] = value
    return found


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
