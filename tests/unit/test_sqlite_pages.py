"""A page of SQLite costs the same wherever it begins: counted in steps of its virtual machine, not in seconds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import apsw
import pytest
from msgspec.structs import replace

from refold import Metadata, NewEvent, Query, Store, event
from refold.backends.sqlite import reading
from refold.ports import EVERYTHING, InCategory, InStory, InStream, Matching, Selection, Source

EVENTS, LIMIT = 1_000, 20


@event("counted", tags=("of",))
class Counted:
    of: str


SOURCES: Mapping[str, Source] = {
    "everything": EVERYTHING,
    "a stream": InStream("count-1"),
    "a category": InCategory("count"),
    "a type": Matching(Query.of(types=["counted"])),
    "a tag": Matching(Query.of(tags=["of:all"])),
    "a story": InStory("story"),
}


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store whose events are all in one stream, category, story, and of one type and tag."""
    path = tmp_path_factory.mktemp("pages") / "history.db"
    with Store.open(f"sqlite:///{path}") as store:
        store.append("count-1", [NewEvent(Counted("all"), metadata=Metadata("story"))] * EVENTS)
    return path


def steps(path: Path, selection: Selection) -> int:
    """How many steps it takes to read a page, which is full."""
    db, taken = apsw.Connection(str(path)), list[int]()
    db.trace_v2(apsw.SQLITE_TRACE_PROFILE, lambda told: taken.append(told["stmt_status"]["SQLITE_STMTSTATUS_VM_STEP"]))
    assert len(reading.rows(db, selection)) == LIMIT
    return sum(taken)


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
@pytest.mark.parametrize("backward", [False, True], ids=["forward", "backward"])
def test_the_last_page_of_a_long_history_costs_what_the_first_does(
    history: Path, source: Source, backward: bool
) -> None:
    first = Selection(source, after=None, backward=backward, limit=LIMIT)
    last = replace(first, after=LIMIT + 1 if backward else EVENTS - LIMIT)
    assert steps(history, last) <= 1.2 * steps(history, first)


@pytest.mark.parametrize("name", [name for name in SOURCES if name != "a stream"])  # that is walked by its versions
def test_a_page_that_ends_at_a_position_does_not_walk_past_it(history: Path, name: str) -> None:
    first = Selection(SOURCES[name], limit=LIMIT)
    assert steps(history, replace(first, position_until=LIMIT)) <= 1.2 * steps(history, first)
    assert steps(history, replace(first, position_until=LIMIT, backward=True)) <= 1.2 * steps(history, first)
