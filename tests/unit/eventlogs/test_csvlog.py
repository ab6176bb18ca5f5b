"""CSV rows come out as they stand in the file, and what cannot be read is named by line and column."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refold.errors import EventLogError
from refold.eventlogs import csvlog
from refold.eventlogs.csvlog import read_csv
from refold.eventlogs.rows import BadRow, LogRow, Row


def rows(content: str | bytes) -> list[Row]:
    data = content.encode() if isinstance(content, str) else content
    return list(read_csv(io.BytesIO(data)).rows)


def header_error(content: str | bytes) -> str:
    with pytest.raises(EventLogError) as caught:
        rows(content)
    return str(caught.value)


def test_a_row_is_its_values_by_the_names_of_the_columns() -> None:
    assert rows("case,activity\nc-1,Pay\nc-2,Send\n") == [
        LogRow(2, {"case": "c-1", "activity": "Pay"}),
        LogRow(3, {"case": "c-2", "activity": "Send"}),
    ]


def test_the_header_is_known_before_the_first_row_is_read() -> None:
    assert read_csv(io.BytesIO(b"case,activity\n")).columns == ("case", "activity")


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_the_separator_is_seen_in_the_first_line(separator: str) -> None:
    content = "case,activity,note\nc-1,Pay,x\n".replace(",", separator)

    assert rows(content) == [LogRow(2, {"case": "c-1", "activity": "Pay", "note": "x"})]


def test_a_separator_within_quotes_does_not_count() -> None:
    assert rows('"a,b,c";d\n1;2\n') == [LogRow(2, {"a,b,c": "1", "d": "2"})]


def test_names_of_columns_may_span_lines_with_any_separator() -> None:
    assert rows('"a\nb";"c,d,e"\n1;2\n') == [LogRow(3, {"a\nb": "1", "c,d,e": "2"})]


def test_a_byte_order_mark_is_no_part_of_the_first_name() -> None:
    assert rows(b"\xef\xbb\xbfcase,activity\r\nc-1,Pay\r\n") == [LogRow(2, {"case": "c-1", "activity": "Pay"})]


def test_empty_cells_are_absent_and_values_stay_text() -> None:
    assert rows("a,b,c,d\n1,,NaN,true\n,,,\n") == [LogRow(2, {"a": "1", "c": "NaN", "d": "true"}), LogRow(3, {})]


def test_lines_are_those_of_the_file_also_after_quoted_line_breaks_and_empty_lines() -> None:
    assert rows('"a\nb",c\n"1\n\n2",3\n\n4,5\n') == [
        LogRow(3, {"a\nb": "1\n\n2", "c": "3"}),
        LogRow(7, {"a\nb": "4", "c": "5"}),
    ]


def test_a_row_with_too_few_values_names_the_first_column_without_one() -> None:
    assert rows("a,b,c\n1,2\n1,2,3\n") == [
        BadRow(2, "c", "the row has 2 values for 3 columns: this column is the first one missing"),
        LogRow(3, {"a": "1", "b": "2", "c": "3"}),
    ]


def test_a_row_with_too_many_values_names_the_last_column() -> None:
    assert rows("a,b\n1,2,3\n4,5\n") == [
        BadRow(2, "b", "the row has 3 values for 2 columns: the rest stands after this column"),
        LogRow(3, {"a": "4", "b": "5"}),
    ]


def test_undecodable_bytes_cost_their_row_and_no_other() -> None:
    assert rows(b'a,b\n1,"x\n\xff"\n2,y\n') == [
        BadRow(2, "b", "byte 0xff is not UTF-8 (invalid start byte)"),
        LogRow(4, {"a": "2", "b": "y"}),
    ]


def test_undecodable_bytes_beyond_the_last_column_are_of_no_column() -> None:
    assert rows(b"a,b\n1,2,\xe9\n3,4\n") == [
        BadRow(2, None, "byte 0xe9 is not UTF-8 (invalid continuation byte)"),
        LogRow(3, {"a": "3", "b": "4"}),
    ]


def test_text_after_a_closing_quote_is_a_bad_row() -> None:
    assert rows('a,b\n1,"x"y\n2,z\n') == [
        BadRow(2, None, "not CSV: ',' expected after '\"'"),
        LogRow(3, {"a": "2", "b": "z"}),
    ]


def test_a_quote_that_is_never_closed_is_reported_where_its_row_begins() -> None:
    assert rows('a,b\n1,2\n3,"4\n5,6\n') == [
        LogRow(2, {"a": "1", "b": "2"}),
        BadRow(3, None, "a quoted value that begins here is never closed"),
    ]


def test_an_open_quote_does_not_swallow_a_large_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csvlog, "LONGEST_CELL", 131_072)
    bad, *_, last = rows('a,b\n1,"2\n' + "3,4\n" * 40_000)

    assert (bad, last) == (
        BadRow(2, None, "field larger than field limit (131072): is a quote left open?"),
        LogRow(40_002, {"a": "3", "b": "4"}),
    )


def test_a_long_value_is_read_whole_and_the_limit_of_the_process_stays_as_it_is() -> None:
    before, long = csv.field_size_limit(), "x" * 1_000_000
    table = read_csv(io.BytesIO(f"a,b\n1,{long}\n{long},2\n".encode()))
    assert next(table.rows) == LogRow(2, {"a": "1", "b": long})
    assert csv.field_size_limit() == before
    assert list(table.rows) == [LogRow(3, {"a": long, "b": "2"})]
    assert csv.field_size_limit() == before


def test_a_lone_carriage_return_is_a_bad_row() -> None:
    assert rows("a,b\n1\r2,3\n4,5\n") == [
        BadRow(2, None, "a carriage return stands outside quotes: end the lines with \\n or \\r\\n"),
        LogRow(3, {"a": "4", "b": "5"}),
    ]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "line 1: is empty: it must name the columns"),
        ("\na,b\n", "line 1: is empty: it must name the columns"),
        ("a,b,a\n", "line 1: names the column 'a' twice"),
        ("a, ,c\n", "line 1: column 2 of 3 has no name"),
        (",a\n", "line 1: column 1 of 2 has no name"),
        ('a,"b', "line 1: cannot be read as the names of the columns: unexpected end of data"),
    ],
)
def test_a_first_line_that_does_not_name_the_columns_is_an_error(content: str, sentence: str) -> None:
    assert header_error(content) == sentence


def test_a_file_with_lone_carriage_returns_is_an_error() -> None:
    assert header_error("a,b\r1,2\r").startswith(
        "line 1: cannot be read as the names of the columns: new-line character seen in unquoted field"
    )


def test_another_encoding_is_an_error_that_says_what_to_do() -> None:
    assert header_error("a,b\n1,2\n".encode("utf-16")) == (
        "line 1: is not UTF-8: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte. "
        "Save the file as UTF-8."
    )


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NAMES = st.lists(TEXT.filter(lambda name: name.strip() and "\ufeff" not in name), min_size=1, max_size=4, unique=True)


@given(st.data(), NAMES, st.sampled_from([",", ";", "\t"]))
def test_what_the_csv_module_writes_is_read_back_equal(data: st.DataObject, names: list[str], separator: str) -> None:
    table = data.draw(st.lists(st.lists(TEXT, min_size=len(names), max_size=len(names)), max_size=5))
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter=separator if len(names) > 1 else ",", quoting=csv.QUOTE_ALL)
    writer.writerows([names, *table])

    read = rows(file.getvalue())

    assert [row.fields for row in read if isinstance(row, LogRow)] == [
        {name: cell for name, cell in zip(names, cells, strict=True) if cell} for cells in table
    ]
    assert len(read) == len(table)
