"""What a change of a schema means for events that were written before it, field by field: ok, needs an upcaster, breaks.

Read backward: may all that the old class wrote be read by the new one, and does it mean the same? For public events also
forward: may what the new class writes be read by those who know the old schema?
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final, cast

from msgspec import Struct

from refold.schema.canonical import STRUCTURE, text_of
from refold.schema.shapes import Schema


class Verdict(StrEnum):
    """What a change means."""

    OK = "ok"
    NEEDS_UPCASTER = "needs an upcaster"
    BREAKS = "breaks"


class FieldChange(Struct, frozen=True):
    """One change. `field` is its path: `lines[].sku`, `prices{}` for the values of a dict, empty for the event itself."""

    field: str
    what: str
    verdict: Verdict


def changes(old: Schema, new: Schema, *, public: bool = False) -> tuple[FieldChange, ...]:
    """What differs between two canonical schemas, judged, by field."""
    found = _Comparison(old, new).compare("", old, new)
    return tuple(sorted({_judged(each, public=public) for each in found}, key=lambda c: (c.field, c.what)))


def worst(changes: Sequence[FieldChange]) -> Verdict:
    """The verdict on all of them together."""
    return max((change.verdict for change in changes), key=list(Verdict).index, default=Verdict.OK)


class _Found(Struct, frozen=True):
    """A change, and whether old events still read the same, and whether new ones read the same for those behind."""

    field: str
    what: str
    backward: bool
    forward: bool


def _judged(found: _Found, *, public: bool) -> FieldChange:
    if public and not found.forward:
        return FieldChange(found.field, f"{found.what}: those who read by the old schema cannot", Verdict.BREAKS)
    return FieldChange(found.field, found.what, Verdict.OK if found.backward else Verdict.NEEDS_UPCASTER)


def _widened(field: str, what: str) -> _Found:
    return _Found(field, what, backward=True, forward=False)


def _narrowed(field: str, what: str) -> _Found:
    return _Found(field, what, backward=False, forward=True)


def _changed(field: str, what: str) -> _Found:
    return _Found(field, what, backward=False, forward=False)


def _harmless(field: str, what: str) -> _Found:
    return _Found(field, what, backward=True, forward=True)


_NULL: Final = {"type": "null"}
_LOWER: Final = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_UPPER: Final = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_EXACT: Final = ("pattern", "multipleOf", "uniqueItems", "format")


class _Comparison:
    """Two whole schemas, into which their `$ref`s lead."""

    def __init__(self, old: Schema, new: Schema) -> None:
        self._old, self._new = old, new
        self._seen: set[tuple[int, int]] = set()

    def compare(self, field: str, old: Schema, new: Schema) -> Iterator[_Found]:
        """What differs between two parts of them."""
        old, new = _resolved(self._old, old), _resolved(self._new, new)
        if (id(old), id(new)) in self._seen:
            return
        self._seen.add((id(old), id(new)))
        olds, news = _options(old), _options(new)
        if (_NULL in olds) != (_NULL in news):
            yield _narrowed(field, "may no longer be null") if _NULL in olds else _widened(field, "may be null")
        yield from self._unions(field, [o for o in olds if o != _NULL], [n for n in news if n != _NULL])

    def _unions(self, field: str, olds: list[Schema], news: list[Schema]) -> Iterator[_Found]:
        if len(olds) == len(news) == 1:
            yield from self._single(field, olds[0], news[0])
            return
        olds, news = _without(olds, news), _without(news, olds)
        for old in list(olds):
            alike = next((new for new in news if _kind(new) == _kind(old)), None)
            if alike is not None:
                olds.remove(old)
                news.remove(alike)
                yield from self._single(field, old, alike)
        yield from (_narrowed(field, f"may no longer be {_word(old)}") for old in olds)
        yield from (_widened(field, f"may also be {_word(new)}") for new in news)

    def _single(self, field: str, old: Schema, new: Schema) -> Iterator[_Found]:
        old, new = _resolved(self._old, old), _resolved(self._new, new)
        match _kind(old)[0], _kind(new)[0]:
            case "one of", "one of":
                yield from _members(field, old["enum"], new["enum"])
            case "object", "object":
                yield from self._objects(field, old, new)
            case "dict", "dict":
                yield from self.compare(f"{field}{{}}", old.get("additionalProperties", {}), _values(new))
                yield from self.compare(f"{field}{{key}}", _keys(old), _keys(new))
            case "array", "array":
                yield from self.compare(f"{field}[]", old.get("items", {}), new.get("items", {}))
            case "tuple", "tuple" if len(old["prefixItems"]) == len(new["prefixItems"]):
                for index, (was, now) in enumerate(zip(old["prefixItems"], new["prefixItems"], strict=True)):
                    yield from self.compare(f"{field}[{index}]", was, now)
            case before, after if before == after != "tuple":
                pass
            case _:
                yield _other_type(field, old, new)
                return
        yield from _bounds(field, old, new)
        yield from _notes(field, old, new)

    def _objects(self, field: str, old: Schema, new: Schema) -> Iterator[_Found]:
        olds, news = cast("dict[str, Schema]", old["properties"]), cast("dict[str, Schema]", new["properties"])
        renamed = dict(self._renamed(olds, news))
        for name in olds.keys() - news.keys():
            what = f"renamed to {renamed[name]}" if name in renamed else "removed"
            yield _Found(_inner(field, name), what, backward=False, forward=name not in old["required"])
        for name in news.keys() - olds.keys() - set(renamed.values()):
            yield _added(_inner(field, name), old, required=name in new["required"])
        for name in olds.keys() & news.keys():
            inner = _inner(field, name)
            yield from _presence(inner, olds[name], news[name], name in old["required"], name in new["required"])
            yield from self.compare(inner, olds[name], news[name])
        if old.get("additionalProperties") != new.get("additionalProperties"):
            strict = new.get("additionalProperties") is False
            yield _harmless(field, f"fields that are not known are now {'refused' if strict else 'passed over'}")

    def _renamed(self, olds: Mapping[str, Schema], news: Mapping[str, Schema]) -> Iterator[tuple[str, str]]:
        added = sorted(news.keys() - olds.keys())
        for name in sorted(olds.keys() - news.keys()):
            alike = next((each for each in added if _bare(olds[name]) == _bare(news[each])), None)
            if alike is not None:
                added.remove(alike)
                yield name, alike


def _added(field: str, old: Schema, *, required: bool) -> _Found:
    if required:
        return _narrowed(field, "added, without a default")
    if old.get("additionalProperties") is False:
        return _widened(field, "added, with a default, where fields that are not known are refused")
    return _harmless(field, "added, with a default")


def _presence(field: str, old: Schema, new: Schema, was: bool, now: bool) -> Iterator[_Found]:  # noqa: FBT001 - before, after
    if was != now:
        yield _narrowed(field, "no longer has a default") if now else _widened(field, "has a default now")
    elif not now and not _same(old.get("default", _NULL), new.get("default", _NULL)):
        yield _narrowed(field, f"default {_default(old)} -> {_default(new)}: events without it would read otherwise")


def _default(schema: Schema) -> str:
    return text_of(schema["default"]) if "default" in schema else "(computed)"


def _notes(field: str, old: Schema, new: Schema) -> Iterator[_Found]:
    for key in sorted((old.keys() | new.keys()) - STRUCTURE):
        if key not in old:
            yield _harmless(field, f"{key} is told: {text_of(new[key])}")
        elif not _same(old[key], new.get(key)):
            yield _changed(field, f"{key} {text_of(old[key])} -> {text_of(new[key]) if key in new else '(none)'}")


def _members(field: str, old: list[Any], new: list[Any]) -> Iterator[_Found]:
    gone, fresh = _without(old, new), _without(new, old)
    if gone:
        yield _narrowed(field, f"may no longer be {_listed(gone)}")
    if fresh:
        yield _widened(field, f"may also be {_listed(fresh)}")


def _other_type(field: str, old: Schema, new: Schema) -> _Found:
    what = f"{_word(old)} -> {_word(new)}"
    if new.get("type") == "integer" and old.get("type") == "number":
        return _narrowed(field, what)
    if not _core(new) or ("enum" in old and _core(new).keys() == {"type"} and _fits(old["enum"], new["type"])):
        return _widened(field, what)
    if not _core(old) or "enum" in new:
        return _narrowed(field, what)
    return _changed(field, what)  # integer -> number too: beyond 2**53 the numbers themselves would change


_PYTHON: Final[Mapping[str, tuple[type, ...]]] = {"string": (str,), "integer": (int,), "boolean": (bool,)}


def _fits(values: list[Any], type: str) -> bool:
    return all(value.__class__ in _PYTHON.get(type, ()) for value in values)


def _bounds(field: str, old: Schema, new: Schema) -> Iterator[_Found]:
    if old.get("contentEncoding") != new.get("contentEncoding"):
        yield _changed(field, f"{_word(old)} -> {_word(new)}")
    for key in (*_LOWER, *_UPPER, *_EXACT):
        before, after = old.get(key), new.get(key)
        if before == after:
            continue
        what = f"{key} {'(none)' if before is None else before} -> {'(none)' if after is None else after}"
        loosened = after is None or (
            before is not None and ((key in _LOWER and after < before) or (key in _UPPER and after > before))
        )
        both = before is not None and after is not None and key in _EXACT
        yield _changed(field, what) if both else _widened(field, what) if loosened else _narrowed(field, what)


def _without(values: list[Any], others: list[Any]) -> list[Any]:
    return [value for value in values if not any(_same(value, other) for other in others)]


def _same(one: Any, other: Any) -> bool:  # noqa: ANN401 - JSON of any shape
    """Whether two values are equal in JSON, where true is not 1."""
    if isinstance(one, list) and isinstance(other, list):
        items, others = cast("Sequence[object]", one), cast("Sequence[object]", other)
        return len(items) == len(others) and all(map(_same, items, others))
    if isinstance(one, dict) and isinstance(other, dict):
        old, new = cast("dict[str, Any]", one), cast("dict[str, Any]", other)
        return old.keys() == new.keys() and all(_same(value, new[key]) for key, value in old.items())
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _resolved(root: Schema, schema: Schema) -> Schema:
    if "$ref" not in schema:
        return schema
    part: Any = root
    for step in str(schema["$ref"]).split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        part = part[key] if key in part else part[int(key)]
    return cast("Schema", part)


def _options(schema: Schema) -> list[Schema]:
    options: list[Schema] = schema.get("anyOf", [schema])
    return options


def _kind(schema: Schema) -> tuple[str, str]:
    """What a schema describes; of classes in a union, also by which tag they are told apart."""
    if "enum" in schema:
        return "one of", ""
    if schema.get("type") == "object":
        if "properties" not in schema:
            return "dict", ""
        tags = {name: part["enum"] for name, part in schema["properties"].items() if len(part.get("enum", ())) == 1}
        return "object", text_of(tags)
    if "prefixItems" in schema:
        return "tuple", ""
    return schema.get("type", "$ref" if "$ref" in schema else "anything"), ""


def _core(schema: Schema) -> Schema:
    return {key: value for key, value in schema.items() if key in STRUCTURE and key != "default"}


def _bare(schema: Schema) -> Schema:
    return {key: value for key, value in schema.items() if key != "default"}


def _values(schema: Schema) -> Schema:
    return cast("Schema", schema.get("additionalProperties", {}))


def _keys(schema: Schema) -> Schema:
    return cast("Schema", schema.get("propertyNames", {"type": "string"}))


def _inner(field: str, name: str) -> str:
    return f"{field}.{name}" if field else name


def _listed(values: Sequence[object]) -> str:
    return ", ".join(map(text_of, values))


def _word(schema: Schema) -> str:  # noqa: PLR0911 - a table of kinds
    match _kind(schema)[0]:
        case "one of":
            return f"one of {_listed(schema['enum'])}"
        case "tuple":
            return f"tuple of {len(schema['prefixItems'])}"
        case "array":
            return f"array of {_word(schema.get('items', {}))}"
        case "object":
            return f"object with {', '.join(schema['properties']) or 'no fields'}"
        case "dict":
            return f"dict of {_word(_values(schema))}"
        case "string":
            detail = schema.get("format") or schema.get("contentEncoding")
            return f"string ({detail})" if detail else "string"
        case kind:
            return " or ".join(map(_word, schema["anyOf"])) if "anyOf" in schema else kind
