"""Faults to plant in what runs processes: each is one that it could have, alone or together with another one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias
from uuid import uuid4

from refold import Steps, duties
from refold.flows.processes import consuming, delivering, index, orchestrating, outgoing, performing, timers
from refold.flows.processes.journal import Compensating, Delivered, Ended
from refold.flows.processes.reactions import Noting
from refold.flows.projections import persevering
from refold.ports import Append, Backend, Own
from refold.process import Process
from refold.replaying import Run

Put: TypeAlias = Callable[[Any, str, Any], None]
"""`setattr`, or that of a monkeypatch."""


class Torn:
    """A backend to which what should be one transaction is many."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    async def within(self, flow: Callable[[Any], Any]) -> Any:
        """Each call by itself."""
        return await flow(self._backend)


def _of(module: Any, name: str) -> Any:
    """What a module has, also what it has from elsewhere."""
    return getattr(module, name)


def _torn(put: Put, module: Any, name: str, *, at: int) -> None:
    """A flow is given a torn backend, as one of its arguments."""
    whole = _of(module, name)

    async def torn(*of: Any, **named: Any) -> Any:
        return await whole(*of[:at], Torn(of[at]), *of[at + 1 :], **named)

    put(module, name, torn)


def inputs_in_pieces(put: Put) -> None:
    """The checkpoint is moved, and then the journal is written, and then the index."""
    whole: Any = _of(persevering, "step")

    async def step(source: Any, target: Any, runtime: Any, work: Any, *, until: int | None = None) -> Any:
        return await whole(
            source, target if work.projection.together is None else Torn(target), runtime, work, until=until
        )

    put(persevering, "step", step)


def index_after_the_journal(put: Put) -> None:
    """What is to be sent is noted in the index when all else is committed: a crash in between forgets it."""
    later: list[Sequence[Own]] = []
    whole: Any = _of(persevering, "step")
    changes: Any = _of(consuming, "changes")

    def kept(noted: Any) -> Sequence[Own]:
        later.append(changes(noted))
        return ()

    async def step(source: Any, target: Any, runtime: Any, work: Any, *, until: int | None = None) -> Any:
        later.clear()
        stepped = await whole(source, target, runtime, work, until=until)
        for rows in later:
            await target.work(rows)
        return stepped

    put(consuming, "changes", kept)
    put(persevering, "step", step)


def timers_deleted_before_they_come_back(put: Put) -> None:
    """In two transactions."""

    async def fire(
        backend: Backend, runtime: Any, process: Process[Any, Any], slots: Any = timers.WHOLE
    ) -> timers.Fired:
        due = timers.timed(
            runtime, timers._DUE, {"process": process.name, "first": slots[0], "last": slots[1], "limit": 500}
        )
        rows: Any = await backend.query(due)
        if rows:
            await backend.work([Own(timers._FIRE, {"timer": row[0]}, must=True) for row in rows])
            writes = tuple(timers._write(process, *row) for row in rows)
            await backend.append(Append(writes, runtime.clock.now()))
        return timers.Fired(len(rows))

    put(duties, "fire", fire)


def timers_early(put: Put) -> None:
    """Whoever looks in time is too early."""
    put(timers, "_DUE", _changed(timers._DUE, "due <= {now}", "due <= {now} + 300000"))


def timers_twice(put: Put) -> None:
    """They come back and stay, and each time as another event."""
    put(timers, "_FIRE", "update {refold}timers set due = due + 1000 where timer = :timer returning timer")
    put(timers, "derived_id", _new_id)


def steps_without_a_key(put: Put) -> None:
    """Each attempt has a key of its own."""
    put(Steps, "key", lambda self, name: str(uuid4()))


def commands_without_a_key_in_pieces(put: Put) -> None:
    """The decider has decided, and then that is noted; whoever sends it again is not recognised."""
    whole: Any = _of(delivering, "take")

    async def take(inside: Any, runtime: Any, decider: Any, id: Any, command: Any, context: Any, key: Any) -> Any:
        return await whole(inside, runtime, decider, id, command, context, None)

    put(delivering, "take", take)
    _torn(put, duties, "deliver", at=0)


