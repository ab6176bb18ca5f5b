"""What is stored stays about whom it was written, and sealed by that key: a class that names somebody else is found."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.schema.shops import edited, load

from refold.schema.checking import Finding, Report, check
from refold.schema.lock import Lock
from refold.schema.present import Present, present
from refold.schema.subjects import WAYS_OUT
from refold.schema.verdicts import Verdict
from refold.schema.writing import accepted, taken_in

PROGRAM = """
from refold import App, Fold, Personal, event, rename, upcast

UPCASTERS = [upcast("user.registered", 1, to=2)(rename(customer="client"))]


@event("user.registered"REST)
class Registered:
    FIELD: str
    guardian: str
    email: Personal[str]


app = App(Fold("user", initial=bool, evolve=lambda taken, _: True, events=(Registered,)))
"""
NOBODY = ("", "customer")
FIRST = (', subject="customer"', "customer")
FUNCTION = (', subject=lambda e: f"customer:{e.customer}"', "customer")
SEALED = "what is stored stays sealed by the key of"


def version_2(subject: str) -> tuple[str, str]:
    return f", version=2, upcasters=UPCASTERS, {subject}", "client"


def program(directory: Path, rest: str, field: str) -> Present:
    return present(load(edited(PROGRAM, [("REST", rest), ("FIELD", field)]), directory))


def checked(directory: Path, was: tuple[str, str], now: tuple[str, str]) -> Report:
    return check(taken_in(Lock(), program(directory, *was)), program(directory, *now))


def test_who_is_found_under_another_name_is_not_forgotten_by_it(tmp_path: Path) -> None:
    assert checked(tmp_path, FIRST, version_2('subject="client"')).findings == (
        Finding(
            Verdict.BREAKS,
            "user.registered@1",
            "(subject)",
            "read as user.registered@2: what is stored stays sealed by the key of its customer:..., upcasters change none: to "
            "forget a client:... does not reach it",
            f"{WAYS_OUT}. Then: schema lock --accept user.registered@2",
            "ES011",
        ),
    )


def test_it_is_found_within_a_version_too(tmp_path: Path) -> None:
    assert checked(tmp_path, FIRST, (', subject="guardian"', "customer")).findings == (
        Finding(
            Verdict.BREAKS,
            "user.registered@1",
            "(subject)",
            f"{SEALED} its customer:..., upcasters change none: to forget a guardian:... does not reach it",
            f"{WAYS_OUT}. Then, or if no store holds any: schema lock --accept user.registered@1",
            "ES010",
        ),
    )


@pytest.mark.parametrize(
    ("was", "now", "what"),
    [
        (NOBODY, FIRST, "what is stored was written about nobody, and sealed by no key: to forget somebody does not reach it"),
        (NOBODY, version_2('subject="client"'), "was written about nobody, and sealed by no key"),
        (FIRST, version_2('subject=lambda e: f"client:{e.client}"'), "to forget a client:... does not reach it"),
        (FIRST, version_2("subject=lambda e: e.unknown"), f"by another function: {SEALED} whom it was about"),
        (FUNCTION, version_2('subject="client"'), f"by another function: {SEALED} whom it was about"),
    ],
    ids=["a first", "a first, with a version", "by a function", "by one that fails", "a field for a function"],
)  # fmt: skip
def test_each_who_is_not_reached_is_found(
    was: tuple[str, str], now: tuple[str, str], what: str, tmp_path: Path
) -> None:
    (finding,) = checked(tmp_path, was, now).findings
    assert (finding.verdict, finding.event, finding.field) == (Verdict.BREAKS, "user.registered@1", "(subject)")
    assert what in finding.what


@pytest.mark.parametrize(
    ("was", "now"),
    [
        (FIRST, version_2('subject=lambda e: f"customer:{e.client}"')),
        (FUNCTION, FUNCTION),
        (NOBODY, NOBODY),
        (FIRST, (', tags=("customer",)', "customer")),
    ],
    ids=["the old name", "the same function", "nobody", "nobody any more"],
)
def test_who_is_reached_is_not_found(was: tuple[str, str], now: tuple[str, str], tmp_path: Path) -> None:
    assert [each for each in checked(tmp_path, was, now).findings if each.field == "(subject)"] == []


def test_what_was_accepted_is_not_found_again(tmp_path: Path) -> None:
    lock = taken_in(Lock(), program(tmp_path, *FIRST))
    second = program(tmp_path, *version_2('subject="client"'))
    assert check(taken_in(accepted(lock, second, ["user.registered@2"]), second), second).findings == ()
