"""Batch: what the events of one step cause, gathered before anything of it is done."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable, Mapping, Sequence
from typing import Any, cast

from refold.errors import OutcomeUnknown, StoreError, UsageError
from refold.flows.projections.naming import near, renamed_statement
from refold.flows.projections.statements import lookups, statement_of
from refold.messages import Recorded
from refold.ports import Backend, Performing, Rows
from refold.projection import Caused, ForTarget, Handling, Projection, Question, Statement, Together, by_stream
from refold.sqltext import named
from refold.tables import Change, Delete, Key, Patch, Place, Put, Table


class HandlerFailed(Exception):
    """A handler raised on an event."""

    def __init__(self, recorded: Recorded[Any], error: Exception) -> None:
        self.recorded, self.error = recorded, error
        super().__init__(recorded, error)


def noted(failed: HandlerFailed, projection: Projection) -> Exception:
    """The handler's own error, with a note of where it happened."""
    event = failed.recorded
    failed.error.add_note(
        f"in projection {projection.name!r}, on {event.type!r} at position {event.position} (stream {event.stream})"
    )
    return failed.error


def is_one(events: Sequence[Recorded[Any]]) -> bool:
    """Whether these are one stored event, or the parts of one."""
    return len({recorded.position for recorded in events}) == 1


class AskedOutside(Exception):
    """A handler asked, and there is no transaction yet that could answer."""


