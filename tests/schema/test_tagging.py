"""What is stored keeps its tags, and no upcaster changes them: a new version that gives others is found, once."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.schema.shops import edited, load

from refold.schema.checking import Finding, Report, check
from refold.schema.lock import Lock
from refold.schema.present import Present, present
from refold.schema.tagging import WAYS_OUT
from refold.schema.verdicts import Verdict
from refold.schema.writing import accepted, taken_in

PROGRAM = """
from refold import App, Fold, event, move, rename, split, upcast

UPCASTERS = [upcast("user.registered", 1, to=2)(rename(mail="email"))]


@event(HEAD)
class Registered:
    FIELD: str
    city: str


app = App(Fold("user", initial=bool, evolve=lambda taken, _: True, events=(Registered,)))
"""
FIRST = ('"user.registered", tags=("mail",)', "mail")
FUNCTION = ('"user.registered", tags=lambda e: [f"mail:{e.mail}"]', "mail")
UNTAGGED = ('"user.registered"', "mail")
BREAKS = Verdict.BREAKS


def version_2(tags: str) -> tuple[str, str]:
    return f'"user.registered", version=2, upcasters=UPCASTERS, tags={tags}', "email"


def program(directory: Path, head: str, field: str) -> Present:
    return present(load(edited(PROGRAM, [("HEAD", head), ("FIELD", field)]), directory))


def checked(directory: Path, was: tuple[str, str], now: tuple[str, str]) -> Report:
    return check(taken_in(Lock(), program(directory, *was)), program(directory, *now))


def test_a_tag_of_a_renamed_field_is_another_tag_which_what_is_stored_has_not(tmp_path: Path) -> None:
    assert checked(tmp_path, FIRST, version_2('("email",)')).findings == (
        Finding(
            BREAKS,
            "user.registered@1",
            "(tags)",
            "read as user.registered@2: what is stored keeps mail:..., upcasters change none: a rule that asks for email:... "
            "passes it over",
            f"{WAYS_OUT}. Then: schema lock --accept user.registered@2",
            "ES011",
        ),
    )


@pytest.mark.parametrize(
    ("was", "tags", "what"),
    [
        (
            UNTAGGED,
            '("city",)',
            "what is stored keeps no tags, upcasters change none: a rule that asks for city:... passes",
        ),
        (FIRST, '("email", "city")', "a rule that asks for city:..., email:... passes it over"),
        (FIRST, 'lambda e: [f"email:{e.email}"]', "a rule that asks for email:... passes it over"),
        (FIRST, "lambda e: [e.unknown]", "the tags are derived by another function"),
        (FUNCTION, 'lambda e: [f"email:{e.email}"]', "the tags are derived by another function"),
        (FUNCTION, '("email",)', "the tags are derived by another function"),
    ],
    ids=["a first", "two", "by a function", "by one that fails", "other functions", "fields for a function"],
)
def test_each_tag_that_is_new_with_a_version_is_found(
    was: tuple[str, str], tags: str, what: str, tmp_path: Path
) -> None:
    (finding,) = checked(tmp_path, was, version_2(tags)).findings
    assert (finding.verdict, finding.event, finding.field) == (BREAKS, "user.registered@1", "(tags)")
    assert what in finding.what


@pytest.mark.parametrize(
    ("was", "tags"),
    [
        (FIRST, 'lambda e: [f"mail:{e.email}"]'),
        (FIRST, "()"),
        (FUNCTION, "()"),
        (UNTAGGED, "()"),
        (('"user.registered", tags=("city", "mail")', "mail"), '("city",)'),
    ],
    ids=["the old name", "none", "none for a function", "none ever", "fewer"],
)
def test_tags_that_what_is_stored_has_as_well_are_none(was: tuple[str, str], tags: str, tmp_path: Path) -> None:
    assert checked(tmp_path, was, version_2(tags)).findings == ()


def test_what_was_accepted_is_not_found_again_and_not_with_the_next_version(tmp_path: Path) -> None:
    lock = taken_in(Lock(), program(tmp_path, *FIRST))
    second = program(tmp_path, *version_2('("email",)'))
    lock = taken_in(accepted(lock, second, ["user.registered@2"]), second)
    assert check(lock, second).findings == ()

    later = (
        'version=3, tags=("email",), upcasters=[*UPCASTERS, upcast("user.registered", 2, to=3)(rename(city="town"))]'
    )
    third = present(
        load(
            edited(PROGRAM, [("HEAD", f'"user.registered", {later}'), ("FIELD", "email"), ("city: ", "town: ")]),
            tmp_path,
        )
    )
    assert check(lock, third).findings == ()


@pytest.mark.parametrize(
    "upcaster",
    [
        'move("user.registered", to="user.joined")',
        'upcast("user.registered", 1, to=1, into="user.joined")(dict)',
        'split("user.registered", 1, into={"user.joined": 1, "user.moved": 1})(list)',
    ],
    ids=["move", "into", "split"],
)
def test_a_type_that_is_read_as_another_keeps_its_tags_too(upcaster: str, tmp_path: Path) -> None:
    now = (f'"user.joined", tags=("city",), upcasters=[{upcaster}]', "mail")
    (found,) = [each for each in checked(tmp_path, FIRST, now).findings if each.field == "(tags)"]
    assert (found.event, found.do) == (
        "user.registered@1",
        f"{WAYS_OUT}. Then: schema lock --accept user.joined@1",
    )
