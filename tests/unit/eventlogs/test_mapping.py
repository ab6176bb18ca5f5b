"""From rows to entries: which columns are stream, type and time, and what becomes of their values."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refold.errors import UsageError
from refold.eventlogs.mapping import LogEntry, LogMapping, ResolvedMapping, stream_name
from refold.eventlogs.rows import BadRow, Json, LogRow
from refold.eventlogs.times import moment

XES_COLUMNS = ("case:concept:name", "concept:name", "time:timestamp", "cost")
MAPPING = ResolvedMapping(stream="case", type="activity", time="time", category=None)


def usage_error(mapping: LogMapping, *columns: str) -> str:
    with pytest.raises(UsageError) as caught:
        mapping.resolve(columns)
    return str(caught.value)


@pytest.mark.parametrize(
    ("columns", "stream", "type", "time"),
    [
        (XES_COLUMNS, "case:concept:name", "concept:name", "time:timestamp"),
        (("type", "case", "timestamp", "time"), "case", "type", "timestamp"),
        (("case", "case_id", "event", "activity", "valid_at"), "case_id", "activity", "valid_at"),
        (("stream", "event"), "stream", "event", None),
    ],
)
def test_columns_are_found_by_their_usual_names(
    columns: tuple[str, ...], stream: str, type: str, time: str | None
) -> None:
    assert LogMapping().resolve(columns) == ResolvedMapping(stream=stream, type=type, time=time, category=None)


def test_columns_that_are_named_win_over_usual_names() -> None:
    mapping = LogMapping(stream_from="cost", type_from="case:concept:name", time_from="concept:name", category="bill")

    assert mapping.resolve(XES_COLUMNS) == ResolvedMapping(
        stream="cost", type="case:concept:name", time="concept:name", category="bill"
    )


def test_a_required_column_that_is_not_found_is_an_error_with_the_columns_and_the_option() -> None:
    assert usage_error(LogMapping(), "id", "activity") == (
        "no column is the stream by its name (case:concept:name, case_id, case, stream); "
        "the log has 'id', 'activity'. Name it with --stream-from."
    )
    assert usage_error(LogMapping(), "case", "what") == (
        "no column is the type by its name (concept:name, activity, type, event); "
        "the log has 'case', 'what'. Name it with --type-from."
    )


def test_a_named_column_that_is_not_there_is_an_error_with_the_columns() -> None:
    assert usage_error(LogMapping(time_from="when"), "case", "type") == (
        "--time-from 'when': there is no such column; the log has 'case', 'type'."
    )


def test_of_very_many_columns_only_some_are_listed() -> None:
    assert usage_error(LogMapping(), *map(str, range(50))).endswith(
        "'38', '39' and 10 more. Name it with --stream-from."
    )


@pytest.mark.parametrize("category", ["", " ", "my-shop"])
def test_a_category_that_is_none_is_an_error(category: str) -> None:
    assert usage_error(LogMapping(category=category), "case", "type") == (
        f"--category {category!r}: a category is one word or more without '-'."
    )


def test_an_entry_has_all_other_fields_as_data() -> None:
    row = LogRow(7, {"case": "c-1", "activity": "Pay", "time": "2011-10-11T13:45:40.276+02:00", "sum": 5, "to": [None]})

    assert MAPPING.entry(row) == LogEntry(
        7, "c-1", "Pay", datetime(2011, 10, 11, 11, 45, 40, 276_000, UTC), {"sum": 5, "to": [None]}
    )
    assert row.fields["case"] == "c-1"


def test_without_a_column_for_times_there_is_no_valid_at() -> None:
    mapping = ResolvedMapping(stream="case", type="activity", time=None, category=None)

    assert mapping.entry(LogRow(2, {"case": "c-1", "activity": "Pay", "": "x"})) == LogEntry(
        2, "c-1", "Pay", None, {"": "x"}
    )


def test_one_column_may_be_stream_and_type() -> None:
    mapping = ResolvedMapping(stream="case", type="case", time=None, category=None)

    assert mapping.entry(LogRow(2, {"case": "c-1"})) == LogEntry(2, "c-1", "c-1", None, {})


def test_whole_numbers_are_names_too() -> None:
    assert ResolvedMapping(stream="case", type="activity", time=None, category="order").entry(
        LogRow(2, {"case": 42, "activity": 1})
    ) == LogEntry(2, "order-42", "1", None, {})


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("case", None, "there is no value"),
        ("case", "", "the value '' is empty"),
        ("activity", " \t", "the value ' \\t' is empty"),
        ("case", True, "True is not a name: it must be text or a whole number"),
        ("activity", 1.5, "1.5 is not a name: it must be text or a whole number"),
        ("activity", ["Pay"], "['Pay'] is not a name: it must be text or a whole number"),
        ("time", None, "there is no value"),
        ("time", "", "the value '' is empty"),
        ("time", "yesterday", "'yesterday' is not a time such as 2011-10-11T13:45:40.276+02:00"),
        ("time", "2011-13-01", "'2011-13-01' is not a time such as 2011-10-11T13:45:40.276+02:00"),
        ("time", 1318333540, "1318333540 is not a time such as 2011-10-11T13:45:40.276+02:00"),
        (
            "time",
            "0001-01-01T00:00:00+14:00",
            "'0001-01-01T00:00:00+14:00' is not a time such as 2011-10-11T13:45:40.276+02:00",
        ),
    ],
)
def test_a_bad_value_is_named_with_its_line_and_column(column: str, value: Json, reason: str) -> None:
    fields: dict[str, Json] = {"case": "c-1", "activity": "Pay", "time": "2011-10-11", column: value}

    assert MAPPING.entry(LogRow(9, fields)) == BadRow(9, column, reason)


@pytest.mark.parametrize(
    ("case", "activity", "bad"),
    [
        ("a\tb", "paid", BadRow(7, "case", r"'case-a\tb' is not a stream name: character 7 (U+0009) is not printable")),
        (
            "1",
            "p\u202eaid",
            BadRow(7, "activity", r"'p\u202eaid' is not an event type: character 2 (U+202E) is not printable"),
        ),
    ],
)
def test_a_name_that_no_store_would_take_is_a_bad_value(case: str, activity: str, bad: BadRow) -> None:
    assert MAPPING.entry(LogRow(7, {"case": case, "activity": activity, "time": "2024-03-01"})) == bad


@pytest.mark.parametrize("id", ["a1b2c3d4-0000-4000-8000-00000000002a", "A1B2C3D4-0000-4000-8000-00000000002A"])
def test_a_uuid_has_no_category(id: str) -> None:
    assert stream_name(id, category=None) == f"case-{id}"
    assert stream_name(f"order-{id}", category=None) == f"order-{id}"


def test_a_missing_field_is_a_missing_value() -> None:
    assert MAPPING.entry(LogRow(9, {"case": "c-1", "time": "2011-10-11"})) == BadRow(9, "activity", "there is no value")


def test_a_bad_row_reads_as_a_sentence() -> None:
    assert [str(BadRow(9, "time", "there is no value")), str(BadRow(9, None, "not CSV"))] == [
        "line 9, column 'time': there is no value",
        "line 9: not CSV",
    ]


@pytest.mark.parametrize(
    ("value", "category", "name"),
    [
        ("case-10011", None, "case-10011"),
        ("shop.order_2-a b", None, "shop.order_2-a b"),
        ("N77802", None, "case-N77802"),
        ("10011", None, "case-10011"),
        ("2011-10", None, "case-2011-10"),
        ("order-", None, "case-order-"),
        ("-1", None, "case--1"),
        ("my order-1", None, "case-my order-1"),
        ("1", "order", "order-1"),
        ("order-1", "order", "order-1"),
        ("order-", "order", "order-order-"),
        ("case-1", "order", "order-case-1"),
    ],
)
def test_a_stream_is_named_for_its_category(value: str, category: str | None, name: str) -> None:
    assert stream_name(value, category=category) == name


@given(st.text(min_size=1), st.none() | st.sampled_from(["order", "shop.cart"]))
def test_a_stream_name_is_named_only_once(value: str, category: str | None) -> None:
    name = stream_name(value, category=category)

    assert stream_name(name, category=category) == name


@pytest.mark.parametrize(
    "text",
    [
        "2011-10-11T13:45:40.276+02:00",
        "2011-10-11 13:45:40.276000+02:00",
        "2011-10-11T11:45:40.276Z",
        "2011-10-11 11:45:40.276",
        "20111011T114540.276",
        "2011/10/11 11:45:40.276",
        "2011/10/11T13:45:40.276+0200",
    ],
)
def test_times_are_read_as_utc(text: str) -> None:
    time = moment(text)

    assert (time, time.tzinfo) == (datetime(2011, 10, 11, 11, 45, 40, 276_000, UTC), UTC)


@pytest.mark.parametrize("text", ["", "2011/10-11", "11/10/2011", "2011/1/5", "1318333540", "2011-10-11T25:00"])
def test_what_is_no_time_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        moment(text)
