"""JSONL rows are the objects of the lines, and a line that is none is named."""

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refold.eventlogs.jsonl import read_jsonl
from refold.eventlogs.rows import BadRow, Json, LogRow, Row


def rows(content: str | bytes) -> list[Row]:
    return list(read_jsonl(io.BytesIO(content.encode() if isinstance(content, str) else content)))


def test_a_row_is_the_object_on_the_line() -> None:
    assert rows('{"case":"c-1","n":1.5,"more":{"a":[null,true]}}\n\n{"case":"c-2"}') == [
        LogRow(1, {"case": "c-1", "n": 1.5, "more": {"a": [None, True]}}),
        LogRow(3, {"case": "c-2"}),
    ]


def test_a_byte_order_mark_and_carriage_returns_are_no_part_of_a_row() -> None:
    assert rows(b'\xef\xbb\xbf{"a":1}\r\n \r\n{"a":2}\r\n') == [LogRow(1, {"a": 1}), LogRow(3, {"a": 2})]


@pytest.mark.parametrize(
    ("line", "column", "reason"),
    [
        ("[1]", None, "[1] is not a JSON object"),
        ("null", None, "None is not a JSON object"),
        ('{"a":1', None, "Input data was truncated"),
        ('{"a":1} {"a":2}', None, "JSON is malformed: trailing characters (byte 9)"),
        ('{"a":"\\ud800"}', "a", "holds half of a surrogate pair, which is no text"),
        ('{"a":1,"b":NaN}', "b", "holds NaN, Infinity or a number of their size, which JSON does not have"),
        (
            '{"a":1,"b":[{"c":-Infinity}]}',
            "b",
            "holds NaN, Infinity or a number of their size, which JSON does not have",
        ),
        ('{"a":1e999}', "a", "holds NaN, Infinity or a number of their size, which JSON does not have"),
        ('{"a":1,"b":2,"a":1}', "a", "the key 'a' stands twice in one object"),
        ('{"a":1,"b":2,"a" \t:1}', "a", "the key 'a' stands twice in one object"),
        ('{"a":1,"b":{"c":1,"c":1}}', "c", "the key 'c' stands twice in one object"),
        ('{"a":1,"\\u0061":2}', "a", "the key 'a' stands twice in one object"),
        ('{"a":' * 100_000, None, "values are nested too deeply"),
    ],
)
def test_a_bad_line_is_named_and_the_next_one_read(line: str, column: str | None, reason: str) -> None:
    assert rows(f'{{"good":1}}\n{line}\n{{"good":2}}\n') == [
        LogRow(1, {"good": 1}),
        BadRow(2, column, reason),
        LogRow(3, {"good": 2}),
    ]


def test_undecodable_bytes_cost_their_row_and_no_other() -> None:
    assert rows(b'{"a":"\xff"}\n{"a":2}\n') == [
        BadRow(1, None, "'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"),
        LogRow(2, {"a": 2}),
    ]


@pytest.mark.parametrize("text", ['":', '\\": ', " :", "\t:", '{"a":1,"a":2}', "12:00:00"])
def test_what_looks_like_a_key_within_a_text_is_none(text: str) -> None:
    assert rows(json.dumps({"a": text, "b": text})) == [LogRow(1, {"a": text, "b": text})]


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=8
)


@given(st.lists(st.dictionaries(TEXT, VALUES, max_size=4), max_size=4), st.sampled_from(["", "yes"]))
def test_what_the_json_module_writes_is_read_back_equal(objects: list[dict[str, Json]], ascii_only: str) -> None:
    content = "".join(json.dumps(fields, ensure_ascii=bool(ascii_only)) + "\n" for fields in objects)

    assert rows(content) == [LogRow(line, fields) for line, fields in enumerate(objects, 1)]


@given(st.lists(st.tuples(TEXT, SCALARS), min_size=1, max_size=5), st.sampled_from([":", " :", " : ", "\t:"]))
def test_a_row_is_bad_exactly_if_a_key_stands_twice(pairs: list[tuple[str, object]], colon: str) -> None:
    content = "{" + ",".join(json.dumps(key) + colon + json.dumps(value) for key, value in pairs) + "}"

    (row,) = rows(content)

    assert isinstance(row, BadRow) == (len(dict(pairs)) < len(pairs))
