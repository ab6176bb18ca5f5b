"""Conditions: on what events are read as, which may be stored under other names; a conflict is told only when it is true."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from refold.errors import StoreError
from refold.flows.commit import commit
from refold.flows.prepare import Runtime
from refold.flows.read import all_rows, opened
from refold.ports import Append, AppendResult, Backend, Check, Conflicted, Failure, Matching, QueryMatched, Selection
from refold.query import AppendCondition
from refold.rows import Row


async def commit_if(backend: Backend, runtime: Runtime, append: Append) -> AppendResult:
    """Commit, if its checks hold. What a backend finds under a name is looked at: it may be read as something else.

    What was looked at and is not meant lies before the condition then, so that each event is looked at once.
    """
    if not runtime.codec.upcasts:
        return await commit(backend, runtime, append)
    given = append.checks
    while True:
        stored = tuple(_stored(runtime, check) for check in append.checks)
        result = await commit(backend, runtime, replace(append, checks=stored))
        if not isinstance(result, Conflicted):
            return result
        looked_at = [await _looked_at(backend, runtime, failure, append, stored) for failure in result.failures]
        if true := tuple(failure for failure in looked_at if failure is not None):
            asked = dict(zip(stored, given, strict=True))
            return Conflicted(tuple(_told(failure, asked) for failure in true))
        matched = [failure for failure in result.failures if isinstance(failure, QueryMatched)]
        passed: dict[Check, int] = {failure.condition: failure.actual for failure in matched}
        checks = [_after(check, passed.get(found)) for check, found in zip(append.checks, stored, strict=True)]
        append = replace(append, checks=tuple(checks))


def _told(failure: Failure, asked: Mapping[Check, Check]) -> Failure:
    """A failure of the condition as it was given, by the names that were asked for."""
    if not isinstance(failure, QueryMatched):
        return failure
    condition = asked[failure.condition]
    assert isinstance(condition, AppendCondition)  # noqa: S101 - what is stored of it is one, too
    return QueryMatched(condition, failure.actual)


def _stored(runtime: Runtime, check: Check) -> Check:
    if not isinstance(check, AppendCondition):
        return check
    return AppendCondition(runtime.codec.stored(check.query), check.after)


def _after(check: Check, passed: int | None) -> Check:
    return AppendCondition(check.query, passed) if isinstance(check, AppendCondition) and passed is not None else check


async def _looked_at(
    backend: Backend, runtime: Runtime, failure: Failure, append: Append, stored: Iterable[Check]
) -> Failure | None:
    """A failure, with the last event that is meant; `None` if none is."""
    if not isinstance(failure, QueryMatched):
        return failure
    meant = [check for check, found in zip(append.checks, stored, strict=True) if found == failure.condition]
    if failure.condition in meant:  # who asks for a name as it is stored is given whatever stands under it
        return failure
    found = Selection(Matching(failure.condition.query), backward=True, position_until=failure.actual)
    async for row in all_rows(backend, found):
        if row.position <= failure.condition.after:
            break
        if any(isinstance(check, AppendCondition) and _is_meant(runtime, check, row) for check in meant):
            return QueryMatched(failure.condition, row.position)
    return None


def _is_meant(runtime: Runtime, check: AppendCondition, row: Row) -> bool:
    """What cannot be read may be what is meant."""
    try:
        return any(check.query.matches(event.type, event.tags) for event in opened(runtime.codec.known, row))
    except StoreError:
        raise
    except Exception:  # noqa: BLE001 - whatever a user's upcaster raises
        return True
