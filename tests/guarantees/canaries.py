"""Canaries: secrets that nothing else looks like, and a search of all that came out for them, however they are written."""

from __future__ import annotations

import logging
import secrets
import traceback
from base64 import b64encode
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Self
from urllib.parse import quote

from click.testing import CliRunner

from refold.cli.program import program


def canary() -> str:
    """A secret that is one wherever it stands."""
    return f"Canary{secrets.token_hex(9)}"


def ways_of(secret: str) -> frozenset[str]:
    """How a secret may be written: as it is, percent-encoded, in hex, backwards, in any other case, in base64 at any place."""
    raw = secret.encode()
    coded = {b64encode(b"_" * before + raw)[4:-4].decode() for before in range(3)}
    return frozenset({secret.casefold(), secret[::-1].casefold(), quote(secret, safe="").casefold(), raw.hex()}) | coded


class Outputs(logging.Handler):
    """All that came out, where it came from, and what of it is a secret. As a handler it hears every log."""

    def __init__(self, *secrets: str, but: str = "-") -> None:
        """`but`: the loggers whose names begin so are those of the test's own client, which may know what it sends."""
        super().__init__(logging.DEBUG)
        self._but = but
        self._ways = {secret: ways_of(secret) for secret in secrets}
        self.count, self.bytes, self.leaks = 0, 0, list[str]()

    def hush(self, *secrets: str) -> None:
        """These are secrets, too."""
        self._ways |= {secret: ways_of(secret) for secret in secrets}

    def take(self, source: str, told: object) -> None:
        """Something that came out."""
        text = told.decode("utf-8", "replace") if isinstance(told, bytes) else str(told)
        folded = text.casefold()
        self.count, self.bytes = self.count + 1, self.bytes + len(text)
        for secret, ways in self._ways.items():
            if any(way in folded or way in text for way in ways):
                self.leaks.append(f"{source}: {secret} in {text[:2_000]}")

    def take_error(self, source: str, error: BaseException | None) -> None:
        """An error, with all that led to it: the ones that a log does not show, too."""
        for each in chain_of(error):
            told = [str(each), repr(each), *map(repr, each.args), *traceback.format_exception(each)]
            self.take(source, "\n".join([*told, *getattr(each, "__notes__", ())]))

    def emit(self, record: logging.LogRecord) -> None:
        """A record of a log."""
        if record.name.startswith(self._but):
            return
        self.take(f"log of {record.name}", f"{record.getMessage()}\n{record.args!r}")
        self.take_error(f"log of {record.name}", record.exc_info[1] if record.exc_info else None)

    @contextmanager
    def listening(self) -> Generator[Self]:
        """Every logger tells everything meanwhile."""
        root = logging.getLogger()
        level = root.level
        root.addHandler(self)
        root.setLevel(logging.DEBUG)
        try:
            yield self
        finally:
            root.setLevel(level)
            root.removeHandler(self)

    def refold(self, *args: str) -> int:
        """Run a command; all that comes of it is searched. Gives its exit code."""
        done = CliRunner().invoke(program, args)
        self.take(f"refold {' '.join(args)}", f"{done.stdout}\n{done.stderr}")
        self.take_error(f"refold {' '.join(args)}", done.exception)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise AssertionError(f"refold {args[:1]} ended with {type(done.exception).__name__}") from done.exception
        return done.exit_code


def chain_of(error: BaseException | None) -> Iterator[BaseException]:
    """An error, its causes, and those in whose handling it was raised."""
    waiting, seen = [error], set[int]()
    while waiting:
        each = waiting.pop()
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            waiting += [each.__cause__, each.__context__, *getattr(each, "exceptions", ())]
            yield each
