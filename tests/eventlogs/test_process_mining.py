"""What XES and OCEL exports say: to PM4Py, which process mining knows, and by the letter of the two standards."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID
from xml.etree import ElementTree as ET

import pytest
from tests.docs.pages import DOCS
from tests.eventlogs.moving import exported, held, imported, store_of
from tests.eventlogs.ocel_rules import flaws

from refold.eventlogs.exporter import Choices
from refold.eventlogs.importer import Imported
from refold.eventlogs.mapping import LogMapping
from refold.eventlogs.rows import BadRow
from refold.messages import Metadata, NewEvent, RawEvent
from refold.store import Store

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
DATA = Path(os.environ.get("REFOLD_DATA") or Path(__file__).parents[3] / "shared" / "data")
XES = "{http://www.xes-standard.org/}"


def event(
    number: int, type: str, data: dict[str, Any], *tags: str, story: str = "s-1", actor: str | None = None
) -> NewEvent[RawEvent]:
    metadata = Metadata(story, None, actor)
    return NewEvent(RawEvent(type, data), UUID(int=number), NOON + timedelta(hours=number), frozenset(tags), metadata)


EVENTS = [
    ("order-1", event(1, "placed", {"total": 30, "vip": True, "items": ["a", "b"]}, "customer:7", actor="ada")),
    ("order-2", event(2, "placed", {"total": 12.5, "vip": None}, "customer:7", "gift", story="s-2")),
    ("order-1", event(3, "paid", {"total": 30, "note": "<&>\n"}, "customer:7", "order:2", story="s-2")),
    ("payment-1", event(4, "paid", {"total": "30"})),
]


@pytest.fixture
def store() -> Store:
    return store_of(EVENTS)


# By the letter -----------------------------------------------------------------


def traces(path: Path) -> list[tuple[str | None, list[str | None]]]:
    """The names of the traces, and of the events in each."""
    root = ET.parse(path).getroot()  # noqa: S314 - it is ours
    assert (root.tag, root.get("xes.version")) == (f"{XES}log", "1849-2016")
    return [
        (name_of(trace), [name_of(event) for event in trace.iter(f"{XES}event")]) for trace in root.iter(f"{XES}trace")
    ]


def name_of(element: ET.Element) -> str | None:
    return next(each.get("value") for each in element if each.get("key") == "concept:name")


def test_a_trace_is_a_stream_or_a_story(store: Store, tmp_path: Path) -> None:
    exported(store, tmp_path / "a.xes")
    assert traces(tmp_path / "a.xes") == [
        ("order-1", ["placed", "paid"]),
        ("order-2", ["placed"]),
        ("payment-1", ["paid"]),
    ]

    exported(store, tmp_path / "a.xes", Choices(by="correlation"))
    assert traces(tmp_path / "a.xes") == [("s-1", ["placed", "paid"]), ("s-2", ["placed", "paid"])]


def test_an_event_of_xes_has_the_attributes_that_tools_look_for(store: Store, tmp_path: Path) -> None:
    exported(store, tmp_path / "a.xes")
    first = next(ET.parse(tmp_path / "a.xes").getroot().iter(f"{XES}event"))  # noqa: S314 - it is ours
    told = {each.get("key"): (each.tag.removeprefix(XES), each.get("value")) for each in first}
    recorded = told.pop("refold.recorded_at")
    assert (recorded[0], datetime.fromisoformat(str(recorded[1])).tzinfo) == ("date", UTC)
    assert told == {
        "identity:id": ("id", str(UUID(int=1))),
        "concept:name": ("string", "placed"),
        "time:timestamp": ("date", "2026-01-01T13:00:00+00:00"),
        "lifecycle:transition": ("string", "complete"),
        "org:resource": ("string", "ada"),
        "total": ("int", "30"),
        "vip": ("boolean", "true"),
        "items": ("string", '["a","b"]'),
        "refold.position": ("int", "1"),
        "refold.version": ("int", "1"),
        "refold.correlation_id": ("string", "s-1"),
        "refold.actor": ("string", "ada"),
        "refold.tags": ("string", '["customer:7"]'),
        "refold.data": ("string", '{"total":30,"vip":true,"items":["a","b"]}'),
    }


def test_a_number_of_more_than_64_bits_is_text(tmp_path: Path) -> None:
    with store_of([("a-1", event(1, "x", {"large": 2**63, "least": -(2**63)}))]) as store:
        exported(store, tmp_path / "a.xes")
        log = ocel(store, tmp_path / "a.ocel.json")
    root = ET.parse(tmp_path / "a.xes").getroot()  # noqa: S314 - it is ours
    told = {each.get("key"): (each.tag.removeprefix(XES), each.get("value")) for each in root.iter()}
    values = {each["name"]: each["value"] for each in log["events"][0]["attributes"]}
    assert (told["large"], told["least"]) == (("string", "9223372036854775808"), ("int", "-9223372036854775808"))
    assert (values["large"], values["least"]) == ("9223372036854775808", -(2**63))


def ocel(store: Store, path: Path) -> dict[str, Any]:
    exported(store, path)
    log: dict[str, Any] = json.loads(path.read_text())
    return log


def test_objects_are_streams_and_what_tags_name(store: Store, tmp_path: Path) -> None:
    log = ocel(store, tmp_path / "a.ocel.json")
    assert list(log) == ["objectTypes", "eventTypes", "objects", "events"]
    assert [each["name"] for each in log["objectTypes"]] == ["customer", "order", "payment", "tag"]
    assert [(each["id"], each["type"]) for each in log["objects"]] == [
        ("customer-7", "customer"), ("order-1", "order"), ("tag-gift", "tag"), ("order-2", "order"), ("payment-1", "payment"),
    ]  # fmt: skip
    assert [[(each["objectId"], each["qualifier"]) for each in event["relationships"]] for event in log["events"]] == [
        [("customer-7", "tag"), ("order-1", "stream")],
        [("customer-7", "tag"), ("tag-gift", "label"), ("order-2", "stream")],
        [("customer-7", "tag"), ("order-2", "tag"), ("order-1", "stream")],
        [("payment-1", "stream")],
    ]


def test_an_ocel_log_keeps_its_own_rules(store: Store, tmp_path: Path) -> None:
    log = ocel(store, tmp_path / "a.ocel.json")
    assert flaws(log) == []
    log["events"][0]["relationships"][0]["objectId"] = "nobody"
    log["events"][1]["attributes"].append({"name": "total", "value": "12"})
    log["events"][2]["type"] = "lost"
    assert flaws(log) == [
        f"{UUID(int=1)} relates to 'nobody'", f"{UUID(int=2)}: total is not float: '12'", f"{UUID(int=3)} has the type 'lost'",
    ]  # fmt: skip


def test_values_of_several_kinds_under_one_key_are_texts(store: Store, tmp_path: Path) -> None:
    log = ocel(store, tmp_path / "a.ocel.json")
    types = {each["name"]: {a["name"]: a["type"] for a in each["attributes"]} for each in log["eventTypes"]}
    values = [{a["name"]: a["value"] for a in event["attributes"]} for event in log["events"]]
    assert (types["placed"]["total"], types["paid"]["total"]) == ("float", "string")
    assert [each["total"] for each in values] == [30, 12.5, "30", "30"]
    assert [json.loads(each["refold.data"]) if "refold.data" in each else None for each in values] == [
        {"total": 30, "vip": True, "items": ["a", "b"]}, {"total": 12.5, "vip": None}, {"total": 30, "note": "<&>\n"}, None,
    ]  # fmt: skip


def test_the_reference_names_every_attribute_of_ours(tmp_path: Path) -> None:
    free = Metadata("story", "cause", "ada", free={"a": "b"})
    data: dict[str, Any] = {"org:resource": "bob", "n": None}
    full = NewEvent(RawEvent("x", data, 2), UUID(int=1), NOON, frozenset({"t"}), free)
    with store_of([("a-1", full)]) as store:
        exported(store, tmp_path / "a.xes", Choices(by="correlation"))
        exported(store, tmp_path / "a.ocel.json")
    xes, ocel = (
        set(re.findall(r'"(refold\.\w+)"', (tmp_path / name).read_text())) for name in ("a.xes", "a.ocel.json")
    )
    page = set(re.findall(r"`(refold\.\w+)`", (DOCS / "reference" / "formats.md").read_text("utf-8")))
    assert (page, sorted(xes - ocel)) == (xes, ["refold.keys", "refold.stream", "refold.tags"])


# To PM4Py ----------------------------------------------------------------------

READ = """
import json, sys, warnings
warnings.simplefilter("ignore")
sys.stdout, out = sys.stderr, sys.stdout
import pm4py
stream, story = (pm4py.read_xes(name) for name in sys.argv[1:3])
log = pm4py.read_ocel2_json(sys.argv[3])
def counted(pairs):
    return sorted([list(key), count] for key, count in pairs.items())