class Batch:
    """The statements of a step, and the last change of each row.

    SQL about tables whose rows are changed or looked up here is done in its turn, and what was known of them is forgotten. Any
    other is done after the changes that come with it, since many of one kind are quicker in one go.

    `backend` is that of the transaction, if there is one: then handlers may ask. `in_turn`: no event comes beside the checkpoint.
    """

    def __init__(
        self, projection: Projection, suffix: str, backend: Backend | None = None, *, in_turn: bool = True
    ) -> None:
        self._projection, self._suffix, self._backend, self._in_turn = projection, suffix, backend, in_turn
        given: object = backend
        self._performer = given if isinstance(given, Performing) else None
        self.applied: list[int] = []
        """The positions of the events whose handlers were called, as often as they were: what the audit is told."""
        self._before = (0, 0)
        self._done: list[Statement] = []
        """All up to the last SQL about rows that are known here."""
        self._statements: list[Statement] = []
        self._changes: dict[tuple[str, Place], Change] = {}
        self._rows: dict[str, dict[Place, Any]] = {table.name: {} for table in projection.tables}
        self._near = near(projection.schema, projection.tables)
        self._forgotten: set[str] = set()
        """The tables of which a row that is not known may be there all the same."""

    async def look_up(self, reads: Backend, events: Sequence[Recorded[Any]]) -> None:
        """Find all rows that the handlers of these events want to see."""
        wanted: dict[Table[Any], dict[Place, None]] = {}
        if not any(handling.gets for handling in self._projection.handlers.values()):
            return
        for recorded in events:
            handling = self._projection.handlers.get(recorded.data.__class__)
            if handling is not None and handling.gets:
                for key in self._keys(handling, recorded):
                    wanted.setdefault(key.table, {})[key.place] = None
        self._near |= {table.name for table in wanted}
        for table, places in wanted.items():
            await self._find(reads, table, list(places))

    def _keys(self, handling: Handling, recorded: Recorded[Any]) -> Sequence[Key[Any]]:
        try:
            return [get(recorded) for get in handling.gets]
        except Exception as error:
            raise HandlerFailed(recorded, error) from error

    async def _find(self, reads: Backend, table: Table[Any], places: Sequence[Place]) -> None:
        suffix = self._suffix if table in self._projection.tables else ""
        found = self._rows.setdefault(table.name, {})
        for statement in lookups(table, places, suffix):
            for values in await reads.query(statement):
                row = table.read(values)
                found[table.place_of(row)] = row

    async def _look_again(self, handling: Handling, recorded: Recorded[Any]) -> None:
        """Find the rows that the handler wants to see and that SQL may have changed."""
        for key in self._keys(handling, recorded):
            rows = self._rows[key.table.name]
            if key.table.name not in self._forgotten or key.place in rows:
                continue
            if self._backend is None:
                raise AskedOutside
            if statements := self.taken():
                await self._backend.work(statements)
            await self._find(self._backend, key.table, [key.place])
            rows.setdefault(key.place, None)

    async def apply(self, events: Sequence[Recorded[Any]], *, effects_after: int | None) -> None:
        """Gather what the events cause, one after another; effects only of those after a position, or of none.

        Raises:
            HandlerFailed: a handler raised.
            AskedOutside: it asked without a transaction.
        """
        if self._projection.together is not None:
            await self._apply_together(self._projection.together, events)
            return
        handlers: Mapping[type[Any], Handling] = self._projection.handlers
        effecting: Mapping[type[Any], Handling] = self._projection.effecting if effects_after is not None else {}
        for recorded in events:
            cls = recorded.data.__class__
            effect = effecting.get(cls) if effecting and recorded.position > (effects_after or 0) else None
            if recorded.parts == 1 or not self._is_further_part(recorded):
                self.applied.append(recorded.position)
            try:
                for handling in (handlers.get(cls), effect):
                    if handling is None:
                        continue
                    if self._forgotten and handling.gets:
                        await self._look_again(handling, recorded)
                    caused = self._call(handling, recorded)
                    if caused is not None and self._backend is not None:
                        caused = await self._answered(caused)
                    self._gather(caused)
            except (HandlerFailed, AskedOutside, StoreError, OutcomeUnknown):
                raise
            except Exception as error:
                raise HandlerFailed(recorded, error) from error

    async def _apply_together(self, together: Together, events: Sequence[Recorded[Any]]) -> None:
        if self._backend is None:
            raise AskedOutside
        self.applied += [event.position for event in events if event.parts == 1 or not self._is_further_part(event)]
        await together(self._backend, events, self._in_turn)

    def _is_further_part(self, recorded: Recorded[Any]) -> bool:
        """Whether it is of the same stored event as the one before it, which is taken in once for all its parts."""
        before, self._before = self._before, (recorded.position, recorded.part)
        return before[0] == recorded.position and before[1] < recorded.part

    def _call(self, handling: Handling, recorded: Recorded[Any]) -> Iterable[Caused] | None:
        if self._projection.key is not by_stream:
            self._projection.checked_key(recorded)
        if not handling.gets:
            return handling.call(recorded)
        keys = self._keys(handling, recorded)
        return handling.call(recorded, *(self._rows[key.table.name].get(key.place) for key in keys))

    def _check_inside(self) -> None:
        if self._backend is None or not self._backend.capabilities.inside:
            raise UsageError(
                f"a handler of projection {self._projection.name!r} gave nothing to do: let it yield, or return (). If it uses "
                "an ORM by itself, say which: into=DjangoTarget()."
            )

    def _gather(self, caused: Iterable[Caused] | None) -> None:
        if caused is None:
            self._check_inside()
            return
        for one in caused:
            if isinstance(one, Question):  # that stops it there: nobody would answer
                raise AskedOutside
            if isinstance(one, Statement):
                self._sql(one)
            else:
                self._change(one)

    def _sql(self, statement: Statement) -> None:
        renamed = renamed_statement(statement, self._projection, self._suffix)
        if self._near and self._is_near(statement.text):
            self._done += [*self._pending(), renamed]
        else:
            self._statements.append(renamed)

    def _is_near(self, text: str) -> bool:
        """Whether SQL may be about rows that are known here; then they are not any more."""
        names = named(text) & self._near
        leads_there = names - self._rows.keys()
        self._forget(self._rows.keys() if leads_there else names)
        return bool(names)

    def _forget(self, tables: Collection[str]) -> None:
        self._forgotten.update(tables)
        for name in tables:
            self._rows[name].clear()

    async def _answered(self, caused: Iterable[Caused]) -> list[Caused]:
        """Run a handler that may ask: what it yielded before a question is done before it is answered."""
        effects = cast("Generator[Caused, Any]", caused if isinstance(caused, Generator) else (one for one in caused))
        found: list[Caused] = []
        answer: Any = None
        while True:
            try:
                effect: Caused = effects.send(answer)
            except StopIteration:
                return found
            answer = None
            if isinstance(effect, Question):
                answer = await self._ask(effect, found)
                found = []
            elif self._performer is not None and not isinstance(effect, Statement | Put | Patch | Delete):
                answer = await self._perform(self._performer, effect, found)
                found = []
            else:
                found.append(effect)

    async def _perform(self, performer: Performing, effect: ForTarget, before: Sequence[Caused]) -> object:
        assert self._backend is not None  # noqa: S101 - it is the performer
        self._gather(before)
        if statements := self.taken():
            await self._backend.work(statements)
        self._forget(self._rows.keys())
        return await performer.perform(effect)

    async def _ask(self, question: Question, before: Sequence[Caused]) -> Rows:
        assert self._backend is not None  # noqa: S101 - asked only where there is one
        self._gather(before)
        self._sql(Statement(question.text, question.params))
        return (await self._backend.work(self.taken()))[-1]

    def _change(self, change: Change | ForTarget) -> None:
        """Keep the last word on a row: a patch joins what stands there already."""
        if not isinstance(change, Put | Patch | Delete):
            raise UsageError(
                f"a handler of projection {self._projection.name!r} yielded {change!r}: yield sql(...), or what the put, "
                "patch and delete of a Table give. What an ORM can do needs that ORM: into=SessionTarget(...)."
            )
        if change.table not in self._projection.tables:
            raise UsageError(
                f"projection {self._projection.name!r} changes {change.table!r}, which is not its own: name it in tables=(...)."
            )
        place, rows = (change.table.name, change.place), self._rows[change.table.name]
        match change:
            case Put():
                self._changes[place], rows[change.place] = change, change.row
            case Delete():
                self._changes[place], rows[change.place] = change, None
            case Patch():
                self._patch(place, rows, change)

    def _patch(self, place: tuple[str, Place], rows: dict[Place, Any], patch: Patch) -> None:
        row, before = rows.get(patch.place), self._changes.get(place)
        if row is not None:
            rows[patch.place] = row = patch.table.patched(row, patch.fields)
        match before:
            case Put():
                self._changes[place] = Put(patch.table, patch.place, row)
            case Patch():
                self._changes[place] = Patch(patch.table, patch.place, {**before.fields, **patch.fields})
            case Delete():
                pass
            case None:
                self._changes[place] = patch

    def taken(self) -> list[Statement]:
        """The statements that do it all; the batch is empty then."""
        found = [*self._done, *self._pending()]
        self._done = []
        return found

    def _pending(self) -> list[Statement]:
        """Rows first: SQL of the application's may look at them."""
        rows = sorted((statement_of(change, self._suffix) for change in self._changes.values()), key=_text)
        found = [*rows, *self._statements]
        self._changes, self._statements = {}, []
        return found


def _text(statement: Statement) -> str:
    return statement.text
