"""The live demo: a shop that is kept open, the Studio beside it, and one line that says how far it is."""

from __future__ import annotations

import asyncio
import logging
import math
import signal
import sys
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from shlex import quote
from typing import Any, Final

from refold.cli import serve as serving
from refold.demo.app import app
from refold.demo.opened import OpenShop, Standing
from refold.demo.playing import cleared
from refold.errors import RefoldError
from refold.http.serving import Place
from refold.store import Store
from refold.studio.serving import serve

_LOOK: Final = 1.0
"""Seconds between two looks at how far the shop is."""
_TELL: Final = 10
"""Looks from one line to the next, where there is no terminal on which it can be changed in place."""
_ANEW: Final = "\r\x1b[2K"
"""Back to the beginning of the line, which is made empty."""


def keep_open(file: Path, *, port: int, rate: float, span: timedelta | None, seed: int, operator: str | None) -> None:
    """Until Ctrl-C or SIGTERM, or for as long as `span`.

    Raises:
        Refused: the file is there, and was not made by the demo.
        UsageError: the port cannot be had.
    """
    cleared(file)
    url, line = f"sqlite:///{file}", Line()
    with Store.open(url) as store, _silenced(), OpenShop(store, rate=rate, seed=seed) as shop:
        studio = partial(serve, url, Place("127.0.0.1", port), app=app, operator=operator, name=f"demo · {file.name}")
        try:
            serving.run(_with_studio(studio, shop, line, math.inf if span is None else span.total_seconds()))
            line.tell(shop.standing())
        finally:
            line.end()
    look = f"refold studio --app refold.demo.app:app --store {quote(str(file))}"
    _tell(f"closed; the store is {file}. Look into it with {look}")
    if shop.trouble is not None:
        raise shop.trouble


async def _with_studio(
    studio: Callable[..., Coroutine[Any, Any, None]], shop: OpenShop, line: Line, seconds: float
) -> None:
    is_open = asyncio.Event()

    def opened(link: str) -> None:
        _tell(f"the shop is open. Look at it: {link} (it works once). Ctrl-C closes it.")
        is_open.set()

    telling = asyncio.create_task(_tell_on(is_open, shop, line, seconds))
    try:
        await studio(told=opened)
    finally:
        telling.cancel()
        with suppress(asyncio.CancelledError):
            await telling


async def _tell_on(is_open: asyncio.Event, shop: OpenShop, line: Line, seconds: float) -> None:
    """Tell how far it is, until it is time to close; then the Studio is told as Ctrl-C would tell it, which it now hears."""
    await is_open.wait()
    left = min(_LOOK, seconds)
    while left > 0 and shop.trouble is None:
        await asyncio.sleep(left)
        with suppress(RefoldError):  # the workers notice it, too, and try again
            line.tell(await asyncio.to_thread(shop.standing))
        left = min(_LOOK, seconds - shop.seconds)
    signal.raise_signal(signal.SIGINT)


class Line:
    """How far the shop is: on a terminal one line that changes, anywhere else a line now and then."""

    def __init__(self) -> None:
        self._in_place, self._looks, self._newest = sys.stderr.isatty(), 0, ""

    def tell(self, standing: Standing) -> None:
        """What is told is the newest."""
        self._newest = worded(standing)
        self._looks += 1
        if self._in_place:
            sys.stderr.write(_ANEW + self._newest)
        elif self._looks % _TELL == 0:
            sys.stderr.write(f"{self._newest}\n")
            self._newest = ""
        sys.stderr.flush()

    def end(self) -> None:
        """The newest stays."""
        if self._newest:
            sys.stderr.write("\n" if self._in_place else f"{self._newest}\n")
            sys.stderr.flush()


def worded(standing: Standing) -> str:
    """One line, for people."""
    span = timedelta(seconds=round(standing.seconds))
    parked = f", {standing.parked:,} with dead letters" if standing.parked else ""
    return (
        f"{span}  {standing.events:,} events, {standing.handled:,} commands, {standing.refused:,} refused; "
        f"read models {standing.behind:,} behind{parked}"
    )


@contextmanager
def _silenced() -> Generator[None]:
    """What a runner warns of is there to be looked at in the Studio, and would break the line."""
    logger, handler = logging.getLogger("refold.runner"), logging.NullHandler()
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def _tell(what: str) -> None:
    sys.stderr.write(f"refold: {what}\n")
    sys.stderr.flush()
