"""What the reading commands print: whole outputs, in the formats that differ."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import apsw
import pytest
from tests.cli.conftest import Run
from tests.cli.shop import Outcome, id_of

from refold.cli.options import instant_of
from refold.eventlogs.exporter import csv_row
from refold.eventlogs.recorded import COLUMNS

FIRST = {
    "position": 1,
    "stream": "cart-c-1",
    "version": 1,
    "type": "cart.item-added",
    "schema_version": 1,
    "id": str(id_of(1)),
    "recorded_at": "2026-01-01T12:00:00Z",
    "valid_at": None,
    "data": {"sku": "b-1", "qty": 2},
    "tags": [],
    "metadata": {"correlation_id": "c-1", "causation_id": None, "actor": "ada", "free": {}},
}


def shop(refold: Run, *args: str) -> Outcome:
    return refold(*args, "--store", "shop.db")


def as_json(outcome: Outcome) -> object:
    assert (outcome.code, outcome.err) == (0, "")
    return json.loads(outcome.out)


# streams ----------------------------------------------------------------------


def test_streams_are_listed_as_a_table(refold: Run) -> None:
    assert shop(refold, "streams", "--output", "table").out == (
        "stream      version   last position   first recorded at     last recorded at   \n"
        "───────────────────────────────────────────────────────────────────────────────\n"
        "cart-c-1          3               3   2026-01-01 12:00:00   2026-01-01 12:02:00\n"
        "order-1           2               6   2026-01-01 12:03:00   2026-01-01 12:05:00\n"
        "payment-1         1               5   2026-01-01 12:04:00   2026-01-01 12:04:00\n"
    )


def test_streams_are_one_line_each_in_a_pipe(refold: Run) -> None:
    code, out, err = shop(refold, "streams")
    assert (code, err) == (0, "")
    assert out == (
        "cart-c-1\t3\t3\t2026-01-01T12:00:00Z\t2026-01-01T12:02:00Z\n"
        "order-1\t2\t6\t2026-01-01T12:03:00Z\t2026-01-01T12:05:00Z\n"
        "payment-1\t1\t5\t2026-01-01T12:04:00Z\t2026-01-01T12:04:00Z\n"
    )


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("", ["cart-c-1", "order-1", "payment-1"]),
        ("ord", ["order-1"]),
        ("*-1", ["cart-c-1", "order-1", "payment-1"]),
        ("*r*-?", ["cart-c-1", "order-1"]),
        ("cart", ["cart-c-1"]),
        ("nothing", []),
    ],
)
def test_a_pattern_is_a_beginning_or_a_whole(refold: Run, pattern: str, names: list[str]) -> None:
    lines = shop(refold, "streams", pattern).out.splitlines()
    assert [line.split("\t")[0] for line in lines] == names


def test_a_part_of_the_streams_comes_with_the_cursor_of_the_rest(refold: Run) -> None:
    page = as_json(shop(refold, "streams", "--limit", "2", "--output", "json"))
    assert isinstance(page, dict)
    assert (page["schema"], [s["stream"] for s in page["data"]], page["next"]) == (
        1,
        ["cart-c-1", "order-1"],
        "order-1",
    )

    rest = as_json(shop(refold, "streams", "--limit", "2", "--after", "order-1", "--output", "json"))
    assert rest == {
        "schema": 1,
        "data": [
            {
                "stream": "payment-1",
                "version": 1,
                "last_position": 5,
                "first_recorded_at": "2026-01-01T12:04:00Z",
                "last_recorded_at": "2026-01-01T12:04:00Z",
            }
        ],
        "next": None,
    }


# show -------------------------------------------------------------------------


def test_a_stream_is_shown_as_a_table(refold: Run) -> None:
    assert [line.rstrip() for line in shop(refold, "show", "cart-c-1", "--output", "table").out.splitlines()] == [
        "version   valid at              type              data",
        "─" * 100,
        "      1   2026-01-01 12:00:00   cart.item-added   sku=b-1 qty=2",
        "      2   2025-12-24 00:00:00   cart.item-added   sku=b-2 qty=1",
        '      3   2026-01-01 12:02:00   cart.noted        sku=null note="a [gift]\\nfor Bob"',
    ]


def test_a_stream_is_shown_in_a_pipe(refold: Run) -> None:
    assert shop(refold, "show", "cart-c-1").out == (
        '1\t2026-01-01T12:00:00Z\tcart.item-added\t{"sku":"b-1","qty":2}\n'
        '2\t2025-12-24T00:00:00Z\tcart.item-added\t{"sku":"b-2","qty":1}\n'
        '3\t2026-01-01T12:02:00Z\tcart.noted\t{"sku":null,"note":"a [gift]\\nfor Bob"}\n'
    )


def test_a_part_of_a_stream_comes_with_the_version_to_go_on_after(refold: Run) -> None:
    page = as_json(shop(refold, "show", "cart-c-1", "--limit", "1", "--output", "json"))
    assert page == {"schema": 1, "data": [FIRST], "next": 1}
    lines = shop(refold, "show", "cart-c-1", "--after", "2").out.splitlines()
    assert [line.split("\t")[0] for line in lines] == ["3"]


def test_events_are_csv_with_their_data_as_json(refold: Run) -> None:
    out = shop(refold, "show", "cart-c-1", "--limit", "1", "--output", "csv").out
    assert out == (
        csv_row(COLUMNS)
        + csv_row((
            "1", "cart-c-1", "1", "cart.item-added", "1", str(id_of(1)), "2026-01-01T12:00:00Z", "",
            '{"sku":"b-1","qty":2}', "[]", "c-1", "", "ada", "{}",
        ))
    )  # fmt: skip


@pytest.mark.parametrize("what", ["#1", "cart-c-1@1", str(id_of(1))])
def test_one_event_is_shown_whole(refold: Run, what: str) -> None:
    assert as_json(shop(refold, "show", what, "--output", "json")) == FIRST


def test_one_event_is_shown_to_people(refold: Run) -> None:
    assert [line.rstrip() for line in shop(refold, "show", "#3", "--output", "table").out.splitlines()] == [
        "stream       cart-c-1@3",
        "position     #3",
        "type         cart.noted, schema version 1",
        f"id           {id_of(3)}",
        "recorded at  2026-01-01T12:02:00Z",
        "correlation  c-1",
        "tags         c:1, gift",
        "data         {",
        '               "sku": null,',
        '               "note": "a [gift]\\nfor Bob"',
        "             }",
    ]


@pytest.mark.parametrize(
    ("what", "error"),
    [
        ("cart-c-2", "there is no stream 'cart-c-2': did you mean 'cart-c-1'?"),
        ("zebra-9", "there is no stream 'zebra-9': `refold streams` lists them."),
        ("cart-c-1@9", "stream 'cart-c-1' has no version 9: it is at version 3."),
        ("cart-c-1@0", "stream 'cart-c-1' has no version 0: it is at version 3."),
        ("cart-c-2@1", "there is no stream 'cart-c-2': did you mean 'cart-c-1'?"),
        ("#99", "there is no event at position 99: the last position is 6."),
        ("#0", "there is no event at position 0: the last position is 6."),
    ],
)
def test_what_is_not_there_is_not_found(refold: Run, what: str, error: str) -> None:
    assert shop(refold, "show", what) == (3, "", f"refold: {error}\n")


# tail -------------------------------------------------------------------------


def positions(outcome: Outcome) -> list[int]:
    assert (outcome.code, outcome.err) == (0, "")
    return [int(line.split("\t")[0]) for line in outcome.out.splitlines()]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], [1, 2, 3, 4, 5, 6]),
        (["--limit", "2"], [5, 6]),
        (["--from", "5"], [5, 6]),
        (["--from", "2", "--limit", "2"], [2, 3]),
        (["--from", "2026-01-01T12:04"], [5, 6]),
        (["--from", "2026-01-01T13:04+01:00"], [5, 6]),
        (["--category", "order"], [4, 6]),
        (["--type", "cart.noted", "--type", "order.paid"], [3, 6]),
        (["--category", "cart", "--type", "cart.item-added", "--limit", "1"], [2]),
    ],
)
def test_the_tail_shows_what_was_asked_for(refold: Run, options: list[str], expected: list[int]) -> None:
    assert positions(shop(refold, "tail", *options)) == expected


def test_the_tail_tells_where_to_go_on(refold: Run) -> None:
    page = as_json(shop(refold, "tail", "--from", "1", "--limit", "1", "--output", "json"))
    assert page == {"schema": 1, "data": [FIRST], "next": 2}


def test_an_hour_ago_is_a_time() -> None:
    before = datetime.now(UTC)
    told = instant_of("-1h")
    assert before <= told + timedelta(hours=1) <= datetime.now(UTC)


def test_following_is_no_json_list(refold: Run) -> None:
    code, out, err = shop(refold, "tail", "--follow", "--output", "json")
    assert (code, out, "take --output jsonl" in err) == (2, "", True)


def test_a_time_that_is_none_is_told(refold: Run) -> None:
    code, _, err = shop(refold, "tail", "--from", "soon")
    assert code == 2
    assert "'soon' is no position such as 123, and no time: write 2011-10-20, 2011-10-20T13:45+02:00, or -1h" in err


# trace ------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["order-1", str(id_of(6)), "payment-1@1", "#6"])
def test_a_story_is_a_tree_of_what_caused_what(refold: Run, what: str) -> None:
    assert [line.rstrip() for line in shop(refold, "trace", what, "--output", "table").out.splitlines()] == [
        "story order-1",
        "order.place  command",
        "└── order.placed  order-1@1  #4  2026-01-01 12:03:00",
        "    └── payment.ask  command",
        "        └── payment.asked  payment-1@1  #5  2026-01-01 12:04:00",
        "            └── order.paid  order-1@2  #6  2026-01-01 12:05:00",
    ]


def test_a_story_is_indented_in_a_pipe(refold: Run) -> None:
    assert shop(refold, "trace", "order-1").out.splitlines()[:2] == [
        "order.place  command",
        "  order.placed  order-1@1  #4  2026-01-01 12:03:00",
    ]


def test_a_story_is_a_tree_in_json_too(refold: Run) -> None:
    def names(nodes: list[dict[str, object]]) -> list[object]:
        return [[node["kind"], node["name"], *names(node["children"])] for node in nodes]  # type: ignore[arg-type] # a tree

    page = as_json(shop(refold, "trace", "order-1", "--output", "json"))
    assert isinstance(page, dict)
    assert names(page["data"]) == [
        [
            "command", "order.place",
            ["event", "order.placed", ["command", "payment.ask", ["event", "payment.asked", ["event", "order.paid"]]]],
        ]
    ]  # fmt: skip


def test_a_story_is_a_list_if_wished(refold: Run) -> None:
    assert positions(shop(refold, "trace", "order-1", "--list")) == [4, 5, 6]


def test_a_story_that_is_not_there_is_not_found(refold: Run) -> None:
    assert shop(refold, "trace", "nothing") == (
        3,
        "",
        "refold: there is no story 'nothing': give a correlation id, or an event.\n",
    )


# stats and verify -------------------------------------------------------------


def test_the_stats_count_everything(refold: Run, directory: Path) -> None:
    assert as_json(shop(refold, "stats", "--output", "json")) == {
        "events": 6,
        "streams": 3,
        "types": {"cart.item-added": 2, "cart.noted": 1, "order.paid": 1, "order.placed": 1, "payment.asked": 1},
        "categories": {"cart": 3, "order": 2, "payment": 1},
        "head": 6,
        "first_recorded_at": "2026-01-01T12:00:00Z",
        "last_recorded_at": "2026-01-01T12:05:00Z",
        "bytes": (directory / "shop.db").stat().st_size,
        "durability": "disk",
    }


def test_the_stats_are_one_value_a_line_in_a_pipe(refold: Run) -> None:
    assert shop(refold, "stats").out.splitlines()[:3] == ["/events\t6", "/streams\t3", "/types/cart.item-added\t2"]


def test_the_stats_are_shown_to_people(refold: Run) -> None:
    lines = [line.rstrip() for line in shop(refold, "stats", "--output", "table").out.splitlines()]
    assert lines[:4] == [
        "store       sqlite:///shop.db",
        "events      6 in 3 streams",
        "head        #6",
        "recorded    2026-01-01 12:00:00 to 2026-01-01 12:05:00",
    ]
    assert "cart            3   ████████████" in lines


def test_a_store_that_is_whole_verifies(refold: Run) -> None:
    assert shop(refold, "verify") == (0, "", "all is well: 6 positions checked.\n")
    assert as_json(shop(refold, "verify", "--output", "json")) == {"schema": 1, "data": [], "next": None}


def damage(directory: Path) -> None:
    db = apsw.Connection(str(directory / "shop.db"))
    db.execute("drop trigger events_are_not_changed")
    db.execute("update events set data = x'7b' where position = 2")
    db.close()


def test_what_is_damaged_is_listed(refold: Run, directory: Path) -> None:
    damage(directory)

    code, out, err = shop(refold, "verify", "--output", "json")
    assert (code, json.loads(out)["data"], err) == (
        6,
        [
            {"position": None, "problem": "the trigger events_are_not_changed is missing: events could be changed"},
            {"position": 2, "problem": "its data or metadata are not JSON"},
            {"position": 2, "problem": "it is not what was written: its digest does not fit"},
        ],
        "",
    )


def test_an_event_that_cannot_be_read_is_corrupt_data(refold: Run, directory: Path) -> None:
    damage(directory)
    code, _, err = shop(refold, "show", "cart-c-1")
    assert (code, err.startswith("refold: event 'cart.item-added' of stream 'cart-c-1', version 2, position 2")) == (
        6,
        True,
    )
