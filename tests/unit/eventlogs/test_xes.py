"""XES events come out with the attributes of their trace, and nothing harmful or broken gets through."""

import io

import pytest

from refold.eventlogs import rows as rows_module
from refold.eventlogs.rows import BadRow, LogRow, Row
from refold.eventlogs.xes import read_xes

SMALL = """<?xml version="1.0" encoding="UTF-8" ?>
<log xes.version="1.0" xmlns="http://www.xes-standard.org/">
  <extension name="Time" prefix="time" uri="http://www.xes-standard.org/time.xesext"/>
  <global scope="event">
    <string key="concept:name" value="default"/>
  </global>
  <classifier name="Activity" keys="concept:name"/>
  <string key="origin" value="a test"/>
  <trace>
    <string key="concept:name" value="c-1"/>
    <int key="amount" value="-35"/>
    <event>
      <string key="concept:name" value="Pay &amp; go &#252;"/>
      <date key="time:timestamp" value="2011-10-11T13:45:40.276+02:00"/>
      <float key="sum" value="1.5E1"/>
      <boolean key="late" value="true"/>
      <id key="id" value="4e8d0ff9-2d40-4f0a-9c4b-6a2b1c0d9e8f"/>
    </event>
    <event><string key="concept:name" value="Close"/></event>
  </trace>
  <trace/>
  <event><string key="concept:name" value="Alone"/></event>
</log>
"""


def rows(content: str | bytes) -> list[Row]:
    return list(read_xes(io.BytesIO(content.encode() if isinstance(content, str) else content)))


def event(*attributes: str) -> str:
    """A log of one event, its attributes on line 2, followed by a good event on line 3."""
    return f"<log><trace><event>\n{''.join(attributes)}</event>\n<event/></trace></log>"


def test_an_event_has_typed_attributes_after_those_of_its_trace() -> None:
    assert rows(SMALL) == [
        LogRow(
            12,
            {
                "case:concept:name": "c-1",
                "case:amount": -35,
                "concept:name": "Pay & go ü",
                "time:timestamp": "2011-10-11T13:45:40.276+02:00",
                "sum": 15.0,
                "late": True,
                "id": "4e8d0ff9-2d40-4f0a-9c4b-6a2b1c0d9e8f",
            },
        ),
        LogRow(19, {"case:concept:name": "c-1", "case:amount": -35, "concept:name": "Close"}),
        LogRow(22, {"concept:name": "Alone"}),
    ]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "iso-8859-1", "cp1252"])
def test_the_encoding_is_the_one_that_the_file_declares(encoding: str) -> None:
    content = SMALL.replace('encoding="UTF-8"', f'encoding="{encoding.removesuffix("-sig")}"')

    assert rows(content.encode(encoding)) == rows(SMALL)


def test_namespace_prefixes_make_no_difference() -> None:
    assert rows('<x:log xmlns:x="u"><x:trace><x:event><x:int key="n" value="1"/></x:event></x:trace></x:log>') == [
        LogRow(1, {"n": 1})
    ]


def test_lists_and_containers_and_attributes_of_attributes_are_nested() -> None:
    content = event(
        '<list key="items"><values><string key="item" value="a"/><int key="item" value="2"/></values></list>',
        '<container key="address"><string key="city" value="Delft"/><list key="none"/></container>',
        '<string key="note" value="x"><boolean key="seen" value="0"/></string>',
    )

    assert rows(content)[0] == LogRow(
        1,
        {
            "items": [{"item": "a"}, {"item": 2}],
            "address": {"city": "Delft", "none": []},
            "note": {"value": "x", "children": {"seen": False}},
        },
    )


@pytest.mark.parametrize(
    ("attribute", "column", "reason"),
    [
        ('<int key="n" value="1.5"/>', "n", "'1.5' is not a value of <int>"),
        ('<int key="n" value="1_0"/>', "n", "'1_0' is not a value of <int>"),
        ('<float key="n" value="NaN"/>', "n", "'NaN' is not a value of <float>"),
        ('<float key="n" value="1e999"/>', "n", "'1e999' is not a value of <float>"),
        ('<boolean key="n" value="yes"/>', "n", "'yes' is not a value of <boolean>"),
        ('<date key="n" value="yesterday"/>', "n", "'yesterday' is not a value of <date>"),
        ('<date key="n"/>', "n", "<date> has no value"),
        ('<string value="1"/>', None, "<string> has no key"),
        ('<text key="n" value="1"/>', "n", "<text> is no attribute of XES"),
        ('<int key="n" value="1"/><int key="n" value="1"/>', "n", "the key stands twice"),
        ('<list key="l"><int key="n" value="x"/></list>', "l", "'x' is not a value of <int>"),
        (
            '<container key="c"><int key="n" value="1"/><int key="n" value="1"/></container>',
            "c",
            "the key 'n' stands twice in it",
        ),
    ],
)
def test_a_bad_attribute_costs_its_event_and_no_other(attribute: str, column: str | None, reason: str) -> None:
    assert rows(event(attribute)) == [BadRow(2, column, reason), LogRow(3, {})]


