"""Watching builds: a table that lives on a terminal; anywhere else a line for each that has changed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TypeAlias

from refold.cli.builds import BUILDS, listing, owners, word
from refold.cli.saying import write
from refold.cli.values import as_text, on_one_line
from refold.flows.projections.status import ProjectionStatus
from refold.forms import build_form, encode

Show: TypeAlias = Callable[[Sequence[ProjectionStatus]], None]
"""Shown how every build is, again and again."""


@contextmanager
def watching(output: str) -> Generator[Show]:
    """What shows builds, as `table`, `plain` or `jsonl`, for as long as the block lasts."""
    if output != "table":
        yield _Changes(output).show
        return
    from refold.cli.tables import live_table  # noqa: PLC0415 - rich is loaded when it is needed

    with live_table() as update:

        def show(statuses: Sequence[ProjectionStatus]) -> None:
            builds = listing(output, statuses)
            update([column.name for column in builds.columns], [builds.shown(status) for status in statuses])

        yield show


class _Changes:
    """Tells each build when it is first seen and whenever its state has changed; positions that move on are no change."""

    def __init__(self, output: str) -> None:
        self._output = output
        self._known: dict[tuple[str, int], object] = {}
        self._arrived: set[tuple[str, int]] = set()

    def show(self, statuses: Sequence[ProjectionStatus]) -> None:
        for status in statuses:
            build = status.name, status.build
            if status.lag == 0:
                self._arrived.add(build)
            state = (
                status.role, word(status), status.reason, status.parked_keys, len(status.partitions), owners(status),
                build in self._arrived,
            )  # fmt: skip
            if self._known.get(build) != state:
                self._known[build] = state
                write(self._line(status) + "\n")
        sys.stdout.flush()

    def _line(self, status: ProjectionStatus) -> str:
        now = datetime.now(UTC).replace(microsecond=0)
        if self._output == "jsonl":
            told: dict[str, Any] = {"at": now, **build_form(status)}
            return encode(told).decode()
        return "\t".join(map(on_one_line, [as_text(now), *BUILDS.cells(status)]))
