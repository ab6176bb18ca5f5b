"""`refold review` and `refold rule`: exit codes, formats, a baseline, a store, what is wrong with a call."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Run

from refold import RawEvent, Store
from refold.architect.rules.catalogue import ELSEWHERE, RULES
from refold.cli.exits import Exit

PROGRAM = """
from datetime import datetime

from refold import App, Fold, event


@event("visit.noted")
class Noted:
    anything: object


def evolve(last: str, event: Noted) -> str:
    return str(datetime.now())


app = App(Fold("visit", initial=str, evolve=evolve))
"""
CLOCK = "evolve of 'visit' reads the clock: datetime.now(). The same events would give another state."
NOTHING = "field 'anything' of 'visit.noted' is object: its schema promises nothing to whoever reads it."


@pytest.fixture(autouse=True)
def visits(directory: Path) -> None:
    (directory / "visits.py").write_text(PROGRAM)
    (directory / "visits_noted.py").write_text(PROGRAM.replace("datetime.now()", "event.anything"))


def rows(out: str) -> Sequence[Sequence[str]]:
    return [line.split("\t")[:5] for line in out.splitlines()]


def test_a_fact_fails_and_a_heuristic_warns(refold: Run) -> None:
    done = refold("review", "--app", "visits:app")
    assert done.code == Exit.FINDINGS
    assert rows(done.out) == [
        ["visits.py:8", "ES003", "heuristic", "event visit.noted", NOTHING],
        ["visits.py:13", "ES040", "fact", "fold visit", CLOCK],
    ]
    assert done.err == "2 findings, 1 fact among them.\n"
    noted = refold("review", "--app", "visits_noted:app")
    assert (noted.code, noted.err) == (Exit.OK, "1 finding, 0 facts among them.\n")
    assert refold("review", "--app", "visits_noted:app", "--strict").code == Exit.FINDINGS


def test_nothing_is_found_where_nothing_is(refold: Run) -> None:
    assert refold("review", "--app", "refold.demo.app:app", "--strict") == (Exit.OK, "", "no findings.\n")


def test_findings_are_objects_in_json(refold: Run, directory: Path) -> None:
    done = refold("review", "--app", "visits:app", "--output", "json")
    first = json.loads(done.out)["data"][0]
    assert first == {
        "rule": "ES003", "tier": "heuristic", "about": "event visit.noted", "message": NOTHING,
        "do": "Annotate it with what it holds, if need be with a union.",
        "place": {"file": str(directory / "visits.py"), "line": 8, "object": "visits.Noted"},
    }  # fmt: skip


def test_what_was_known_is_not_told_again(refold: Run, directory: Path) -> None:
    written = refold("review", "--app", "visits:app", "--baseline", "known.json", "--write-baseline")
    assert (written.code, written.out) == (Exit.OK, "")
    assert written.err == "known.json was written: 2 findings, 0 taken out.\n"
    (directory / "visits_moved.py").write_text(PROGRAM.replace("\n\ndef", "\n# moved\n\ndef"))
    again = refold("review", "--app", "visits_moved:app", "--baseline", "known.json", "--strict")
    assert again == (Exit.OK, "", "no findings; 2 known.\n")


def test_a_baseline_loses_what_is_gone(refold: Run, directory: Path) -> None:
    refold("review", "--app", "visits:app", "--baseline", "known.json", "--write-baseline")
    gone = refold("review", "--app", "visits_noted:app", "--baseline", "known.json")
    assert gone.err == "no findings; 1 known; 1 in the baseline no more found, --write-baseline takes them out.\n"
    pruned = refold("review", "--app", "visits_noted:app", "--baseline", "known.json", "--write-baseline")
    assert pruned.err == "known.json was written: 1 finding, 1 taken out.\n"
    assert [each["rule"] for each in json.loads((directory / "known.json").read_text())["findings"]] == ["ES003"]


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (("--baseline", "none.json"), Exit.NOT_FOUND),
        (("--baseline", "visits.py"), Exit.USAGE),
        (("--write-baseline",), Exit.USAGE),
        (("--format", "xml"), Exit.USAGE),
        (("--store", "none.db"), Exit.UNREACHABLE),
    ],
)
def test_what_cannot_be_is_refused(refold: Run, args: Sequence[str], code: Exit) -> None:
    assert refold("review", "--app", "visits:app", *args).code == code


def test_an_application_is_needed(refold: Run) -> None:
    assert refold("review").code == Exit.USAGE


def test_github_shows_findings_beside_the_code(refold: Run) -> None:
    done = refold("review", "--app", "visits:app", "--format", "github")
    assert done.err == ""
    assert done.out.splitlines() == [
        f"::warning file=visits.py,line=8,title=ES003::{NOTHING} Annotate it with what it holds, if need be with a union.",
        f"::error file=visits.py,line=13,title=ES040::{CLOCK} Put the value into the event, when it is decided.",
    ]


def test_sarif_has_what_its_standard_asks_for(refold: Run) -> None:
    log: dict[str, Any] = json.loads(refold("review", "--app", "visits:app", "--format", "sarif").out)
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    driver = run["tool"]["driver"]
    assert (driver["name"], [each["id"] for each in driver["rules"]]) == ("Refold", [*RULES])
    assert [(each["ruleId"], each["level"]) for each in run["results"]] == [("ES003", "warning"), ("ES040", "error")]
    for each in run["results"]:
        assert driver["rules"][each["ruleIndex"]]["id"] == each["ruleId"]
        assert each["message"]["text"]
    place = run["results"][1]["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": "visits.py"}, "region": {"startLine": 13}}


def test_a_store_is_looked_into(refold: Run, directory: Path) -> None:
    with Store.open("sqlite:///visits.db", events=[RawEvent]) as store:
        store.append("visit-1", [RawEvent("visit.noted", {"anything": "x" * 70_000}), RawEvent("visit.ended", {})])
    done = refold("review", "--app", "visits_noted:app", "--store", "visits.db")
    assert done.code == Exit.OK
    assert [row[1] for row in rows(done.out)] == ["ES058", "ES003", "ES030"]
    assert "the event 'visit.noted' at position 1 takes 70,0" in done.out
    assert "1 event of type 'visit.ended' is stored" in done.out


def test_a_rule_has_a_page(refold: Run) -> None:
    done = refold("rule", "es040")
    assert done.code == Exit.OK
    assert done.out.startswith("## ES040\n\n**A fold depends on its events alone.** (fact)\n")
    assert json.loads(refold("rule", "ES040", "--output", "json").out)["tier"] == "fact"
    assert [row[0] for row in rows(refold("rule").out)] == [*RULES]


@pytest.mark.parametrize("id", ["ES999", "nothing", *ELSEWHERE])
def test_what_is_no_rule_is_not_found(refold: Run, id: str) -> None:
    assert refold("rule", id).code == Exit.NOT_FOUND