pairs = log.relations[["ocel:eid", "ocel:oid", "ocel:type"]].drop_duplicates().values.tolist()
print(json.dumps({
    "follows": counted(pm4py.discover_dfg(stream)[0]),
    "stories": counted(pm4py.discover_dfg(story)[0]),
    "ids": stream["identity:id"].tolist(),
    "times": [time.isoformat() for time in stream["time:timestamp"]],
    "net": len(pm4py.discover_petri_net_inductive(stream)[0].transitions) > 0,
    "events": log.events[["ocel:eid", "ocel:activity"]].values.tolist(),
    "objects": sorted(log.objects[["ocel:oid", "ocel:type"]].values.tolist()),
    "relations": sorted(pairs),
    "flat": counted(pm4py.discover_dfg(pm4py.ocel_flattening(log, sys.argv[4]))[0]),
}), file=out)
"""


def read_by_pm4py(*paths: Path, flat: str) -> dict[str, Any]:
    """What another process reads, since PM4Py prints and warns when it is imported."""
    if importlib.util.find_spec("pm4py") is None:
        pytest.skip("pm4py is not installed: pip install pm4py")
    done = subprocess.run(
        [sys.executable, "-c", READ, *map(str, paths), flat], capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_pm4py_reads_the_same_log(store: Store, tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("streams.xes", "stories.xes", "a.ocel.json")]
    for path, choices in zip(paths, (Choices(), Choices(by="correlation"), Choices()), strict=True):
        exported(store, path, choices)
    ids = [str(UUID(int=number)) for number in range(1, 5)]
    assert read_by_pm4py(*paths, flat="customer") == {
        "follows": [[["placed", "paid"], 1]],
        "stories": [[["placed", "paid"], 2]],
        "ids": [ids[0], ids[2], ids[1], ids[3]],
        "times": [(NOON + timedelta(hours=hours)).isoformat() for hours in (1, 3, 2, 4)],
        "net": True,
        "events": [[ids[0], "placed"], [ids[1], "placed"], [ids[2], "paid"], [ids[3], "paid"]],
        "objects": [
            ["customer-7", "customer"], ["order-1", "order"], ["order-2", "order"], ["payment-1", "payment"], ["tag-gift", "tag"],
        ],
        "relations": [
            [ids[0], "customer-7", "customer"], [ids[0], "order-1", "order"],
            [ids[1], "customer-7", "customer"], [ids[1], "order-2", "order"], [ids[1], "tag-gift", "tag"],
            [ids[2], "customer-7", "customer"], [ids[2], "order-1", "order"], [ids[2], "order-2", "order"],
            [ids[3], "payment-1", "payment"],
        ],
        "flat": [[["placed", "paid"], 1], [["placed", "placed"], 1]],
    }  # fmt: skip


@pytest.mark.long
def test_pm4py_reads_the_receipts_as_they_were(tmp_path: Path) -> None:
    source = DATA / "receipt.csv"
    if not source.exists():
        pytest.skip(f"{source} is not there: set REFOLD_DATA to the directory of receipt.csv")
    with store_of() as store, store_of() as new:
        assert imported(source, store) == (Imported(8_577, 1_434, 0), [])
        paths = [tmp_path / name for name in ("streams.xes", "stories.xes", "a.ocel.json")]
        for path, choices in zip(paths, (Choices(), Choices(by="correlation"), Choices()), strict=True):
            assert exported(store, path, choices) == 8_577
        told = read_by_pm4py(*paths, flat="case")
        assert [len(told[each]) for each in ("ids", "events", "objects", "relations")] == [8_577, 8_577, 1_434, 8_577]
        assert told["follows"] == told["stories"] == told["flat"] == directly_follows(store)
        assert imported(paths[0], new) == (Imported(8_577, 1_434, 0), [])
        assert held(new) == held(store)


def directly_follows(store: Store) -> list[list[object]]:
    """How often a type comes right after another one, in the order of `valid_at`, as PM4Py sorts the events of a trace."""
    last, pairs = dict[str, str](), Counter[tuple[str, str]]()
    for each in sorted(store.read(), key=lambda e: e.valid_at):
        if before := last.get(str(each.stream)):
            pairs[before, each.type] += 1
        last[str(each.stream)] = each.type
    return [[list(pair), count] for pair, count in sorted(pairs.items())]


# Logs of others ----------------------------------------------------------------

FOREIGN: dict[str, Any] = {
    "events": [
        {"id": "e2", "type": "Pay", "time": "2024-03-02T00:00:00Z", "attributes": [{"name": "sum", "value": 3}],
         "relationships": [{"objectId": "o1", "qualifier": "order"}, {"objectId": "i,]}1", "qualifier": "invoice"}]},
        {"id": "e1", "type": "Place", "time": "2024-03-01T00:00:00", "relationships": [{"objectId": "o1", "qualifier": ""}]},
    ],
    "extra": {"a": [1, {"b": "}]"}], "events": 1},
    "objects": [{"id": "o1", "type": "order", "attributes": []}, {"id": "i,]}1", "type": "invoice", "relationships": []}],
    "objectTypes": [], "eventTypes": [],
}  # fmt: skip


def test_a_log_of_others_comes_in_by_time_in_the_streams_of_its_first_objects(tmp_path: Path) -> None:
    path = tmp_path / "log.ocel.json"
    path.write_text(json.dumps(FOREIGN, indent=1))
    with store_of() as new:
        assert imported(path, new) == (Imported(2, 1, 0), [])
        assert imported(path, new) == (Imported(0, 0, 2), [])
        assert [
            (stream, version, type, data, sorted(tags)) for stream, version, type, _, data, _, tags, _ in held(new)
        ] == [
            ("order-o1", 1, "Place", "{}", ["order:o1"]),
            ("order-o1", 2, "Pay", "{'sum': 3}", ["invoice:i,]}1", "order:o1"]),
        ]
    with store_of() as new:
        imported(path, new, LogMapping(category="case"))
        assert {stream for stream, *_ in held(new)} == {"case-o1"}


@pytest.mark.parametrize(
    ("text", "bad"),
    [
        ('{"events": [\n{"id": "1", "type": "x", "time": "2024-03-01T00:00:00Z"},\n7]}', [
            BadRow(3, None, "it is no event of OCEL 2.0: Expected `object`, got `int`"),
            BadRow(2, None, "the event is about no object, so there is no stream for it"),
        ]),
        ('{"objects": [{"id": 1}], "events": [\n\n{"id": "1", "type": "x", "time": "", "relationships": [{"objectId": "o"}]}]}', [
            BadRow(1, None, "it is no object of OCEL 2.0: Expected `str`, got `int` - at `$.id`"),
            BadRow(3, "relationships", "there is no object 'o'"),
        ]),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named_by_its_line(tmp_path: Path, text: str, bad: Sequence[BadRow]) -> None:
    (tmp_path / "log.ocel.json").write_text(text)
    with store_of() as new:
        found = imported(tmp_path / "log.ocel.json", new)
        assert (found[0], sorted(found[1], key=lambda row: row.reason)) == (
            None,
            sorted(bad, key=lambda row: row.reason),
        )
        assert held(new) == []
