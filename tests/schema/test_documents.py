"""Documents for other programs: their references lead somewhere, their keys are legal, their examples are events."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from tests.schema.shops import Edits, now

from refold.schema.documents import asyncapi, described, json_schema
from refold.schema.examples import examples
from refold.schema.present import Present

ODD: Edits = [('"order.closed"', '"order was/closed"')]


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for part in value.values():
            yield from references(part)
    if isinstance(value, list):
        for part in value:
            yield from references(part)


def at(document: Any, pointer: str) -> Any:
    for step in pointer.removeprefix("#").split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        document = document[int(key)] if isinstance(document, list) else document[key]
    return document


def test_an_asyncapi_document_has_the_structure_of_version_3(tmp_path: Path) -> None:
    document = asyncapi(now(tmp_path, ODD), title="Shop", version="7")
    assert document.keys() == {"asyncapi", "info", "defaultContentType", "channels", "operations", "components"}
    assert (document["asyncapi"], document["info"]) == ("3.0.0", {"title": "Shop", "version": "7"})
    channel, messages = document["channels"]["order"], document["components"]["messages"]
    assert (channel["address"], [*channel["parameters"]]) == ("order-{id}", ["id"])
    assert channel["messages"].keys() == messages.keys()
    assert document["operations"] == {
        "publish-order": {
            "action": "send",
            "channel": {"$ref": "#/channels/order"},
            "messages": [{"$ref": f"#/channels/order/messages/{key}"} for key in sorted(messages)],
        }
    }
    for key, message in messages.items():
        assert message["payload"] == {"$ref": f"#/components/schemas/{key}"}
        assert document["components"]["schemas"][key].keys() == {"schemaFormat", "schema"}
    assert all(re.fullmatch(r"[a-zA-Z0-9._-]+", key) for kind in document["components"].values() for key in kind)
    assert messages["order_was_closed"]["name"] == "order was/closed"
    assert [pointer for pointer in references(document) if at(document, pointer) is None] == []


def test_a_json_schema_document_has_each_event_under_its_name_and_version(tmp_path: Path) -> None:
    document = json_schema(now(tmp_path))
    assert [*document["$defs"]] == [
        "order.closed@1", "order.noted@1", "order.placed@1", "order.refunded@1", "order.reviewed@1", "order.shipped@2",
    ]  # fmt: skip
    assert document["$defs"]["order.placed@1"]["title"] == "Placed"


def test_only_public_events_can_be_asked_for(tmp_path: Path) -> None:
    assert [*json_schema(now(tmp_path), public=True)["$defs"]] == ["order.refunded@1"]
    document = asyncapi(now(tmp_path), title="Shop", version="1", public=True)
    assert [*document["components"]["messages"]] == ["order.refunded"]


class Tree(Struct):
    """It grows."""

    children: list[Tree] = []


def test_a_class_that_holds_itself_refers_to_where_it_stands() -> None:
    schema = described(Tree, "#/$defs/tree")
    assert (schema["description"], schema["properties"]["children"]["items"]) == ("It grows.", {"$ref": "#/$defs/tree"})


def test_what_is_made_up_for_a_schema_is_read_by_its_class(tmp_path: Path) -> None:
    shop: Present = now(tmp_path)
    made = {
        type: [shop.decode(type, msgspec.json.encode(each)) for each in examples(shape.schema)]
        for type, versions in shop.lock.events.items()
        for shape in versions.values()
    }
    assert {type: len({*map(repr, values)}) for type, values in made.items()} == {
        "order.closed": 1,
        "order.noted": 2,
        "order.placed": 10,
        "order.refunded": 3,
        "order.reviewed": 1,
        "order.shipped": 1,
    }
