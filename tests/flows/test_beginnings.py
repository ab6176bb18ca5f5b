"""Somebody else is quicker: to begin a read model, also in another version, or to move on one that is kept inline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from refold import Projection, ProjectionChanged, Recorded, Statement, Store, event, sql
from refold._bridge.stepping import run_sync
from refold.backends.sqlite import Location, SqliteBackend
from refold.clock import SystemClock
from refold.flows.projections.builds import active_build
from refold.flows.projections.inline import Inline
from refold.ports import Own, Rows, Unclaimed


@event("counted")
class Counted:
    number: int


def numbers(version: int = 1) -> Projection:
    """A read model that lists them."""
    projection = Projection("numbers", version=version, schema="create table numbers (number integer not null)")

    @projection.on(Counted)
    def note(event: Recorded[Counted]) -> Iterator[Statement]:
        yield sql("insert into numbers values (:number)", number=event.data.number)

    return projection


class Late(SqliteBackend):
    """Sees for the first time what another was quicker to do."""

    async def query(self, statement: Own | Statement) -> Rows:
        first, self.late = not hasattr(self, "late"), True
        return [] if first else await super().query(statement)


@pytest.mark.guarantee("G15")
@pytest.mark.parametrize("version", [1, 2])
def test_who_comes_late_works_on_what_was_begun_if_it_is_of_this_version(tmp_path: Path, version: int) -> None:
    early, late = (kind(Location(str(tmp_path / "store.db"))) for kind in (SqliteBackend, Late))
    begun = run_sync(active_build(early, SystemClock(), numbers()))
    if version == 1:
        assert run_sync(active_build(late, SystemClock(), numbers())) == begun
    else:
        with pytest.raises(ProjectionChanged, match="built by version 1, this is version 2"):
            run_sync(active_build(late, SystemClock(), numbers(2)))
    for backend in (early, late):
        run_sync(backend.close())


class Overtaken(SqliteBackend):
    """A runner is quicker, three times."""

    times = 3

    async def work(self, steps: Sequence[Own | Statement]) -> Sequence[Rows]:
        if self.times and any(isinstance(step, Own) and step.params.get("after") == 0 for step in steps):
            self.times -= 1
            raise Unclaimed
        return await super().work(steps)


def test_an_append_goes_on_however_often_a_runner_was_quicker(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with Store.open(f"sqlite:///{path}", events=[Counted]) as store:
        store.catch_up(numbers())
        store.append("count-1", [Counted(7)])
        backend = Overtaken(Location(str(path)))
        run_sync(Inline([numbers()]).keep_up(backend, store._runtime, 0, 1))
        run_sync(backend.close())
        assert (backend.times, store.query("select number from numbers")) == (0, [(7,)])
