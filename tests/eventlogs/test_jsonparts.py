"""A JSON object is taken apart as a reader of all of it would see it, wherever what is read at once ends."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refold.errors import EventLogError
from refold.eventlogs import jsonparts, rows
from refold.eventlogs.jsonparts import parts

TEXTS = st.text(st.sampled_from('ab"\\{}[],:\n é'), max_size=5)
VALUES = st.recursive(
    st.none() | st.integers(-9, 9) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.sampled_from(["events", "objects", "a b", "1"]), VALUES, max_size=4)


@given(OBJECTS, st.sampled_from([None, 1]), st.integers(1, 40), st.booleans())
def test_every_element_is_found_with_its_line(
    object: dict[str, Any], indent: int | None, chunk: int, ascii: bool
) -> None:
    text = json.dumps(object, indent=indent, ensure_ascii=ascii)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jsonparts, "_CHUNK", chunk)
        found = [part for part in parts(io.BytesIO(text.encode())) if part.key]
    arrays = {key: value for key, value in object.items() if isinstance(value, list)}
    assert [(part.key, json.loads(part.text)) for part in found] == [
        (key, element) for key, elements in arrays.items() for element in elements
    ]
    lines = text.encode().split(b"\n")
    assert all(lines[part.line - 1].lstrip().startswith(part.text.split(b"\n")[0].rstrip()) for part in found if indent)


@given(OBJECTS, st.data())
def test_an_object_that_is_cut_off_is_told(object: dict[str, Any], data: st.DataObject) -> None:
    text = json.dumps(object).encode()
    with pytest.raises(EventLogError):
        list(parts(io.BytesIO(text[: data.draw(st.integers(0, len(text) - 1))])))


def test_an_element_that_has_no_end_is_told_before_it_fills_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "LONGEST", 100_000)
    with pytest.raises(EventLogError, match="holds an element of more than 100,000 bytes"):
        list(parts(io.BytesIO(b'{"events": [{"a": "' + b"x" * 1_000_000)))
