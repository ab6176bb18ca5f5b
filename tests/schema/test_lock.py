"""The lock file: its text, what comes into it, what is taken out of it, and names that are never free again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.schema.shops import FIRST, Edits, now

from refold import App, schedules
from refold.errors import UsageError
from refold.schema.checking import check
from refold.schema.lock import Lock, of_text, to_text
from refold.schema.present import Present, present
from refold.schema.writing import accepted, retired, taken_in

LOST: Edits = [(" | Closed", ""), ('@event("order.closed")\n', "")]


def findings(lock: Lock, after: Present) -> list[tuple[str, str]]:
    return [(each.event, each.field) for each in check(lock, after).findings]


def test_its_text_reads_back_equal_and_is_sorted(history: Lock) -> None:
    text = to_text(history)
    assert of_text(text, "it") == history
    assert to_text(of_text(text, "it")) == text
    assert list(json.loads(text)["events"]) == sorted(history.events)


def test_versions_are_sorted_as_numbers(history: Lock) -> None:
    shape = history.events["order.closed"][1]
    text = to_text(Lock({"order.closed": {10: shape, 9: shape}}))
    assert list(json.loads(text)["events"]["order.closed"]) == ["9", "10"]


def test_every_version_that_ever_was_stays(history: Lock) -> None:
    assert {type: sorted(versions) for type, versions in history.events.items()} == {
        "order.closed": [1],
        "order.noted": [1],
        "order.placed": [1],
        "order.rated": [1],
        "order.refunded": [1],
        "order.reviewed": [1],
        "order.shipped": [1, 2],
    }
    assert (sorted(history.commands), sorted(history.upcasters), sorted(history.states)) == (
        ["order.place"],
        ["order.rated", "order.shipped@1"],
        ["order"],
    )


def test_it_is_the_same_whoever_writes_it(history: Lock, tmp_path: Path) -> None:
    again = taken_in(taken_in(Lock(), now(tmp_path, FIRST)), now(tmp_path))
    assert to_text(again) == to_text(history)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('"format": 1', '"format": 2'), "has format 2, this Refold knows 1"),
        (('"type": "number"', '"type": "integer"'), "does not have the fingerprint"),
        (('  "events": {', '<<<<<<< ours\n  "events": {'), "marks of a merge conflict"),
        (('"format": 1', '"formats": 1'), "is no lock file"),
    ],
)
def test_a_damaged_file_is_refused(history: Lock, change: tuple[str, str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        of_text(to_text(history).replace(*change), "events.lock.json")


def test_a_retired_type_needs_no_class_any_more_and_its_name_is_never_free_again(history: Lock, tmp_path: Path) -> None:
    lock = retired(history, now(tmp_path, LOST), ["order.closed"])
    assert findings(lock, now(tmp_path, LOST)) == []
    assert findings(lock, now(tmp_path)) == [("order.closed@1", "(name)")]
    other = now(tmp_path, [("    by: str", "    who: int")])
    assert findings(taken_in(lock, now(tmp_path, LOST)), other) == [("order.closed@1", "(name)")]
    assert "order.closed" not in lock.events


def test_a_retired_version_needs_no_upcaster_any_more_and_is_never_free_again(history: Lock, tmp_path: Path) -> None:
    without = now(tmp_path, [(", upcasters=[with_carrier]", "")])
    lock = retired(history, without, ["order.shipped@1"])
    assert findings(lock, without) == []
    assert "order.shipped@1" not in lock.upcasters
    assert ("order.shipped@1", "(name)") in findings(lock, now(tmp_path, FIRST))


def test_what_a_class_writes_today_cannot_be_retired(history: Lock, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="a class writes it still"):
        retired(history, now(tmp_path), ["order.shipped@2"])
    with pytest.raises(UsageError, match="no such type or version is locked"):
        retired(history, now(tmp_path), ["order.shipped@9"])


@pytest.mark.parametrize(
    ("name", "edits"),
    [
        ("order.placed", [("    customer: str\n    total", "    buyer: str\n    total")]),
        ("order.placed@1", [("retries: int = 3", "retries: int = 4")]),
        ("order.closed", LOST),
        ("order.shipped@1", [('"carrier": CARRIER}', '"carrier": "train"}')]),
        ("order.shipped", [('"order.shipped", version=2, upcasters=[with_carrier]', '"order.shipped"')]),
    ],
)
def test_what_no_store_holds_can_be_accepted_as_it_is(history: Lock, tmp_path: Path, name: str, edits: Edits) -> None:
    after = now(tmp_path, edits)
    assert findings(history, after) != []
    assert findings(taken_in(accepted(history, after, [name]), after), after) == []


def test_a_name_that_is_used_again_on_purpose_can_be_accepted(history: Lock, tmp_path: Path) -> None:
    lock = retired(history, now(tmp_path, LOST), ["order.closed"])
    assert findings(accepted(lock, now(tmp_path), ["order.closed"]), now(tmp_path)) == []


def test_nothing_can_be_accepted_that_is_not_there(history: Lock, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="neither the lock nor the application has it"):
        accepted(history, now(tmp_path), ["order.flown"])


def test_commands_that_change_are_noted(history: Lock, tmp_path: Path) -> None:
    after = now(tmp_path, [("class Place:\n    customer: str", "class Place:\n    buyer: str")])
    assert check(history, after).findings == ()
    assert [(each.event, each.field, each.what) for each in check(history, after).notes] == [
        (
            "order.place",
            "customer",
            "renamed to buyer: one that waits cannot be carried out, or does something else",
        )
    ]


def test_types_of_refolds_own_are_not_in_it() -> None:
    assert present(App(schedules)).events == {}
