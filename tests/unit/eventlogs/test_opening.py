"""A file is opened by its name, unpacked if need be, and read without filling the memory."""

import gzip
import tracemalloc
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refold.errors import EventLogError, UsageError
from refold.eventlogs import BadRow, LogEntry, LogMapping, LogRow, entries, open_log
from refold.eventlogs import rows as rows_module

CSV = """case:concept:name,concept:name,time:timestamp,note
c-1,Pay,2011-10-11T13:45:40+02:00,ü
c-1,Send,2011-10-12T00:00:00Z,
"""
JSONL = """{"case:concept:name":"c-1","concept:name":"Pay","time:timestamp":"2011-10-11T13:45:40+02:00","note":"ü"}
{"case:concept:name":"c-1","concept:name":"Send","time:timestamp":"2011-10-12T00:00:00Z"}
"""
XES = """<log><trace><string key="concept:name" value="c-1"/>
<event><string key="concept:name" value="Pay"/><date key="time:timestamp" value="2011-10-11T13:45:40+02:00"/>
<string key="note" value="ü"/></event>
<event><string key="concept:name" value="Send"/><date key="time:timestamp" value="2011-10-12T00:00:00Z"/></event>
</trace></log>
"""


def written(path: Path, content: str) -> Path:
    path.write_bytes(gzip.compress(content.encode()) if path.suffix.lower() == ".gz" else content.encode())
    return path


def read(path: Path, mapping: LogMapping | None = None) -> list[LogEntry | BadRow]:
    with open_log(path) as log:
        return list(entries(log, mapping or LogMapping()))


def test_one_log_in_three_formats_has_the_same_entries(tmp_path: Path) -> None:
    logs = [written(tmp_path / name, text) for name, text in [("a.csv", CSV), ("a.jsonl", JSONL), ("a.xes", XES)]]

    as_csv, as_jsonl, as_xes = ([_without_line(entry) for entry in read(log)] for log in logs)

    assert as_csv == as_jsonl == as_xes
    assert len(as_csv) == 2


def _without_line(entry: LogEntry | BadRow) -> tuple[object, ...]:
    assert isinstance(entry, LogEntry)
    return entry.stream, entry.type, entry.valid_at, entry.data


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv.gz", CSV),
        ("a.XES.GZ", XES),
        ("a.jsonl.gz", JSONL),
        ("a.ndjson", JSONL),
        ("a.ndjson.gz", JSONL),
        ("a.CSV", CSV),
    ],
)
def test_the_end_of_the_name_tells_the_format(tmp_path: Path, name: str, content: str) -> None:
    assert [entry.type for entry in read(written(tmp_path / name, content)) if isinstance(entry, LogEntry)] == [
        "Pay",
        "Send",
    ]


