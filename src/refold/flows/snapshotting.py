"""Snapshotting: what is kept after a load or a command, and snapshots taken, checked and dropped by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, Final, Literal, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from refold.columns import SqlValue
from refold.errors import Unsupported
from refold.flows.load import AsOf, Loaded, advance, reached, version_at
from refold.flows.prepare import Runtime, checked_stream
from refold.flows.shortcuts import Saving, Shortcut, Standing, cache_for
from refold.flows.snapshots import Saved, opened, save, stands_there, try_to_save
from refold.flows.transact import Handled
from refold.fold import Fold
from refold.messages import Position
from refold.ports import Backend, Own, Within
from refold.sameness import identical
from refold.snapshot import Snapshots

Verdict: TypeAlias = Literal["sound", "outdated", "archived", "differs", "damaged", "foreign"]
"""`outdated`: by another version of the fold. `archived`: of a stream whose events are in the archive, until they are back.
`foreign`: of a history that is not this one. Only a sound one is used."""


class SnapshotCheck(Struct, frozen=True):
    """A saved state, held against the fold of all events up to its version; `problem` is a sentence, "" if there is none."""

    stream: str
    version: int
    verdict: Verdict
    problem: str = ""


# Beside each load and command -----------------------------------------------------


def with_shortcuts(runtime: Runtime, fold: Fold[Any, Any], snapshots: Snapshots | None, cache: int) -> Runtime:
    """The runtime, in which the loads of this fold begin with what was kept.

    Raises:
        UsageError: its states cannot be saved, or not cached.
    """
    if snapshots is None and not cache:
        return runtime
    saving = None if snapshots is None else Saving(fold, snapshots, runtime.codec)
    fresh = cache_for(fold, cache) if cache else None
    kept = None if fresh is None or runtime.caches is None else runtime.caches.setdefault(fold, fresh)
    return replace(runtime, shortcuts={**runtime.shortcuts, fold: Shortcut(saving, kept)})


def afterwards(
    runtime: Runtime, fold: Fold[Any, Any], id: str, told: Loaded[Any] | Handled[Any, Any], *, newest: bool = True
) -> Within[str] | None:
    """What is still to be done after a load or a command, once its outcome is certain: a flow, or nothing.

    The state is cached at once, if it is the `newest` there is. The flow never fails: it gives what is to be told, mostly "".
    """
    shortcut = runtime.shortcuts.get(fold) if runtime.shortcuts else None
    if shortcut is None or (isinstance(told, Handled) and told.repeated) or not told.version:
        return None
    stream, saving, cache = str(fold.stream(id)), shortcut.saving, shortcut.cache if newest else None
    standing = Standing(told.state, told.version, int(told.position), told.began, told.since)
    if cache is not None:
        cache.learn(stream, standing)
    if saving is None or not saving.is_due(stream, standing, told.cost):
        return None

    async def keep(backend: Backend) -> str:
        if await try_to_save(backend, runtime.clock, saving, stream, standing) and cache is not None:
            cache.learn(stream, replace(standing, began=standing.version))
        return saving.complaint()

    return keep


# By hand --------------------------------------------------------------------------


async def snapshot(backend: Backend, runtime: Runtime, fold: Fold[Any, Any], id: str, as_of: AsOf | None = None) -> int:
    """Save the state of a stream, now or as of then; at which version.

    Raises:
        Unsupported: the backend has no SQL.
        UsageError: the state cannot be saved.
        NoSuchVersion: `as_of` is a version that the stream has not reached.
    """
    _check_sql(backend)
    if fold not in runtime.shortcuts:
        runtime = with_shortcuts(runtime, fold, Snapshots(), 0)
    stream, saving = checked_stream(fold.stream(id)), _saving(runtime, fold)
    until = None if as_of is None else await version_at(backend, stream, as_of)
    while True:
        loaded = await reached(backend, runtime, fold, stream, until)
        standing = Standing(loaded.state, loaded.version, loaded.position, loaded.began, loaded.since)
        if not loaded.version or await save(backend, runtime.clock, saving, stream, standing):
            return loaded.version


def _saving(runtime: Runtime, fold: Fold[Any, Any]) -> Saving:
    shortcut = runtime.shortcuts.get(fold)
    return (None if shortcut is None else shortcut.saving) or Saving(fold, Snapshots(), runtime.codec)


def _check_sql(backend: Backend) -> None:
    if not backend.capabilities.sql:
        raise Unsupported(
            f"the {backend.capabilities.name} backend has no place for snapshots: it folds from the first event. "
            "Take SQLite or PostgreSQL."
        )


_SCOPE: Final = "(stream = :stream or (:stream = '' and stream >= :first and stream < :beyond))"
_LISTED: Final = f"""
select s.stream, s.fingerprint, s.version, s.position, s.state, s.checksum, s.last_id, p.id,
  exists (select 1 from {{refold}}archived a where a.stream = s.stream)
