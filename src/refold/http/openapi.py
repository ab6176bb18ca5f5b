"""OpenAPI 3.1: the routes, told to other programs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, cast

import msgspec

from refold._version import __version__
from refold.http.bodies import JSON
from refold.http.classes import Classes
from refold.http.routes import Route
from refold.problems import PROBLEM, Problem

REF: Final = "#/components/schemas/{name}"
_MEANS: Final = {
    400: "The request cannot be read.",
    401: "No token, or none that is good.",
    403: "The token may not do that.",
    404: "There is no such thing.",
    406: "No media type that is asked for is given.",
    409: "What was expected is not so: `failures` tells what is there instead.",
    410: "What was asked for stands in an archive.",
    412: "The stream has another ETag.",
    413: "The body, or an event in it, is too large.",
    415: "The body has another media type.",
    422: "What the body says cannot be, or is refused.",
    429: "Too many requests, or subscriptions.",
    503: "The store cannot do it now: try again.",
}
_ALWAYS: Final = (400, 429, 503)


def openapi(routes: Iterable[Route], classes: Classes) -> dict[str, Any]:
    """The description; commands of the application each have a path of their own."""
    every = [*_with_commands(routes, classes)]
    shapes = dict.fromkeys(cls for route, _ in every for cls in _classes(route))
    _, components = msgspec.json.schema_components([*shapes, Problem], schema_hook=_position, ref_template=REF)
    paths: dict[str, dict[str, Any]] = {}
    for route, path in every:
        paths.setdefault(path, {})[route.method.lower()] = _operation(route, path)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Refold", "version": __version__},
        "paths": paths,
        "components": {
            "schemas": {**components, **_of_commands(classes)},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _position(cls: type[Any]) -> dict[str, Any]:
    """What msgspec has no schema for: a `Position`."""
    if issubclass(cls, int):
        return {"type": "integer"}
    raise NotImplementedError


def _with_commands(routes: Iterable[Route], classes: Classes) -> Iterator[tuple[Route, str]]:
    for route in routes:
        if route.path != "/commands/{name}":
            yield route, route.path
            continue
        for name in sorted(classes.commands):
            body = {"$ref": REF.format(name=_component(name))}
            yield replace(route, bodies={JSON: body}, variables={}), f"/commands/{name}"


def _component(command: str) -> str:
    return f"command.{re.sub(r'[^A-Za-z0-9._-]', '_', command)}"


def _of_commands(classes: Classes) -> dict[str, Any]:
    """The schemas of commands, whose parts stand beside them."""
    found: dict[str, Any] = {}
    for name, schema in classes.schemas.items():
        prefix = f"{_component(name)}."
        for part, definition in schema.get("$defs", {}).items():
            found[prefix + part] = _moved(definition, prefix)
        found[_component(name)] = _moved({key: value for key, value in schema.items() if key != "$defs"}, prefix)
    return found


def _moved(schema: Any, prefix: str) -> Any:  # noqa: ANN401 - JSON
    if isinstance(schema, list):
        return [_moved(each, prefix) for each in cast("Sequence[Any]", schema)]
    if not isinstance(schema, dict):
        return schema
    return {
        key: REF.format(name=prefix + value.removeprefix("#/$defs/")) if key == "$ref" else _moved(value, prefix)
        for key, value in cast("dict[str, Any]", schema).items()
    }


def _classes(route: Route) -> Iterator[type[Any]]:
    shapes = [*route.bodies.values(), *(shape for told in route.told.values() for shape in told.shapes.values())]
    yield from (shape for shape in shapes if isinstance(shape, type))


def _operation(route: Route, path: str) -> dict[str, Any]:
    told: dict[str, Any] = {
        "operationId": f"{route.method.lower()}{re.sub(r'[^A-Za-z0-9]+', '_', path)}".rstrip("_"),
        "summary": route.summary,
        "tags": [route.group],
        "parameters": [*_parameters(route, path)],
        "responses": {**_responses(route), **_problems(route)},
        "security": [] if route.action is None else [{"token": []}],
    }
    if route.action is not None:
        told["description"] = f"Takes a token with the scope `{route.action}`."
    if route.bodies:
        told["requestBody"] = {"required": True, "content": _content(route.bodies)}
    return told


def _parameters(route: Route, path: str) -> Iterator[dict[str, Any]]:
    for name in re.findall(r"\{(\w+)\}", path):
        schema = dict(route.variables[name])
        yield {
            "name": name,
            "in": "path",
            "required": True,
            "description": schema.pop("description", ""),
            "schema": schema,
        }
    for header in route.headers:
        yield {
            "name": header.name,
            "in": "header",
            "required": False,
            "description": header.means,
            "schema": header.schema,
        }
    if route.query is not None:
        yield from _query(route.query)


def _query(cls: type[Any]) -> Iterator[dict[str, Any]]:
    """The parameters that a class holds; one that is not given is not there, so none is null."""
    (_,), components = msgspec.json.schema_components([cls], ref_template=REF)
    schema = components[cls.__name__]
    for name, part in schema["properties"].items():
        own = _not_null(dict(part))
        described = str(own.pop("description", ""))
        yield {
            "name": name, "in": "query", "required": name in schema["required"], "description": described, "schema": own,
        }  # fmt: skip


def _not_null(schema: dict[str, Any]) -> dict[str, Any]:
    default = schema.pop("default", None)
    options = [each for each in schema.pop("anyOf", ()) if each != {"type": "null"}]
    if len(options) == 1:
        schema = {**schema, **options[0]}
    elif options:
        schema["anyOf"] = options
    if isinstance(schema.get("enum"), list):
        schema["enum"] = [each for each in schema["enum"] if each is not None]
    return schema if default is None or default in ("", []) else {**schema, "default": default}


def _content(shapes: Mapping[str, Any]) -> dict[str, Any]:
    return {kind: {"schema": _schema(shape)} for kind, shape in shapes.items()}


def _schema(shape: Any) -> Any:  # noqa: ANN401 - a class or a schema
    return {"$ref": REF.format(name=shape.__name__)} if isinstance(shape, type) else shape


def _responses(route: Route) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for status, told in route.told.items():
        found[str(status)] = {"description": told.means}
        if told.shapes:
            found[str(status)]["content"] = _content(told.shapes)
        if told.headers:
            found[str(status)]["headers"] = {
                name: {"description": means, "required": False, "schema": {"type": "string"}}
                for name, means in told.headers.items()
            }
    return found


def _problems(route: Route) -> dict[str, Any]:
    also = _ALWAYS if route.action is None else (*_ALWAYS, 401, 403)
    statuses = sorted({*route.problems, *also} - set(route.told))
    content = {PROBLEM: {"schema": {"$ref": REF.format(name="Problem")}}}
    found: dict[str, Any] = {
        str(status): {"description": _MEANS.get(status, "It is refused."), "content": content} for status in statuses
    }
    return {**found, "default": {"description": "Anything else that went wrong.", "content": content}}
