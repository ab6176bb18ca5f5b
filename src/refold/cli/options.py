"""The options that commands share, and what their values mean: stores, formats, applications, times."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import click

from refold.eventlogs.times import moment
from refold.flows.load import AsOf
from refold.limits import Limits
from refold.messages import Position, RawEvent
from refold.secrecy import is_mistyped
from refold.store import Store

F = TypeVar("F", bound=Callable[..., Any])

FORMATS = ("auto", "table", "json", "jsonl", "csv", "plain")


def store_url(text: str) -> str:
    """A URL, or the path of a SQLite file. One that was mistyped is not taken for a file with a password in its name."""
    if is_mistyped(text):
        raise click.BadParameter(
            "that is no URL, since :// is missing: write postgresql://HOST/DATABASE or nats://HOST/NAME."
        )
    return text if "://" in text.partition("?")[0] else f"sqlite:///{text}"


def an_instant(text: str) -> datetime:
    """The value of an option that is a time."""
    try:
        return instant_of(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is not a time: {_TIMES}.") from error


def as_of(text: str) -> AsOf:
    """The value of an option that is a version, a position, or a time."""
    try:
        place = place_of(text)
        return instant_of(text) if place is None else place
    except ValueError as error:
        raise click.BadParameter(
            f"{text!r} is no version such as 3, no position such as '#123', and no time: {_TIMES}."
        ) from error


def a_start(text: str) -> Position | datetime:
    """The value of an option that is a position or a time."""
    try:
        place = place_of(text)
        return instant_of(text) if place is None else Position(place)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is no position such as 123, and no time: {_TIMES}.") from error


_TIMES = "write 2011-10-20, 2011-10-20T13:45+02:00, or -1h for an hour ago"
_MINUS = "\N{MINUS SIGN}"
_AGO = re.compile(rf"[-{_MINUS}](\d+)([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Timed(click.Command):
    """A command whose arguments may be times: `-1h` is one of them, and no option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does; what looks like an option to it is given a minus that does not."""
        return super().parse_args(ctx, [_MINUS + each[1:] if _AGO.fullmatch(each) else each for each in args])


def instant_of(text: str) -> datetime:
    """The time that a text tells: ISO 8601, a date alone for its first instant, without a zone UTC, or `-1h` for ago.

    Raises:
        ValueError: it tells none.
    """
    if ago := _AGO.fullmatch(text):
        try:
            return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        except OverflowError as error:
            raise ValueError(text) from error
    return moment(text)


def place_of(text: str) -> Position | int | None:
    """The version that `3` is, the position that `#3` is; None for anything else."""
    if re.fullmatch(r"#[0-9]{1,18}", text):
        return Position(text[1:])
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None


live_store_option = click.option(
    "--store",
    "url",
    type=store_url,
    metavar="URL",
    envvar="REFOLD_STORE",
    required=True,
    show_envvar=True,
    help="The store: sqlite:///shop.db, or just the path of its file.",
)


_ARCHIVE = "refold.archive"


def _note_archive(ctx: click.Context, _: click.Parameter, place: str | None) -> None:
    ctx.meta[_ARCHIVE] = place


def archive_given() -> str | None:
    """What `--archive` names, of the command that runs."""
    ctx = click.get_current_context(silent=True)
    return None if ctx is None else ctx.meta.get(_ARCHIVE)


archive_option = click.option(
    "--archive",
    metavar="DIR",
    envvar="REFOLD_ARCHIVE",
    show_envvar=True,
    expose_value=False,
    callback=_note_archive,
    help="Where old streams were archived to, so that they are read, too.",
)


def store_option(command: F) -> F:
    """`--store`, and `--archive`, without which archived events are not read."""
    return live_store_option(archive_option(command))


def app_option_for(what: str, *, without: str = "") -> Callable[[F], F]:
    """`--app`, for a command that uses `what` of the application; `without` says what it does if there is none."""
    text = f"The application whose {what}, a refold.App; or `app` under [tool.refold] in pyproject.toml."
    return click.option(
        "--app", metavar="MODULE:NAME", envvar="REFOLD_APP", show_envvar=True, help=f"{text} {without}".strip()
    )


app_option = app_option_for(
    "folds to use",
    without="Without one, states are the JSON data of the events, merged in their order (RFC 7396).",
)

journals_option = click.option(
    "--journals", is_flag=True, help="Also what processes keep for themselves: $process.NAME-ID, $schedule-NAME."
)

snapshots_option = click.option(
    "--no-snapshots",
    "trusting",
    flag_value=False,
    default=True,
    help="Fold all events, whatever states the application saves.",
)


def output_option(formats: Sequence[str] = FORMATS) -> Callable[[F], F]:
    """`--output`, for a command that can write these."""
    return click.option(
        "--output",
        type=click.Choice(formats),
        default="auto",
        show_default=True,
        help="auto is table on a terminal, plain in a pipe.",
    )


def reading(url: str) -> Store:
    """The store, opened for reading alone, with every event as raw JSON: a mistyped path never makes a file."""
    return opened(url, archive_given())


def opened(url: str, archive: str | None) -> Store:
    """The same, with an archive that was named otherwise."""
    return Store.open(read_only(url), events=[RawEvent], archive=archive)


def read_only(url: str) -> str:
    """The URL of the same store, to be opened for reading alone."""
    return url if url.startswith("memory:") else f"{url}{'&' if '?' in url else '?'}mode=ro"


def writing(url: str, limits: Limits) -> Store:
    """The store, made if it is not there."""
    return Store.open(url, events=[RawEvent], limits=limits)
