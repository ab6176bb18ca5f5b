"""Snapshots: the nearest one that can be trusted, and one more. No fault of theirs, and no failure, reaches a caller."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from refold.clock import Clock
from refold.columns import SqlValue
from refold.errors import RefoldError, StoreReadOnly, UsageError
from refold.flows.forgotten import told_at
from refold.flows.shortcuts import Saving, Standing
from refold.ports import Backend, InStream, Own, Selection

END: Final = (1 << 62) - 1

# Joined with what stands there, a row of another history, or from beyond the end of this one, is not found.
_NEAREST: Final = """
select s.version, s.position, s.state, s.checksum, s.last_id
from {refold}snapshots s join {refold}places p
  on p.stream = s.stream and p.version = s.version and p.position = s.position and p.id = s.last_id
where s.stream = :stream and s.fingerprint = :fingerprint and s.version <= :until
order by s.version desc limit 1"""
# Where the events stand elsewhere, their places are asked of them.
_NEAREST_APART: Final = """
select version, position, state, checksum, last_id from {refold}snapshots
where stream = :stream and fingerprint = :fingerprint and version <= :until order by version desc limit 1"""
_SAVE_APART: Final = """
insert into {refold}snapshots (stream, fingerprint, version, position, last_id, state, checksum, taken_at)
values (:stream, :fingerprint, :version, :position, :last_id, :state, :checksum, {now})
on conflict (stream, fingerprint, version) do update
  set position = excluded.position, last_id = excluded.last_id, state = excluded.state, checksum = excluded.checksum,
      taken_at = excluded.taken_at
returning version"""
_VERSIONS: Final = """
select version from {refold}snapshots where stream = :stream and fingerprint = :fingerprint order by version"""
# Of the committed event at that place, so that a state of what was rolled back is never saved.
_SAVE: Final = """
insert into {refold}snapshots (stream, fingerprint, version, position, last_id, state, checksum, taken_at)
select p.stream, :fingerprint, p.version, p.position, p.id, :state, :checksum, {now}
from {refold}places p where p.stream = :stream and p.version = :version and p.position = :position
on conflict (stream, fingerprint, version) do update
  set position = excluded.position, last_id = excluded.last_id, state = excluded.state, checksum = excluded.checksum,
      taken_at = excluded.taken_at
returning version"""
_DROP: Final = """
delete from {refold}snapshots where stream = :stream and fingerprint = :fingerprint and version = :version"""

Saved: TypeAlias = tuple[int, int, bytes, bytes]
"""Of a row: version, position, state, checksum."""


async def nearest(backend: Backend, saving: Saving, stream: str, until: int | None) -> Standing[Any] | None:
    """The newest saved state of a stream at or before a version that can be read; those that cannot are passed over."""
    until = END if until is None else until
    while backend.capabilities.sql:
        text = _NEAREST if backend.capabilities.together else _NEAREST_APART
        values: Mapping[str, SqlValue] = {"stream": stream, "fingerprint": saving.fingerprint, "until": until}
        rows: Any = await backend.query(Own(text, values))
        if not rows:
            return None
        saved: Saved = rows[0][:4]
        try:
            if await stands_there(backend, stream, saved[0], saved[1], rows[0][4]):
                return opened(saving, stream, saved)
        except Exception:  # noqa: BLE001, S110 - whatever is wrong with it, the events have it all
            pass
        until = saved[0] - 1
    return None


async def stands_there(backend: Backend, stream: str, version: int, position: int, last_id: object) -> bool:
    """Whether the last event of a saved state is where it was; SQL has seen to that, where the events stand beside it."""
    return backend.capabilities.together or last_id == await _last_id(backend, stream, version, position)


async def _last_id(backend: Backend, stream: str, version: int, position: int) -> bytes | None:
    """The id of the event at a place of a stream; `None` if it does not stand there."""
    rows = await backend.read(Selection(InStream(stream), version - 1, limit=1))
    return rows[0].id if rows and (rows[0].version, rows[0].position) == (version, position) else None


def opened(saving: Saving, stream: str, saved: Saved) -> Standing[Any]:
    """The state that a row holds.

    Raises:
        UsageError: it is not what was written. Whatever else reading it raises comes out as it is.
    """
    version, position, state, checksum = saved
    if checksum != checksum_of(saving.fingerprint, stream, version, position, state):
        raise UsageError("it is damaged: its checksum is another one.")
    return Standing(saving.form.read(state), version, position, version)


def checksum_of(fingerprint: str, stream: str, version: int, position: int, state: bytes) -> bytes:
    """What a row must have with it, so that it is taken for what was written."""
    from hashlib import blake2b  # noqa: PLC0415 - OpenSSL is loaded when it is needed

    place = repr((stream, fingerprint, version, position)).encode("utf-8", "surrogatepass")
    return blake2b(state, digest_size=16, key=blake2b(place, digest_size=32).digest()).digest()


async def save(backend: Backend, clock: Clock, saving: Saving, stream: str, standing: Standing[Any]) -> bool:
    """Save a state, and drop those of the stream that are then too many; not, if somebody was forgotten since it was folded.

    Whoever forgets appends that before dropping what is saved. So what came before that is dropped by whoever forgets, and what
    came after it is found here, before or after it is saved: events and snapshots may be of two databases, or be seen late.

    Raises:
        UsageError: the state cannot be written so that it reads back the same.
        StoreError, OutcomeUnknown: the store cannot do it now.
    """
    if standing.since is None:
        await _save(backend, clock, saving, stream, standing)
        return True

    async def if_sound(inside: Backend) -> bool:
        is_sound = await told_at(inside) == standing.since
        if is_sound:
            await _save(inside, clock, saving, stream, standing)
        return is_sound

    saved = await (backend.within(if_sound) if backend.capabilities.together else if_sound(backend))
    if saved and await told_at(backend) != standing.since:
        key: Mapping[str, SqlValue] = {"stream": stream, "fingerprint": saving.fingerprint}
        await backend.work([Own(_DROP, {**key, "version": standing.version})])
        return False
    return saved


async def _save(backend: Backend, clock: Clock, saving: Saving, stream: str, standing: Standing[Any]) -> None:
    state = saving.form.written(standing.state)
    key: Mapping[str, SqlValue] = {"stream": stream, "fingerprint": saving.fingerprint}
    place: Mapping[str, SqlValue] = {"version": standing.version, "position": standing.position}
    checksum = checksum_of(saving.fingerprint, stream, standing.version, standing.position, state)
    values = {**key, **place, "state": state, "checksum": checksum, "now": clock.now()}
    text = _SAVE
    if not backend.capabilities.together:
        text, last_id = _SAVE_APART, await _last_id(backend, stream, standing.version, standing.position)
        if last_id is None:
            return
        values["last_id"] = last_id
    rows: Any = await backend.query(Own(_VERSIONS, key))
    known = sorted({standing.version, *(version for (version,) in rows)})
    dropped = saving.policy.superfluous(known)
    await backend.work([Own(text, values), *(Own(_DROP, {**key, "version": version}) for version in dropped)])


async def try_to_save(backend: Backend, clock: Clock, saving: Saving, stream: str, standing: Standing[Any]) -> bool:
    """Save a state. Whatever fails, whoever waits for the outcome of a command does not hear of it."""
    if not backend.capabilities.sql:
        return False
    try:
        return await save(backend, clock, saving, stream, standing)
    except UsageError:
        saving.refuse(stream, standing.version)
    except StoreReadOnly:
        saving.given_up = True
    except RefoldError:
        pass
    return False
