"""The next lock: what was locked stays, what is new comes in, and what is taken out leaves a tombstone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TypeVar

import msgspec

from refold.errors import UsageError
from refold.schema.lock import Lock, named, of_name
from refold.schema.present import Present

T = TypeVar("T")


def taken_in(lock: Lock, now: Present) -> Lock:
    """The lock with all that the application has now; what was locked and is not there any more stays."""
    events = {type: {**lock.events.get(type, {}), **versions} for type, versions in now.lock.events.items()}
    return Lock(
        {**lock.events, **events},
        now.lock.commands,
        {**lock.upcasters, **now.lock.upcasters},
        now.lock.states,
        lock.tombstones,
    )


def accepted(lock: Lock, now: Present, names: Iterable[str]) -> Lock:
    """The lock as if these types had never been otherwise than now: for what no store holds.

    Raises:
        UsageError: neither the lock nor the application has one of them.
    """
    for name in names:
        lock = _accepted(lock, now, name)
    return lock


def _accepted(lock: Lock, now: Present, name: str) -> Lock:
    if name in lock.upcasters:
        return msgspec.structs.replace(lock, upcasters=_without(lock.upcasters, {name}))
    type, _ = of_name(name)
    if type not in lock.events and type not in now.versions:
        raise UsageError(f"--accept {name!r}: neither the lock nor the application has it.")
    current = now.versions.get(type, 0)
    locked = lock.events.get(type, {})
    kept = {v: shape for v, shape in locked.items() if v < current}
    fresh = now.lock.events.get(type, {})
    buried = {v: each for v, each in lock.tombstones.get(type, {}).items() if v != current}
    return msgspec.structs.replace(
        lock,
        events=_with(lock.events, type, {**kept, **fresh}),
        upcasters=_without(lock.upcasters, {named(type, v) for v in locked.keys() - kept.keys()}),
        tombstones=_with(lock.tombstones, type, buried),
    )


def retired(lock: Lock, now: Present, names: Iterable[str]) -> Lock:
    """The lock without these types or versions, and with their tombstones.

    Raises:
        UsageError: one of them is not locked, or is what a class writes today.
    """
    for name in names:
        lock = _retired(lock, now, name)
    return lock


def _retired(lock: Lock, now: Present, name: str) -> Lock:
    type, version = of_name(name)
    versions = lock.events.get(type, {})
    going = {v: shape for v, shape in versions.items() if version in (None, v)}
    if not going:
        raise UsageError(f"--retire {name!r}: no such type or version is locked.")
    if now.versions.get(type) in going:
        raise UsageError(f"--retire {name!r}: a class writes it still. Take the class out of the application first.")
    staying = {v: shape for v, shape in versions.items() if v not in going}
    buried = {**lock.tombstones.get(type, {}), **{v: shape.fingerprint for v, shape in going.items()}}
    gone = [named(type, v) for v in going] + ([] if staying else [type])
    return msgspec.structs.replace(
        lock,
        events=_with(lock.events, type, staying),
        upcasters=_without(lock.upcasters, gone),
        tombstones=_with(lock.tombstones, type, buried),
    )


def _with(every: Mapping[str, Mapping[int, T]], type: str, versions: Mapping[int, T]) -> Mapping[str, Mapping[int, T]]:
    return {**_without(every, {type}), **({type: versions} if versions else {})}


def _without(every: Mapping[str, T], names: Collection[str]) -> dict[str, T]:
    return {name: each for name, each in every.items() if name not in names}
