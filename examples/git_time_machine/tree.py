"""The tree of a commit: which files there are, and what is in them. The fold is all that a query needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import assert_never

from examples.git_time_machine.events import (
    CommitRecorded,
    FileAdded,
    FileDeleted,
    FileEvent,
    FileModified,
    FileRenamed,
    GitEvent,
)

from refold import Fold


@dataclass(frozen=True, slots=True)
class File:
    """What stands at a path: a mode and an object, as `git ls-tree` tells them."""

    mode: str
    hash: str


def no_files() -> Mapping[str, File]:
    """Of an empty tree."""
    return {}


@dataclass(frozen=True, slots=True)
class Tree:
    """The files of one commit by path, and the changes that wait for the next commit to seal them."""

    commit: str = ""
    files: Mapping[str, File] = field(default_factory=no_files)
    unsealed: tuple[FileEvent, ...] = ()


def evolve(tree: Tree, event: GitEvent) -> Tree:
    """The tree after one event. The files are copied once a commit, and never show half of one."""
    match event:
        case CommitRecorded(commit=commit):
            return Tree(commit, changed(tree.files, tree.unsealed) if tree.unsealed else tree.files)
        case _:
            return Tree(tree.commit, tree.files, (*tree.unsealed, event))


def changed(files: Mapping[str, File], changes: tuple[FileEvent, ...]) -> Mapping[str, File]:
    """The files after the changes of one commit, which come in any order: no path is both taken and given up by it."""
    result = dict(files)
    for change in changes:
        match change:
            case FileAdded(path, mode, hash) | FileModified(path, mode, hash):
                result[path] = File(mode, hash)
            case FileRenamed(path, was, mode, hash):
                del result[was]
                result[path] = File(mode, hash)
            case FileDeleted(path):
                del result[path]
            case _:
                assert_never(change)
    return result


lines = Fold("git", initial=Tree, evolve=evolve)
