"""States as lines, tokens, ticks and figures: pure functions, each with what it gives."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from refold.patching import changes
from refold.studio import figures
from refold.studio.hues import Hues
from refold.studio.statelines import Lines, leaves, marked, plain
from refold.studio.timeline import TICKS, timeline
from refold.studio.tokens import brief

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=8),
    lambda each: st.lists(each, max_size=5) | st.dictionaries(st.text(max_size=4), each, max_size=5),
    max_leaves=25,
)


def told(lines: Lines) -> list[tuple[str, str, str]]:
    """The lines as text, with their marks and old values."""
    return [(line.mark, "  " * line.depth + "".join(text for _, text in line.tokens), line.old) for line in lines.shown]


def test_a_change_is_marked_with_what_was_there() -> None:
    old = {"status": "open", "lines": [{"sku": "cup", "qty": 1}], "note": "x"}
    new = {"status": "placed", "lines": [{"sku": "cup", "qty": 2}, {"sku": "tray", "qty": 1}], "discount": 10}
    assert told(marked(old, new)) == [
        ("", "{", ""),
        ("changed", '  "status": "placed",', '"open"'),
        ("", '  "lines": [', ""),
        ("", "    {", ""),
        ("", '      "sku": "cup",', ""),
        ("changed", '      "qty": 2', "1"),
        ("", "    },", ""),
        ("added", "    {", ""),
        ("added", '      "sku": "tray",', ""),
        ("added", '      "qty": 1', ""),
        ("added", "    }", ""),
        ("", "  ],", ""),
        ("added", '  "discount": 10', ""),
        ("removed", '  "note": "x"', ""),
        ("", "}", ""),
    ]


def test_items_that_are_gone_stand_where_they_were() -> None:
    assert told(marked(["a", "b", "c", "d"], ["a", "d"])) == [
        ("", "[", ""), ("", '  "a",', ""), ("removed", '  "b"', ""), ("removed", '  "c"', ""), ("", '  "d"', ""), ("", "]", ""),
    ]  # fmt: skip


def test_what_is_gone_has_no_number() -> None:
    assert [line.number for line in marked({"a": 1, "b": 2}, {"b": 2}).shown] == [1, 2, None, 3]


@given(JSON, JSON)
def test_the_lines_are_the_new_state_and_marks_tell_whether_it_changed(old: Any, new: Any) -> None:
    lines = marked(old, new, None)
    text = "\n".join(line for mark, line, _ in told(lines) if mark != "removed")
    assert json.loads(text) == new
    assert any(line.mark for line in lines.shown) == any(changes(old, new))


@given(JSON)
def test_a_state_beside_itself_has_no_marks(state: Any) -> None:
    assert marked(state, state) == plain(state)


def test_a_large_state_is_cut_and_says_so() -> None:
    state = {str(n): n for n in range(3_000)}
    cut, whole = plain(state), plain(state, None)
    assert (len(cut.shown), cut.cut, len(whole.shown), whole.cut) == (2_000, True, 3_002, False)


def test_a_diff_goes_down_to_single_values() -> None:
    found = leaves(tuple(changes({"a": 1}, {"a": 2, "b": {"c/d": [True]}})))
    assert [(each.mark, each.path, "".join(text for _, text in each.new)) for each in found] == [
        ("changed", "/a", "2"), ("added", "/b/c~1d/0", "true"),
    ]  # fmt: skip


def test_data_in_a_row_are_short_whatever_they_hold() -> None:
    assert (
        brief({"order": "1044", "qty": 1, "lines": [{"sku": "cup"}]})
        == 'order: "1044", qty: 1, lines: [{"sku": "cup"}]'
    )
    assert len(brief({"text": "x" * 1_000_000, "more": "y"})) <= 161


def test_a_short_history_has_a_tick_and_a_label_for_each_version() -> None:
    ticks = timeline(3, 2, {1: "opened", 2: "added", 3: "placed"}).ticks
    assert [(each.version, each.label, each.when, each.side) for each in ticks] == [
        (0, "empty", "past", "above"), (1, "opened", "past", "below"), (2, "added", "now", "above"),
        (3, "placed", "future", "below"),
    ]  # fmt: skip


@given(st.integers(1, 10**9), st.data())
def test_a_long_history_has_some_ticks_with_both_ends_and_the_version_that_is_looked_at(
    head: int, data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, head))
    versions = [each.version for each in timeline(head, at, {}).ticks]
    assert {0, at, head} <= set(versions)
    assert versions == sorted(set(versions))
    assert len(versions) <= TICKS + 1


def test_hues_are_given_first_come() -> None:
    hues = Hues()
    names = [hues.of(name) for name in ("order", "stock", "order", "$process.x", "payment")]
    assert names == ["hue-0", "hue-1", "hue-0", "hue-own", "hue-2"]


def test_figures_are_read_at_a_glance() -> None:
    spans = [
        timedelta(milliseconds=6), timedelta(seconds=19.63), timedelta(minutes=4, seconds=12), timedelta(hours=3),
        timedelta(days=2, hours=4),
    ]  # fmt: skip
    plain_ = [figures.span(each).replace("\u202f", " ") for each in spans]
    assert plain_ == ["6 ms", "19.6 s", "4 min 12 s", "3 h", "2 d 4 h"]
    assert [figures.count(2168), figures.size(512), figures.size(1_769_472)] == [
        "2\u202f168",
        "512\u202fB",
        "1.8\u202fMB",
    ]
    assert figures.stamp(datetime(2025, 3, 3, 9, 5, 7, 8_900, UTC)) == "2025-03-03 09:05:07.008"
