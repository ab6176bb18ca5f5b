"""What happens in a git repository. A commit's file events come first, then the commit itself, which seals them."""

from __future__ import annotations

from datetime import datetime
from typing import TypeAlias

from refold import event


@event("git.file-added")
class FileAdded:
    path: str
    mode: str
    hash: str


@event("git.file-modified")
class FileModified:
    """Its content, its mode, or what it is: a file may become a link."""

    path: str
    mode: str
    hash: str


@event("git.file-renamed")
class FileRenamed:
    """`was` is the path before. The content may have changed, too."""

    path: str
    was: str
    mode: str
    hash: str


@event("git.file-deleted")
class FileDeleted:
    path: str


@event("git.commit-recorded")
class CommitRecorded:
    commit: str
    parents: tuple[str, ...]
    author: str
    authored_at: datetime
    committed_at: datetime
    subject: str


FileEvent: TypeAlias = FileAdded | FileModified | FileRenamed | FileDeleted
GitEvent: TypeAlias = FileEvent | CommitRecorded
