"""Builds of read models as they are told: as rows of a list, and one by one with their partitions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from refold.cli.output import Column, Listing
from refold.cli.values import for_people
from refold.flows.projections.status import ProjectionStatus
from refold.forms import build_form, is_held, waiting
from refold.projection import SLOTS


def word(status: ProjectionStatus) -> str:
    """How a build is, in one word: that nobody works on it counts more than that somebody might."""
    return "stuck" if status.is_stuck and status.state == "running" else status.state


def owners(status: ProjectionStatus) -> Sequence[str]:
    """The runners that work on it: host and process, each once."""
    return list(dict.fromkeys(short(part.owner) for part in status.partitions if is_held(part)))


def short(runner: str) -> str:
    """The name of a runner, without what only tells it from others of its process."""
    return runner.rpartition(":")[0] or runner


BUILDS: Listing[ProjectionStatus] = Listing(
    (
        Column("projection", lambda s: s.name, "cyan"),
        Column("version", lambda s: s.version),
        Column("build", lambda s: s.build),
        Column("role", lambda s: s.role),
        Column("state", word),
        Column("position", lambda s: s.position),
        Column("head", lambda s: s.head),
        Column("lag", lambda s: s.lag),
        Column("waiting s", waiting),
        Column("rate", lambda s: round(s.rate)),
        Column("last step", lambda s: s.moved_at),
        Column("parked", lambda s: s.parked_keys),
        Column("runners", lambda s: ", ".join(owners(s))),
        Column("reason", lambda s: s.reason),
    ),
    build_form,
)
"""Where each build stands."""

SHOWN: Listing[ProjectionStatus] = Listing(
    (
        Column("projection", lambda s: f"{s.name} v{s.version}", "cyan"),
        Column("state", lambda s: word(s) if s.role == "active" else f"{s.role}, {word(s)}"),
        Column("position", lambda s: s.position),
        Column("lag", lambda s: s.lag),
        Column("waiting", lambda s: _span(waiting(s))),
        Column("rate", lambda s: round(s.rate)),
        Column("last step", lambda s: _ago(s.moved_at)),
        Column("parked", lambda s: s.parked_keys),
        Column("runners", lambda s: ", ".join(owners(s))),
        Column("reason", lambda s: s.reason),
    ),
    build_form,
)
"""The same for a terminal, which is narrow: what is usual is left out, and times are ages."""


def listing(output: str, statuses: Sequence[ProjectionStatus]) -> Listing[ProjectionStatus]:
    """How these builds are listed in a format. On a terminal a column in which nothing stands is left out."""
    if output != "table":
        return BUILDS
    columns = [column for column in SHOWN.columns if any(column.value(status) not in {"", None} for status in statuses)]
    return Listing(columns or SHOWN.columns, build_form)


def _ago(moment: datetime | None) -> str:
    return "-" if moment is None else f"{_span((datetime.now(UTC) - moment).total_seconds())} ago"


def _span(seconds: float | None) -> str:
    """A length of time, in the largest unit of which there are two."""
    if seconds is None:
        return ""
    units = ((172_800, 86_400, "d"), (7_200, 3_600, "h"), (120, 60, "min"))
    size, unit = next(((size, unit) for least, size, unit in units if seconds >= least), (1, "s"))
    return f"{max(0.0, seconds) / size:.0f} {unit}"


def facts(status: ProjectionStatus) -> Iterator[tuple[str, object]]:
    """One build, for people."""
    parked = f"{status.parked_keys:,} keys, {status.dead_letters:,} events"
    yield "projection", f"{status.name}, version {status.version}, build {status.build}, {status.role}"
    yield "state", f"{word(status)}{': ' if status.reason else ''}{status.reason}"
    yield "position", f"#{status.position} of #{status.head}, {status.lag:,} behind"
    if status.lag:
        yield "waiting", f"since {for_people(status.oldest_waiting)}, {waiting(status):,} s"
    yield "last step", f"{for_people(status.moved_at) or '-'}, {status.rate:,.0f} events/s, {status.applied:,} applied"
    yield "parked", parked if status.dead_letters else "nothing"
    for part in status.partitions:
        slots = f"slots {part.first}-{part.last}" if (part.first, part.last) != (0, SLOTS - 1) else "all keys"
        yield "partition", f"{slots} at #{part.position}, {part.owner if is_held(part) else 'nobody works on it'}"
