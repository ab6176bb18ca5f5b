"""An append as messages: the events first, then what else must stand or be checked beside them, all in one atomic batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct

from refold.backends.nats.facts import Fact
from refold.backends.nats.reading import lanes
from refold.backends.nats.stored import (
    EXPECTED_LAST,
    ID,
    Guard,
    Ids,
    Message,
    encode,
    event_body,
    kept_body,
)
from refold.backends.nats.subjects import Subjects
from refold.ports import Append, StreamCheck
from refold.query import AppendCondition

CHECKS: Final = 200
"""A condition that would take more checks than this is checked against the whole store."""


class Plan(Struct):
    """What is sent. `versions`: those that the streams are brought to; `events` messages of it are the first."""

    messages: Sequence[Message]
    events: int
    versions: Mapping[str, int]


def guarded(condition: AppendCondition) -> list[str] | None:
    """The tags whose guards hold a condition, `None` if only the whole store can."""
    tags = lanes(condition.query)
    return None if tags is None or len(tags) > CHECKS else tags


def needed(append: Append, subjects: Subjects) -> list[str]:
    """The subjects whose last messages an append depends on, and that must not move meanwhile."""
    streams = [write.stream for write in append.writes]
    streams += [check.stream for check in append.checks if isinstance(check, StreamCheck)]
    if append.request:
        streams.append(append.request.stream)
    tags = [tag for check in append.checks if isinstance(check, AppendCondition) for tag in guarded(check) or ()]
    keys = [subjects.key(append.request.key)] if append.request else []
    return list(dict.fromkeys([*map(subjects.stream, streams), *map(subjects.tag, tags), *keys]))


def plan_of(
    append: Append, subjects: Subjects, facts: Mapping[str, Fact], old: Mapping[str, int], last: int | None
) -> Plan:
    """What to send, if everything is as `facts` say of each subject that is `needed`.

    `old`: the buckets of ids that the server may have forgotten, with their last sequences. `last`: of the whole store, if
    nothing at all may come between.
    """
    versions: dict[str, int] = {}
    events = list(_events(append, subjects, facts, versions))
    messages = [*events, *_guards(append, subjects), *_buckets(append, subjects, old)]
    if append.request:
        stream = append.request.stream
        version = versions.get(stream, facts[subjects.stream(stream)].value)
        body = kept_body(append.request, version, len(events))
        messages.append(Message(subjects.key(append.request.key), body, {}))
    _put(messages, {subject: fact.sequence for subject, fact in facts.items()} | dict(old), subjects)
    if last is not None:
        messages[0].headers[EXPECTED_LAST] = str(last)
    return Plan(messages, len(events), versions)


def _events(
    append: Append, subjects: Subjects, facts: Mapping[str, Fact], versions: dict[str, int]
) -> Iterator[Message]:
    for write in append.writes:
        subject = subjects.stream(write.stream)
        version = versions.get(write.stream, facts[subject].value)
        for new in write.rows:
            version += 1
            yield Message(subject, event_body(new, version), {ID: new.id.hex()})
        versions[write.stream] = version


def _guards(append: Append, subjects: Subjects) -> Iterator[Message]:
    places: dict[str, list[int]] = {}
    rows = [new for write in append.writes for new in write.rows]
    for place, new in enumerate(rows, 1):
        for tag in new.tags:
            places.setdefault(tag, []).append(place)
    for tag, events in places.items():
        yield Message(subjects.tag(tag), encode(Guard(events)), {})


def _buckets(append: Append, subjects: Subjects, old: Mapping[str, int]) -> Iterator[Message]:
    ids: dict[str, dict[str, int]] = {bucket: {} for bucket in old}
    rows = [new for write in append.writes for new in write.rows]
    for place, new in enumerate(rows, 1):
        if (bucket := subjects.bucket(new.id)) in ids:
            ids[bucket][new.id.hex()] = place
    for bucket, places in ids.items():
        yield Message(bucket, encode(Ids(places)), {})


def _put(messages: list[Message], checks: dict[str, int], subjects: Subjects) -> None:
    """Each check on the first message of its subject, or else on one that has none, or else on a note of its own."""
    written: set[str] = set()
    for message in messages:
        if message.subject not in written and message.subject in checks:
            message.expect(checks.pop(message.subject))
        written.add(message.subject)
    free = iter([message for message in messages if not message.has_check])
    for subject, sequence in checks.items():
        carrier = next(free, None)
        if carrier is None:
            carrier = Message(subjects.note, b"{}", {})
            messages.append(carrier)
        carrier.expect(sequence, subject)
