"""The description is well formed, and tells every route. That it is true, test_g27_malformed.py puts to the proof."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jsonschema_rs import validator_for
from schemathesis.checks import CHECKS
from tests.http.describing import OPERATIONS
from tests.http.desk import app
from tests.http.reference import PAGE, page

from refold.http.application import ROUTES
from refold.http.classes import Classes
from refold.http.openapi import openapi


def test_the_checks_are_all_there() -> None:
    names = {check.__name__ for check in CHECKS.get_all()}
    assert names >= {"not_a_server_error", "response_schema_conformance", "negative_data_rejection", "ignored_auth"}


def test_it_is_openapi_and_every_reference_leads_somewhere() -> None:
    text = openapi(ROUTES, Classes(app))
    names = [*_references(text)]
    assert text["openapi"] == "3.1.0"
    assert {name for name in names if name not in text["components"]["schemas"]} == set()
    for schema in text["components"]["schemas"].values():
        validator_for(
            {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "components": text["components"]}
        )


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"].rpartition("/")[2]
        for each in value.values():
            yield from _references(each)
    elif isinstance(value, list):
        for each in value:
            yield from _references(each)


def test_every_route_is_told_and_every_command_by_its_name() -> None:
    paths = openapi(ROUTES, Classes(app))["paths"]
    told = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    expected = {(route.method, route.path) for route in ROUTES if route.path != "/commands/{name}"}
    assert told == expected | {("POST", "/commands/cart.add"), ("POST", "/commands/cart.note")}


def test_names_of_operations_are_names_and_each_stands_once() -> None:
    paths = openapi(ROUTES, Classes(app))["paths"]
    ids = [operation["operationId"] for methods in paths.values() for operation in methods.values()]
    assert len(ids) == len(set(ids)) == OPERATIONS


def test_the_page_of_the_reference_is_up_to_date() -> None:
    assert PAGE.read_text("utf-8") == page(), "the routes have changed: run `python -m tests.http.reference`"
