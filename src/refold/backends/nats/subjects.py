"""Names as subjects: every stream, tag, key and piece of bookkeeping has one of its own, and no wildcard can hit another."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Final
from urllib.parse import quote, unquote

from refold.messages import StreamName

BUCKET: Final = 10
"""So many hex digits of an id name its bucket: of a UUIDv7, a quarter of a second."""


class Subjects:
    """The subjects of one store."""

    def __init__(self, name: str) -> None:
        self.root = f"refold.{name}."
        self.all = f"{self.root}>"
        self.events = f"{self.root}e.>"
        self.clock = f"{self.root}clock"
        self.note = f"{self.root}note"
        self.news = f"refold-news.{name}"

    def stream(self, name: str) -> str:
        """Where the events of a stream are."""
        category, _, id = name.partition("-")
        return f"{self.root}e.{token(category)}.{token(id)}"

    def category(self, name: str) -> str:
        """Where the events of a category are: the one wildcard beside that of all, and only for reading."""
        return f"{self.root}e.{token(name)}.*"

    def tag(self, name: str) -> str:
        """The guard of a tag: each append that writes the tag writes here, too."""
        return f"{self.root}t.{token(name)}"

    def key(self, key: str) -> str:
        """Where the outcome of a request is remembered."""
        digest = hashlib.blake2b(key.encode(), digest_size=16).hexdigest()
        return f"{self.root}k.{digest}"

    def bucket(self, id: bytes) -> str:
        """Where an id is remembered that is older than the server's own memory of ids."""
        return f"{self.root}i.{id.hex()[:BUCKET]}"

    def name_of(self, subject: str) -> str:
        """The name of the stream that a subject is of."""
        category, _, id = subject.removeprefix(f"{self.root}e.").partition(".")
        return _joined(category, id)


@lru_cache(maxsize=65_536)
def token(text: str) -> str:
    """Any text as one token of a subject: letters, digits, `_`, `-` and `~` as they are, the rest as `%XX` of its UTF-8."""
    return quote(text, safe="").replace(".", "%2E")


@lru_cache(maxsize=65_536)
def _joined(category: str, id: str) -> str:
    return str(StreamName(unquote(category), unquote(id)))