def test_a_bad_attribute_of_a_trace_costs_the_events_of_the_trace() -> None:
    content = """<log>
      <trace><int key="n" value="x"/>
        <event/>
      </trace>
      <trace>
        <int key="n" value="x"/>
      </trace>
      <trace><event/></trace></log>"""

    assert rows(content) == [
        BadRow(3, "case:n", "its trace is bad, line 2: 'x' is not a value of <int>"),
        BadRow(6, "case:n", "'x' is not a value of <int>"),
        LogRow(8, {}),
    ]


def test_an_attribute_of_a_trace_that_comes_too_late_is_reported() -> None:
    late = "stands after events of its trace, which were read without it"

    assert rows('<log><trace><event/>\n<int key="n" value="1"/>\n<event/></trace></log>') == [
        LogRow(1, {}),
        BadRow(2, "case:n", late),
        BadRow(3, "case:n", f"its trace is bad, line 2: {late}"),
    ]


def test_an_event_may_not_hide_an_attribute_of_its_trace() -> None:
    content = '<log><trace><int key="n" value="1"/><event><int key="case:n" value="2"/></event></trace></log>'

    assert rows(content) == [BadRow(1, "case:n", "the event has an attribute named like this one of its trace")]


BOMB = (
    '<!DOCTYPE log [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>\n<log><event><string key="a" value="&b;"/></event></log>'
)


@pytest.mark.parametrize(
    ("content", "bad"),
    [
        ("", BadRow(1, None, "malformed XML at character 1: no element found. The reading ends here.")),
        (
            "<log>\n <trace></log>",
            BadRow(2, None, "malformed XML at character 11: mismatched tag. The reading ends here."),
        ),
        ("<log><trace>\n", BadRow(2, None, "malformed XML at character 1: no element found. The reading ends here.")),
        ("<log>&x;</log>", BadRow(1, None, "malformed XML at character 6: undefined entity. The reading ends here.")),
        (
            "<html/>",
            BadRow(1, None, "the outermost element is <html>, not <log>: this is no XES. The reading ends here."),
        ),
        (
            BOMB,
            BadRow(
                1,
                None,
                "the file declares a document type (DOCTYPE), which may define harmful entities; XES needs none. "
                "The reading ends here.",
            ),
        ),
        (
            "<log><event>\n<event/></event></log>",
            BadRow(2, None, "<event> stands inside <event>. The reading ends here."),
        ),
        (
            "<log><trace>\n<trace/></trace></log>",
            BadRow(2, None, "<trace> stands inside <trace>. The reading ends here."),
        ),
        (
            '<log><trace><list key="l">\n<event/></list></trace></log>',
            BadRow(2, None, "<event> stands inside <list>. The reading ends here."),
        ),
        (
            event('<list key="l">' * 51),
            BadRow(2, None, "attributes stand more than 50 deep in each other. The reading ends here."),
        ),
        (
            '<?xml version="1.0" encoding="utf-7"?><log/>',
            BadRow(1, None, "multi-byte encodings are not supported. The reading ends here."),
        ),
    ],
)
def test_what_is_no_sound_xes_ends_the_reading(content: str, bad: BadRow) -> None:
    assert rows(content) == [bad]


def test_events_before_the_broken_place_are_read() -> None:
    assert rows("<log><trace><event/>\n<event></trace></log>") == [
        LogRow(1, {}),
        BadRow(2, None, "malformed XML at character 10: mismatched tag. The reading ends here."),
    ]


@pytest.mark.parametrize(
    "endless",
    [
        '<event><string key="a" value="' + "x" * 200_000,
        "<event>" + "".join(f'<int key="{n}" value="1"/>' for n in range(9_000)),
        "".join(f'<int key="{n}" value="1"/>' for n in range(9_000)),
    ],
)
def test_an_endless_event_is_refused_before_it_fills_the_memory(endless: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_module, "LONGEST", 100_000)

    (bad,) = rows(f"<log><trace>{endless}")

    assert isinstance(bad, BadRow)
    assert bad.reason.startswith("an event, or something else between two events, is longer than 100,000 bytes")


def test_many_events_in_one_trace_are_not_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_module, "LONGEST", 100_000)

    assert rows(f"<log><trace>{'<event/>' * 50_000}</trace></log>") == [LogRow(1, {})] * 50_000
