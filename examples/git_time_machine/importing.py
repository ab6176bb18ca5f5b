"""A repository's new commits into a store. Done again, it adds only what is new since."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from uuid import UUID, uuid5

from examples.git_time_machine.events import CommitRecorded, GitEvent
from examples.git_time_machine.gitlog import Commit, commits, mainline, revisions
from examples.git_time_machine.lines import Lines, Place
from examples.git_time_machine.tree import lines

from refold import Limits, NewEvent, Store

LIMITS: Final = Limits(batch_events=1_000_000, batch_bytes=1 << 30)
"""A commit is stored whole or not at all, however many files it touches."""

BATCH: Final = 1_000
"""How many events share a transaction, if not one commit has more."""

_IDS: Final = UUID("6f0dcd5e-3d0f-4c3c-9a1c-6a6d3e1d1f52")


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import added."""

    commits: int = 0
    events: int = 0


def silent(done: int, total: int) -> None:
    """Nobody watches."""


def import_history(
    store: Store, repository: Path, tip: str, known: Lines, tell: Callable[[int, int], None] = silent
) -> Imported:
    """Append what leads to `tip` and is not known yet, parents first; `known` knows it from then on.

    `tell` is told how many commits are done, and of how many. Broken off, it leaves whole commits, and the next import
    goes on from there. Open the store with `LIMITS`.

    Raises:
        GitFailed: git could not read the repository.
    """
    old = tuple(known.tips.values())
    total = sum(commit not in known.places for commit in revisions(repository, tip, old))
    heirs = {parent: commit for commit, parent in mainline(repository, tip, old)}
    new = (commit for commit in commits(repository, tip, old) if commit.hash not in known.places)
    done = events = 0
    for batch in _batches(new, known, heirs):
        store.append(lines.stream(batch.line), batch.events, expected=batch.after)
        done, events = done + batch.commits, events + len(batch.events)
        tell(done, total)
    return Imported(done, events)


@dataclass(slots=True)
class _Batch:
    """Whole commits that follow each other on one line, from a version on."""

    line: str
    after: int
    commits: int = 0
    events: list[NewEvent[GitEvent]] = field(default_factory=list[NewEvent[GitEvent]])

    def takes(self, place: Place, size: int) -> bool:
        """Whether a commit of so many events still belongs to it."""
        return self.line == place.line and len(self.events) + size <= BATCH


def _batches(found: Iterable[Commit], known: Lines, heirs: Mapping[str, str]) -> Iterator[_Batch]:
    batch: _Batch | None = None
    for commit in found:
        size = len(commit.changes) + 1
        heir = heirs.get(commit.parents[0]) if commit.parents else None
        place = known.add(commit.hash, commit.parents, commit.committed_at, size, heir=heir)
        if batch is None or not batch.takes(place, size):
            if batch:
                yield batch
            batch = _Batch(place.line, place.version - size)
        batch.commits += 1
        batch.events.extend(_events(commit, place))
    if batch:
        yield batch


def _events(commit: Commit, place: Place) -> Iterator[NewEvent[GitEvent]]:
    """The changes of a commit, then the commit; each says whose it is. The ids follow from it, so none is stored twice."""
    whose = {"commit": commit.hash, "author": commit.author}
    for number, data in enumerate((*commit.changes, _recorded(commit))):
        yield NewEvent(data, id=uuid5(_IDS, f"{commit.hash}/{number}"), valid_at=place.valid_at, metadata=whose)


def _recorded(commit: Commit) -> CommitRecorded:
    return CommitRecorded(
        commit.hash, commit.parents, commit.author, commit.authored_at, commit.committed_at, commit.subject
    )
