"""A hundred real fines: the process beside the office of the log, and the rules of the process for itself."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path

import pytest
from examples.fines.comparing import WHY, Agreement, agreements, differences
from examples.fines.facts import (
    AppealMade,
    AppealRejected,
    FineCreated,
    NoticeSent,
    Notified,
    Paid,
    PenaltyAdded,
)
from examples.fines.log import LOG, happened
from examples.fines.office import Decide, office
from examples.fines.process import CollectionDue, NoticeDue, PenaltyDue, fines
from examples.fines.shadow import Case, lived_through

from refold.testing import check_process

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def cases() -> Mapping[str, Case]:
    """The fines, lived through."""
    if not LOG.is_file():
        pytest.skip(f"{LOG} is not there: set REFOLD_DATA to its directory")
    return lived_through(happened())


def test_the_process_and_the_office_agree_where_the_rules_are_the_same(cases: Mapping[str, Case]) -> None:
    notice, penalty, collection = agreements(cases.values())
    assert (notice.both, notice.same_day, notice.only_office, notice.only_process, notice.neither) == (75, 28, 3, 0, 22)
    assert penalty == Agreement("penalty", 56, 56, (), 1, 0, 43)
    assert (collection.both, collection.same_day, collection.only_office) == (36, 0, 0)
    assert (collection.only_process, collection.neither) == (10, 54)
    assert (len(notice.days), notice.days[0], notice.lateness) == (47, 1, "54 days, up to 105")
    assert (len(collection.days), collection.days[0], collection.lateness) == (36, 4, "154 days, up to 540")


def test_every_difference_has_its_reason_in_the_data(cases: Mapping[str, Case]) -> None:
    found = differences(cases.values())
    assert {of: len(names) for of, names in found.items()} == {
        ("notice", "dismissed"): 2,
        ("notice", "paid already"): 1,
        ("penalty", "appeal pending"): 1,
        ("collection", "paid without the penalty"): 7,
        ("collection", "paid after the day"): 3,
    }
    assert {kind for _, kind in found} == WHY.keys()


def test_the_reasons_hold(cases: Mapping[str, Case]) -> None:
    found = differences(cases.values())
    for name in found["collection", "paid without the penalty"]:
        end, fact = cases[name].fine(), cases[name].facts[0].fact
        assert isinstance(fact, FineCreated)
        assert end.paid == fact.cents + end.expense, name  # to the cent what was owed before
    for name in found["collection", "paid after the day"]:
        assert cases[name].fine().paid == cases[name].fine().amount + cases[name].fine().expense, name
    (appealed,) = found["penalty", "appeal pending"]
    assert cases[appealed].fine().is_settled
    (paid,) = found["notice", "paid already"]
    assert (cases[paid].day(Paid), cases[paid].theirs["notice"]) == (date(2001, 10, 5), date(2001, 11, 24))


def test_sixty_days_are_counted_on_the_calendar(cases: Mapping[str, Case]) -> None:
    days = {
        case.ours["penalty"] - notified
        for case in cases.values()
        if "penalty" in case.ours and (notified := case.day(Notified)) is not None
    }
    assert days == {timedelta(days=60)}


def test_the_demo_prints_the_table_or_says_why_not() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "examples.fines"], cwd=ROOT, capture_output=True, text=True, check=False, env={"COLUMNS": "140"}
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ("56 " in ran.stdout) == LOG.is_file()


def test_without_the_log_the_demo_says_so(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "examples.fines"], cwd=ROOT, capture_output=True, text=True, check=False,
        env={"REFOLD_DATA": str(tmp_path)},
    )  # fmt: skip
    assert (ran.returncode, ran.stderr, ran.stdout[:8]) == (0, "", "skipped:")


def test_the_process_holds_in_every_order_of_facts() -> None:
    checked = check_process(
        fines,
        depth=5,
        events=[
            FineCreated(36_00, dismissed=False), NoticeSent(13_00), Notified(), PenaltyAdded(74_00), Paid(49_00), AppealMade(),
            AppealRejected(),
        ],
        must_send=[Decide],
        idempotent=[Decide],
        recurring=[Paid],
    )  # fmt: skip
    assert checked.states > 10
    assert {NoticeDue, PenaltyDue, CollectionDue} <= set(fines.event_types)
    assert office.category == "office"