def settled_in_pieces_by_new_ids(put: Put) -> None:
    """It is noted in the journal, and then taken from the index; whoever does it again is not recognised."""
    _torn(put, outgoing, "settle", at=0)
    put(outgoing, "derived_id", _new_id)
    put(performing, "settle", outgoing.settle)


def no_guard_when_settling(put: Put) -> None:
    """Whoever comes second is not refused."""
    put(outgoing, "Own", lambda text, params, must=False: Own(text, params))
    put(outgoing, "derived_id", _new_id)


def undo_only_after_success(put: Put) -> None:
    """What failed is said not to have happened."""
    put(
        orchestrating, "_is_to_be_undone",
        lambda want, result: want.undo is not None and result is not None and result.error is None,
    )  # fmt: skip


def undo_in_order(put: Put) -> None:
    """What was done first is undone first."""
    whole: Any = orchestrating.Orchestrated._break

    def broken(self: Any, run: Any, record: Any, reason: str) -> Any:
        for noting in whole(self, run, record, reason):
            entry = noting.entry
            yield Noting(Compensating(entry.undo[::-1], reason) if isinstance(entry, Compensating) else entry)

    put(orchestrating.Orchestrated, "_break", broken)


def undo_all_at_once(put: Put) -> None:
    """Nobody waits for the one before."""

    def undo(self: Any, run: Any, record: Any, steps: Any) -> Any:
        names = record.undo or ()
        yield from (Noting(self._undone(run, name)) for name in names if f"undo {name}" not in steps)
        if all(f"undo {name}" in record.results for name in names):
            yield Noting(Ended("compensated", record.reason))

    put(orchestrating.Orchestrated, "_undo", undo)


def undone_after_the_pivot(put: Put) -> None:
    """What was shipped is released."""
    put(orchestrating, "_is_pivoted", lambda run, record: False)


def what_is_delivered_stays_in_the_index(put: Put) -> None:
    """When it is made anew."""
    whole: Any = index._changes
    put(index, "_changes", lambda noted: () if isinstance(noted.entry, Delivered) else whole(noted))


def timers_without_a_time(put: Put) -> None:
    """A timer is in the journal, and nothing says when to look for it."""
    put(index, "_of_timers", lambda noted: ())


def retries_without_a_time(put: Put) -> None:
    """What could not be delivered is not looked at again."""
    put(outgoing, "_LATER", "delete from {refold}outgoing where message = :message and attempts = :seen and :wait > 0")


def results_found_by_order(put: Put) -> None:
    """The first result is that of the first step, whatever this is called now."""
    whole: Any = vars(Run)["_result"]

    def result(self: Any, want: Any) -> Any:
        found = list(self._record.results.values())
        at = list(self.met).index(want.name)
        return whole(self, want) if want.kind == "signal" else found[at] if at < len(found) else None

    put(Run, "_result", result)


def _new_id(journal: str, cause: Any, name: str) -> Any:
    return uuid4()


def _changed(text: str, old: str, new: str) -> str:
    assert old in text, f"this fault no longer fits: {old!r} is not in {text}"
    return text.replace(old, new)


PLANTS: Final[Mapping[str, Callable[[Put], None]]] = {
    plant.__name__: plant
    for plant in (
        inputs_in_pieces, index_after_the_journal, timers_deleted_before_they_come_back, timers_early, timers_twice,
        steps_without_a_key, commands_without_a_key_in_pieces, settled_in_pieces_by_new_ids, no_guard_when_settling,
        undo_only_after_success, undo_in_order, undo_all_at_once, undone_after_the_pivot,
        what_is_delivered_stays_in_the_index, timers_without_a_time, retries_without_a_time,
        results_found_by_order,
    )
}  # fmt: skip
