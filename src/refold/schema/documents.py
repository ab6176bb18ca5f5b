"""Schemas for other programs: one JSON Schema document, and an AsyncAPI 3.0 document of the streams and their events."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias, cast

from refold.messages import spec_of
from refold.schema.canonical import normalised
from refold.schema.lock import named
from refold.schema.present import Present
from refold.schema.shapes import Schema, schema_of

Document: TypeAlias = dict[str, Any]

DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"


def described(cls: type[Any], at: str = "#") -> Schema:
    """The schema of a class with its titles and descriptions, as it stands `at` a place of a document."""
    return cast("Schema", _moved(normalised(schema_of(cls), words=True), at))


def _moved(value: object, at: str) -> object:
    if isinstance(value, list):
        return [_moved(part, at) for part in cast("list[object]", value)]
    if not isinstance(value, dict):
        return value
    parts = cast("dict[str, object]", value)
    moved = {key: _moved(part, at) for key, part in parts.items()}
    pointer = parts.get("$ref")
    return moved | {"$ref": at + pointer.removeprefix("#")} if isinstance(pointer, str) else moved


def json_schema(now: Present, *, public: bool = False) -> Document:
    """All events as one JSON Schema, each under `$defs` with its name and version: `order.placed@2`."""
    defs = {
        name: described(cls, f"#/$defs/{_escaped(name)}")
        for cls in _classes(now, public=public)
        for name in [named(spec_of(cls).name, spec_of(cls).version)]
    }
    return {"$schema": DRAFT, "$defs": dict(sorted(defs.items()))}


def asyncapi(now: Present, *, title: str, version: str, public: bool = False) -> Document:
    """An AsyncAPI 3.0 document: a channel for each category of streams, a message for each event."""
    classes = list(_classes(now, public=public))
    keys = dict(zip(classes, _keys(spec_of(cls).name for cls in classes), strict=True))
    channels = dict(_channels(now, keys))
    return {
        "asyncapi": "3.0.0",
        "info": {"title": title, "version": version},
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": {f"publish-{key}": _operation(key, channel) for key, channel in channels.items()},
        "components": {
            "messages": {key: _message(cls, key) for cls, key in keys.items()},
            "schemas": {key: _payload(cls, key) for cls, key in keys.items()},
        },
    }


def _classes(now: Present, *, public: bool) -> Iterator[type[Any]]:
    return (cls for _, cls in sorted(now.events.items()) if spec_of(cls).public or not public)


def _keys(names: Iterable[str]) -> Iterator[str]:
    """Names as keys of components: letters, digits, `.`, `-` and `_`; each its own."""
    taken = set[str]()
    for name in names:
        key = plain = re.sub(r"[^a-zA-Z0-9._-]", "_", name)
        while key in taken:
            key = f"{plain}_{len(taken)}"
        taken.add(key)
        yield key


def _channels(now: Present, keys: Mapping[type[Any], str]) -> Iterator[tuple[str, Document]]:
    categories = sorted(now.folds)
    for category, key in zip(categories, _keys(categories), strict=True):
        own = [keys[cls] for cls in now.folds[category].event_types if cls in keys]
        if own:
            yield key, _channel(f"{category}-{{id}}", own, f"The streams of the category {category!r}.", with_id=True)
    folded = {cls for fold in now.folds.values() for cls in fold.event_types}
    others = [key for cls, key in keys.items() if cls not in folded]
    if others:
        yield "_others", _channel("{stream}", others, "Events that no fold of the application has.", with_id=False)


def _channel(address: str, keys: Iterable[str], description: str, *, with_id: bool) -> Document:
    parameter = "id" if with_id else "stream"
    return {
        "address": address,
        "description": description,
        "messages": {key: {"$ref": f"#/components/messages/{key}"} for key in sorted(keys)},
        "parameters": {parameter: {"description": "The id of the stream." if with_id else "The name of the stream."}},
    }


def _operation(key: str, channel: Document) -> Document:
    return {
        "action": "send",
        "channel": {"$ref": f"#/channels/{key}"},
        "messages": [{"$ref": f"#/channels/{key}/messages/{name}"} for name in channel["messages"]],
    }


def _message(cls: type[Any], key: str) -> Document:
    spec = spec_of(cls)
    return {
        "name": spec.name,
        "title": cls.__name__,
        "contentType": "application/json",
        "x-schema-version": spec.version,
        "payload": {"$ref": f"#/components/schemas/{key}"},
    }


def _payload(cls: type[Any], key: str) -> Document:
    return {
        "schemaFormat": "application/schema+json;version=draft-2020-12",
        "schema": described(cls, f"#/components/schemas/{key}/schema"),
    }


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
