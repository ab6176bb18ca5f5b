"""`refold demo`: a small shop to look at, as one day that is played, or open with customers and workers."""

from __future__ import annotations

import re
import tempfile
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Final

import click
from click.core import ParameterSource

from refold.errors import UsageError

_PORT: Final = 8140
_SPAN: Final = re.compile(r"(\d{1,9})([smh])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours"}
_OF_LIVE: Final = ("port", "rate", "span", "seed", "operator")


def a_span(text: str) -> timedelta:
    """The value of an option that says how long."""
    found = _SPAN.fullmatch(text)
    if found is None:
        raise click.BadParameter(f"{text!r} is no time span: write 30s, 10m or 1h.")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


@click.command(
    "demo",
    short_help="Show a small shop: a day of it, or live.",
    help="""Play a day in a small shop into a new store, and show what was stored, an order as it was, and what to try next.

    With --live the shop stays open until Ctrl-C: customers order, pay and cancel, workers keep the read models and the process
    running, and the Studio shows it at the link that is printed. Two customers have no address, so that there are dead letters
    to look at. It needs pip install 'refold[studio]'.

    The store is left where it is. An earlier demo's in the same place is deleted; any other file is left alone.

    \b
    Examples:
      refold demo
      refold demo --at day
      refold demo --live --rate 20 --for 1s --port 0
    """,
)
@click.option(
    "--at", "at", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
    help="Where shop.db is made; without it, in a temporary directory that is named.",
)  # fmt: skip
@click.option("--live", is_flag=True, help="Keep the shop open, with the Studio.")
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=_PORT,
    show_default=True,
    metavar="N",
    help="The Studio's; 0 is any that is free.",
)
@click.option(
    "--rate",
    type=click.FloatRange(0.01, 10_000),
    default=5.0,
    show_default=True,
    metavar="N",
    help="Commands of the customers a second.",
)
@click.option(
    "--for", "span", type=a_span, metavar="TIME", help="Close after 30s, 10m or 1h, in place of waiting for Ctrl-C."
)
@click.option(
    "--seed", type=int, default=1, show_default=True, metavar="N", help="Other customers with another number."
)
@click.option("--operator", metavar="NAME", help="Let the Studio steer and give commands, in this name.")
@click.pass_context
def command(
    ctx: click.Context, *, at: Path | None, live: bool, port: int, rate: float, span: timedelta | None, seed: int,
    operator: str | None,
) -> None:  # fmt: skip
    """See `help` above."""
    if live:
        import_module("refold.studio")  # whose extra is the one to name, if there is none
        from refold.cli.keeping_open import keep_open  # noqa: PLC0415 - as above

        keep_open(_file(at), port=port, rate=rate, span=span, seed=seed, operator=operator)
        return
    _check_alone(ctx)
    from refold.demo.playing import play  # noqa: PLC0415 - rich is loaded when it is needed

    play(_file(at))


def _check_alone(ctx: click.Context) -> None:
    given = [name for name in _OF_LIVE if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE]
    if given:
        options = [each.opts[0] for each in ctx.command.params if each.name in given]
        raise click.UsageError(f"{', '.join(options)} only with --live.", ctx)


def _file(at: Path | None) -> Path:
    """The store's.

    Raises:
        UsageError: there can be no directory, or no URL names it.
    """
    if "?" in str(at):
        raise UsageError(f"{str(at)!r} has a ?, after which the settings of a store's URL begin: take another place.")
    try:
        place = Path(tempfile.mkdtemp(prefix="refold-demo-")) if at is None else at
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{error.filename!r} cannot be made ({error.strerror}): take another place.") from error
    return place / "shop.db"