from {{refold}}snapshots s left join {{refold}}places p
  on p.stream = s.stream and p.version = s.version and p.position = s.position and p.id = s.last_id
where {_SCOPE.replace("stream", "s.stream").replace(":s.stream", ":stream")} order by s.stream, s.version, s.fingerprint"""  # noqa: S608 - ours
_DROPPED: Final = f"""
delete from {{refold}}snapshots where {_SCOPE} and (:but = '' or fingerprint <> :but) returning version"""  # noqa: S608 - ours


def _scope(fold: Fold[Any, Any], id: str | None) -> Mapping[str, SqlValue]:
    """One stream, or all of the category: their names begin with its name and "-", after which "." comes next."""
    stream = "" if id is None else checked_stream(fold.stream(id))
    return {"stream": stream, "first": f"{fold.category}-", "beyond": f"{fold.category}."}


async def check_snapshots(
    backend: Backend, runtime: Runtime, fold: Fold[Any, Any], id: str | None
) -> Sequence[SnapshotCheck]:
    """Each saved state of a stream, or of all streams of a fold, held against the fold of all events up to it.

    Raises:
        Unsupported: the backend has no SQL.
    """
    _check_sql(backend)
    rows: Any = await backend.query(Own(_LISTED, _scope(fold, id)))
    saving, found = _saving(runtime, fold), list[SnapshotCheck]()
    for stream, of_stream in groupby(rows, lambda row: str(row[0])):
        loaded: Loaded[Any] = Loaded(fold.initial(), 0, Position(0))
        for _, fingerprint, version, position, state, checksum, last_id, id_there, is_archived in of_stream:
            is_ours = id_there is not None or not backend.capabilities.together
            is_ours = is_ours and await stands_there(backend, stream, version, position, last_id)
            saved = (version, position, state, checksum)
            fault = _fault(saving, stream, fingerprint, saved, is_archived=is_archived, is_ours=is_ours)
            if fault is None:
                loaded = await advance(backend, runtime, fold, loaded, stream, version)
                fault = _difference(opened(saving, stream, saved), loaded)
            found.append(SnapshotCheck(stream, version, *fault))
    return found


def _fault(
    saving: Saving, stream: str, fingerprint: str, saved: Saved, *, is_archived: bool, is_ours: bool
) -> tuple[Verdict, str] | None:
    if fingerprint != saving.fingerprint:
        return "outdated", "another version of the fold made it"
    if is_archived:
        return "archived", "the events of its stream are in the archive: it is used again when they are back"
    if not is_ours:
        return "foreign", f"the event at version {saved[0]} and position {saved[1]} is not the one that was folded last"
    try:
        opened(saving, stream, saved)
    except Exception as error:  # noqa: BLE001 - whatever is wrong with it
        return "damaged", f"it cannot be read: {error}"
    return None


def _difference(standing: Standing[Any], loaded: Loaded[Any]) -> tuple[Verdict, str]:
    if identical(standing.state, loaded.state):
        return "sound", ""
    return "differs", f"it holds {standing.state!r}, the events give {loaded.state!r}"


async def drop_snapshots(
    backend: Backend, runtime: Runtime, fold: Fold[Any, Any], id: str | None, *, outdated: bool
) -> int:
    """Drop the saved states of a stream, or of all of a fold's; only those by another version of it, if `outdated`; how many.

    Raises:
        Unsupported: the backend has no SQL.
    """
    _check_sql(backend)
    but = _saving(runtime, fold).fingerprint if outdated else ""
    (rows,) = await backend.work([Own(_DROPPED, {**_scope(fold, id), "but": but})])
    return len(rows)
