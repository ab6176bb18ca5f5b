"""Lines of history: where each commit stands among the streams.

A line is a stream of commits, each the first child, by its first parent, of the one before; it is named after its first
commit. Where a second child of a commit is found, a new line begins, so the tree of any commit is that of its line up to
it, on top of the tree that the line began from. The commits from a tip back along first parents stay on one line if they
can; that line is the history of the tip as its users saw it, and what was merged stands on lines of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from examples.git_time_machine.events import CommitRecorded
from examples.git_time_machine.tree import Tree, lines

from refold import Query, Recorded, Store


@dataclass(frozen=True, slots=True)
class Place:
    """Where a commit stands: its line, the version that ends with it, its first parent if any, and since when it is true.

    The clocks of committers differ, but nothing is true before what it is built upon. So `valid_at` is when the commit was
    made or, if that is later, the `valid_at` of its first parent: along a line, it never goes back.
    """

    line: str
    version: int
    parent: str | None
    valid_at: datetime


class Lines:
    """The places of all commits that a store knows."""

    def __init__(self, recorded: Iterable[Recorded[CommitRecorded]] = ()) -> None:
        self.places: dict[str, Place] = {}
        self.tips: dict[str, str] = {}
        for e in recorded:
            self._put(e.data.commit, Place(e.stream.id, e.version, _first(e.data.parents), e.valid_at))

    @staticmethod
    def of(store: Store) -> Lines:
        """Those of a store."""
        store.bind(lines)
        return Lines(store.read(query=Query.of(types=["git.commit-recorded"])))

    def add(self, commit: str, parents: Sequence[str], made: datetime, events: int, *, heir: str | None) -> Place:
        """Find the place of a new commit whose parents have theirs. Its first parent's line is kept free for `heir`."""
        parent = _first(parents)
        before = self.places.get(parent) if parent else None
        place = Place(commit, events, parent, made)
        if before:
            place = replace(place, valid_at=max(made, before.valid_at))
            if self.tips[before.line] == parent and heir in (None, commit):
                place = replace(place, line=before.line, version=before.version + events)
        self._put(commit, place)
        return place

    def _put(self, commit: str, place: Place) -> None:
        self.places[commit] = place
        self.tips[place.line] = commit

    def path(self, commit: str) -> Sequence[tuple[str, int]]:
        """The lines, each up to a version, that lead from nothing to a commit."""
        found: list[tuple[str, int]] = []
        at: str | None = commit
        while at is not None and (place := self.places.get(at)):
            found.append((place.line, place.version))
            at = self.places[place.line].parent  # a line is named after its first commit
        return found[::-1]


def _first(parents: Sequence[str]) -> str | None:
    return parents[0] if parents else None


def tree_at(store: Store, known: Lines, commit: str, *, time: datetime | None = None) -> Tree:
    """The tree of a commit; or, on the way of first parents to it, of the last one that was true at `time`."""
    tree = Tree()
    for line, version in known.path(commit):
        tree = _tree(store, tree, line, version, time)
    return tree


def _tree(store: Store, start: Tree, line: str, version: int, time: datetime | None) -> Tree:
    continued = replace(lines, initial=lambda: start)
    return store.bind(continued).state(line, as_of=version, valid_at=time)
