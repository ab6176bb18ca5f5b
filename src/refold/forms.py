"""How what a store tells stands as JSON, for the command line and for HTTP: read models, instances, states without a class."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

import msgspec

from refold.clock import as_datetime
from refold.codec import as_json
from refold.flows.processes.histories import Happening
from refold.flows.processes.outgoing import Outgoing
from refold.flows.processes.showing import InstanceView
from refold.flows.projections.status import ProjectionStatus
from refold.flows.projections.work import Partition
from refold.fold import Fold
from refold.messages import RawEvent


def as_number(value: object) -> int:
    """What msgspec cannot write: a `Position`, which is a number."""
    if isinstance(value, int):
        return int(value)
    raise TypeError(f"{type(value).__name__} has no place in JSON.")


encode = msgspec.json.Encoder(enc_hook=as_number).encode


def build_form(status: ProjectionStatus) -> dict[str, Any]:
    """A build of a read model."""
    return {
        "name": status.name,
        "version": status.version,
        "build": status.build,
        "role": status.role,
        "state": status.state,
        "reason": status.reason,
        "is_stuck": status.is_stuck,
        "position": status.position,
        "head": status.head,
        "lag": status.lag,
        "oldest_waiting": status.oldest_waiting,
        "waiting_seconds": waiting(status),
        "rate": round(status.rate, 1),
        "applied": status.applied,
        "last_step": status.moved_at,
        "dead_letters": status.dead_letters,
        "parked_keys": status.parked_keys,
        "partitions": [part_form(part) for part in status.partitions],
    }


def part_form(part: Partition) -> dict[str, Any]:
    """A partition of a build."""
    return {
        "slots": [part.first, part.last],
        "position": part.position,
        "state": part.state,
        "reason": part.reason,
        "owner": part.owner if is_held(part) else None,
        "leased_until": as_datetime(part.leased_until) if is_held(part) else None,
        "rate": round(part.rate, 1),
        "applied": part.applied,
        "last_step": as_datetime(part.moved_at) if part.moved_at else None,
    }


def waiting(status: ProjectionStatus) -> float | None:
    """For how many seconds the oldest event has been waiting."""
    if status.oldest_waiting is None:
        return None
    return max(0.0, round((datetime.now(UTC) - status.oldest_waiting).total_seconds(), 1))


def is_held(part: Partition) -> bool:
    """Whether somebody works on a partition."""
    return bool(part.owner) and as_datetime(part.leased_until) > datetime.now(UTC)


def instance_form(view: InstanceView) -> dict[str, Any]:
    """An instance of a process, whole."""
    form: dict[str, Any] = msgspec.structs.asdict(view)
    return {
        **form,
        "state": state_form(view.state),
        "messages": [message_form(message) for message in view.messages],
        "history": [_happening(each) for each in view.history],
    }


def state_form(state: object) -> Any:  # noqa: ANN401 - JSON of any shape
    """The state of a process. It is never stored, so it may be of a class that has no form as JSON: then its text."""
    try:
        return as_json(state)
    except Exception:  # noqa: BLE001 - whatever such a class may raise
        return repr(state)


def message_form(message: Outgoing) -> dict[str, Any]:
    """A message that a process has sent."""
    form: dict[str, Any] = msgspec.structs.asdict(message)
    fallback = msgspec.json.decode(message.fallback) if message.fallback else None
    return {**form, "data": msgspec.json.decode(message.data), "fallback": fallback}


def _happening(each: Happening) -> dict[str, Any]:
    return {**msgspec.structs.asdict(each), "data": as_json(each.data)}


def merging(category: str) -> Fold[dict[str, Any], RawEvent]:
    """A fold for streams whose classes nobody knows: the data of the events, merged in their order."""
    return Fold(category, dict, lambda state, event: merged(state, event.data), events=(RawEvent,))


def merged(target: object, patch: object) -> Any:  # noqa: ANN401 - JSON of any shape
    """What a JSON merge patch makes of a value: RFC 7396, section 2. A null removes a key."""
    if not isinstance(patch, Mapping):
        return patch
    result = dict(cast("Mapping[str, Any]", target)) if isinstance(target, Mapping) else {}
    for key, value in cast("Mapping[str, Any]", patch).items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result
