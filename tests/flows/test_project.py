"""A projection's tables are made once, though two runners find that there are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from refold import CheckpointMoved, Projection
from refold._bridge.stepping import run_sync
from refold.backends.sqlite import Location, SqliteBackend
from refold.flows.project import started
from refold.ports import Checkpoint, Progress
from refold.projection import Statement

TABLE = Projection("p", schema="create table p (a integer)")


class Late(SqliteBackend):
    """Sees for the first time what another runner was quicker to do."""

    async def checkpoint(self, projection: str) -> Checkpoint | None:
        first, self.late = not hasattr(self, "late"), True
        return None if first else await super().checkpoint(projection)


@pytest.mark.guarantee("G15")
def test_the_runner_that_comes_late_makes_no_tables(tmp_path: Path) -> None:
    early, late = (kind(Location(str(tmp_path / "store.db"))) for kind in (SqliteBackend, Late))
    assert run_sync(started(early, TABLE)) == Checkpoint(1, 0)
    assert run_sync(started(late, TABLE)) == Checkpoint(1, 0)
    for backend in (early, late):
        run_sync(backend.close())


@pytest.mark.guarantee("G15")
def test_a_step_from_where_the_checkpoint_is_not_does_nothing() -> None:
    backend = SqliteBackend(Location(":memory:"))
    run_sync(backend.progress(Progress("p", 1, [Statement("create table p (a integer)")], 0, 0)))
    run_sync(backend.progress(Progress("p", 1, [Statement("insert into p values (1)")], 0, 5)))
    for after in (0, 4, 6):
        with pytest.raises(CheckpointMoved, match=f"is at position 5, not {after}"):
            run_sync(backend.progress(Progress("p", 1, [Statement("insert into p values (2)")], after, 9)))
    assert run_sync(backend.query(Statement("select a from p"))) == [(1,)]
    assert run_sync(backend.checkpoint("p")) == Checkpoint(1, 5)
