"""Every error of Refold's has a status of its own making, and is told as RFC 9457 has it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from refold import errors
from refold.errors import RefoldError
from refold.http.problems import Declined, answer_to, problem_of, status_of
from refold.problems import STATUSES

EXPECTED = {
    "Refused": 422, "Conflict": 409, "InvalidName": 400, "InvalidEvent": 422, "TooLarge": 413, "IdReused": 409,
    "KeyReused": 422, "CannotUndo": 409, "OutcomeUnknown": 503, "Unreadable": 500, "UnknownEventType": 500,
    "UndecodableEvent": 500, "StoreError": 500, "NotAStore": 500, "NewerFormat": 500, "StoreBusy": 503,
    "StoreReadOnly": 403, "StoreFull": 507, "StoreUnreachable": 503, "StoreCorrupt": 500, "ArchiveDamaged": 500,
    "BackupDamaged": 500,
    "Archived": 410, "StoreClosed": 503, "NotACopy": 409, "TransformFailed": 500, "EventLogError": 500,
    "ProjectionChanged": 409, "ProjectionStopped": 409, "NotCaughtUp": 503, "NoSuchProjection": 404,
    "NoSuchInstance": 404, "NoSuchVersion": 404, "SnapshotMismatch": 500, "DeliveryError": 502, "ReceiverAway": 503,
    "MessageRefused": 502, "ReceiverGone": 502, "AddressRefused": 502, "BadMessage": 400, "BadSignature": 401,
    "MissingExtra": 501, "UsageError": 400, "Unsupported": 501, "UpcasterError": 500, "RefoldError": 500,
}  # fmt: skip


def tree(cls: type[RefoldError] = RefoldError) -> Iterator[type[RefoldError]]:
    """Every error of errors.py."""
    if cls.__module__ == errors.__name__:
        yield cls
    for each in cls.__subclasses__():
        yield from tree(each)


ERRORS = sorted(set(tree()), key=lambda cls: cls.__name__)


def made(cls: type[RefoldError]) -> RefoldError:
    """One that says something, however it is made."""
    error = cls.__new__(cls)
    error.args = ("it says so",)
    if isinstance(error, errors.Conflict):
        error.failures = ()
    return error


def test_every_error_has_its_status() -> None:
    assert {cls.__name__: status_of(made(cls)) for cls in set(tree())} == EXPECTED


def test_no_row_of_the_table_is_hidden_by_one_above() -> None:
    hidden = [
        (cls.__name__, above.__name__)
        for number, (cls, _) in enumerate(STATUSES)
        for above, _ in STATUSES[:number]
        if issubclass(cls, above)
    ]
    assert hidden == []


@pytest.mark.parametrize("cls", ERRORS, ids=[cls.__name__ for cls in ERRORS])
def test_every_error_is_told_in_the_same_form(cls: type[RefoldError]) -> None:
    answer = answer_to(made(cls))
    told = json.loads(bytes(answer.body))
    assert answer.media_type == "application/problem+json"
    assert told["status"] == answer.status_code == EXPECTED[cls.__name__]
    assert told["type"].startswith("urn:refold:problem:")
    assert (answer.headers.get("retry-after") == "1") == (answer.status_code == 503)


def test_what_nobody_foresaw_is_told_without_its_words() -> None:
    problem = problem_of(ValueError("the password is 1234"))
    assert (problem.status, "1234" in problem.detail) == (500, False)


def test_text_that_no_answer_can_hold_is_told_escaped() -> None:
    told = json.loads(bytes(answer_to(Declined(400, "bad", "\ud800")).body))
    assert told["detail"] == "\\ud800"