@pytest.mark.parametrize("name", ["log.xml", "csv", "log.gz", "log.csv.zip"])
def test_another_end_of_the_name_is_an_error_that_names_the_known_ones(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(tmp_path / name)

    assert str(caught.value) == (
        f"{name!r} is no event log by its name: known are .csv, .xes, .jsonl, .ndjson, .parquet, .ocel.json, "
        ".jsonocel, each also with .gz."
    )


@pytest.mark.parametrize(("name", "content"), [("a.csv", CSV), ("a.xes", XES), ("a.jsonl", JSONL), ("a.csv.gz", CSV)])
def test_progress_is_in_bytes_of_the_file(tmp_path: Path, name: str, content: str) -> None:
    path = written(tmp_path / name, content)

    with open_log(path) as log:
        before = log.bytes_read
        for _ in log:
            assert before <= (before := log.bytes_read) <= log.size
        assert (log.bytes_read, log.size) == (path.stat().st_size, path.stat().st_size)


def test_progress_of_a_packed_file_grows_while_it_is_read(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv.gz", "case,event\n" + "".join(f"{hash(n * n)},{n}\n" for n in range(100_000)))

    with open_log(path) as log:
        seen = sorted({log.bytes_read for _ in log})

    assert len(seen) > 5
    assert seen[0] < log.size / 2
    assert seen[-1] == log.size


def test_the_columns_of_a_log_without_header_are_those_of_its_first_rows(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", '{"case":"1"}\n[]\n{"type":"x","case":"2"}\n')

    with open_log(path) as log:
        assert log.columns == ("case", "type")
        assert [row.line for row in log] == [1, 2, 3]


def test_a_column_that_is_missing_is_an_error_before_the_first_row(tmp_path: Path) -> None:
    with open_log(written(tmp_path / "a.csv", "case,what\n")) as log, pytest.raises(UsageError):
        entries(log, LogMapping())


def test_bad_rows_at_the_beginning_do_not_hide_the_columns(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", "[]\n" * 150 + '{"case":"1","type":"x"}\n')

    *bad, last = read(path)

    assert bad == [BadRow(line, None, "[] is not a JSON object") for line in range(1, 151)]
    assert last == LogEntry(151, "case-1", "x", None, {})


def test_an_empty_log_has_no_entries(tmp_path: Path) -> None:
    assert [
        read(written(tmp_path / name, text))
        for name, text in [("a.jsonl", ""), ("a.csv", "case,type\n"), ("a.xes", "<log/>")]
    ] == [
        [],
        [],
        [],
    ]


def test_a_file_that_is_not_there_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(EventLogError) as caught:
        read(tmp_path / "no.csv")

    assert str(caught.value) == f"{str(tmp_path / 'no.csv')!r}: cannot be read: No such file or directory"


def test_an_error_of_a_reader_names_the_file(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "a,a\n")

    with pytest.raises(EventLogError) as caught:
        read(path)

    assert (str(caught.value), caught.value.line) == (f"{str(path)!r}, line 1: names the column 'a' twice", 1)


def test_a_file_that_is_packed_by_its_name_alone_is_an_error_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_text(CSV)

    with pytest.raises(EventLogError, match="Not a gzipped file"):
        read(path)


@pytest.mark.parametrize(("name", "content"), [("a.csv.gz", CSV), ("a.xes.gz", XES), ("a.jsonl.gz", JSONL)])
def test_a_packed_file_that_is_cut_off_is_an_error_of_ours(tmp_path: Path, name: str, content: str) -> None:
    path = written(tmp_path / name, content)
    path.write_bytes(path.read_bytes()[:-12])

    with pytest.raises(EventLogError, match="is damaged or cut off"):
        read(path)


def test_a_damaged_packed_file_is_an_error_of_ours(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv.gz", CSV * 50)
    content = bytearray(path.read_bytes())
    content[20:40] = b"\xff" * 20
    path.write_bytes(content)

    with pytest.raises(EventLogError, match="is damaged or cut off"):
        read(path)


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_a_line_without_end_is_an_error(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_module, "LONGEST", 1_000)
    path = written(tmp_path / name, "a" * 1_001)

    with pytest.raises(EventLogError) as caught:
        read(path)

    assert str(caught.value) == (
        f"{str(path)!r}, line 1: is longer than 1,000 bytes: this is no log of one event a line"
    )


def test_an_error_of_the_caller_passes_unchanged(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="the store is full"), open_log(written(tmp_path / "a.csv", CSV)):
        raise OSError("the store is full")


PIECES = [
    *[b"\n", b"\r", b"\0", b"\xff", b"\xef\xbb\xbf", b'<int key="n" value="1"/>', b'<list key="l">', b"<!DOCTYPE log"],
    *b'a 1 , ; " { } [ : "a":1 {"a":1} <log> </log> <trace> </trace> <event> </event> <event/> </list> <!--'.split(),
]


@given(
    st.lists(st.sampled_from(PIECES), max_size=12).map(b"".join) | st.binary(max_size=60),
    st.sampled_from([".csv", ".jsonl", ".xes"]),
)
def test_whatever_is_in_a_file_gives_rows_or_an_error_of_ours(content: bytes, ending: str) -> None:
    with TemporaryDirectory() as directory:
        path = Path(directory, f"a{ending}")
        path.write_bytes(content)
        try:
            with open_log(path) as log:
                lines = [row.line for row in log]
        except EventLogError:
            return

    assert all(1 <= line <= len(content) + 1 for line in lines)


def test_rows_can_be_read_without_a_mapping(tmp_path: Path) -> None:
    with open_log(written(tmp_path / "a.csv", "a,b\n1,2\n3\n")) as log:
        assert list(log) == [
            LogRow(2, {"a": "1", "b": "2"}),
            BadRow(3, "b", "the row has 1 values for 2 columns: this column is the first one missing"),
        ]


XES_EVENT = '<event><id key="case" value="1"/><id key="event" value="x"/></event>'


@pytest.mark.parametrize(
    ("name", "content", "count"),
    [
        ("a.csv", "case,event\n" + "1,x\n" * 200_000, 200_000),
        ("a.jsonl", '{"case":1,"event":"x"}\n' * 50_000, 50_000),
        ("a.xes", f"<log><trace>{XES_EVENT * 50_000}</trace></log>", 50_000),
    ],
    ids=["csv", "jsonl", "xes"],
)
def test_memory_does_not_grow_with_the_file(tmp_path: Path, name: str, content: str, count: int) -> None:
    path = written(tmp_path / name, content)

    with open_log(path) as log:
        tracemalloc.start()
        try:
            good = sum(isinstance(entry, LogEntry) for entry in entries(log, LogMapping()))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

    assert good == count
    assert peak < 2_000_000
