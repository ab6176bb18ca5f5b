"""`refold run`: keep the projections of an application running, and show how they are."""

from __future__ import annotations

import logging
import math
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Final, Self

import click

from refold.cli.builds import listing, short
from refold.cli.exits import Exit, code_of
from refold.cli.loops import Looped
from refold.cli.models import Models, existing, into_option, projections_option, target_at
from refold.cli.options import output_option, store_option
from refold.cli.output import chosen, print_list
from refold.cli.parts import Parts, parts_of
from refold.cli.stopping import stopping
from refold.cli.watching import watching
from refold.errors import OutcomeUnknown, RefoldError, StoreError
from refold.flows.processes.consuming import CONSUMER
from refold.flows.projections.status import ProjectionStatus
from refold.running import Running
from refold.store import Store

_LOOK: Final = 0.5
"""Seconds between two looks at how the projections are."""
_LOOK_ONCE: Final = 0.05


@click.command(
    "run",
    short_help="Keep the projections and processes of an application running.",
    help="""Keep the projections and processes of an application running until Ctrl-C or SIGTERM; what is under way is finished
    first.

    Any number of processes may do this: they share the partitions out, and take over from one that is not heard of for
    --lease seconds. A new version of a projection is built beside the old one, and takes its place. On a terminal there is
    a table, else a line whenever a state changes.

    Processes send to the deciders and effects of the application; they live in the store, wherever read models do. --once does
    all that they can do now, and then catches the projections up.

    It ends by itself, and not with 0, when none of the projections can be run here; --once with 1 if events were parked.

    \b
    Examples:
      refold run --app shop:app --store shop.db --once
      refold run --app shop:app --store shop.db --into reports.db --only carts --once
      refold run --app shop:app --store shop.db --once --output jsonl
    """,
)
@projections_option
@store_option
@into_option
@click.option(
    "--only",
    "names",
    multiple=True,
    metavar="NAME",
    help="Only this projection or process; may be given several times.",
)
@click.option(
    "--lease", type=click.FloatRange(0.1), default=5.0, show_default=True, metavar="SECONDS",
    help="How long the others wait for this process before they take over from it.",
)  # fmt: skip
@click.option("--once", is_flag=True, help="Catch up with what there is now, and end.")
@output_option(("auto", "table", "jsonl", "plain"))
@click.pass_context
def command(
    ctx: click.Context,
    *,
    app: str | None,
    url: str,
    into: str | None,
    names: tuple[str, ...],
    lease: float,
    once: bool,
    output: str,
) -> None:
    """See `help` above."""
    looped = Looped()
    parts = parts_of(app, names, looped)
    with Models(existing(url), None if into is None else target_at(into, Store.open)) as models, logged():
        models.looped = looped
        run = Run(models, parts, timedelta(seconds=lease), chosen(output))
        ctx.exit(run.once() if once else run.on())


class Run:
    """One runner, and whoever looks at it."""

    def __init__(self, models: Models, parts: Parts, lease: timedelta, output: str) -> None:
        self._models, self._parts, self._lease, self._output = models, parts, lease, output

    def on(self) -> int:
        """Until it is told to stop, or cannot run anything."""
        with stopping(_tell_stopping) as stop, self._running(self._parts) as running:
            self._tell_start(running.name)
            with watching(self._output) as show:
                while not stop.wait(_LOOK) and len(running.troubles) < len(self._parts.names):
                    with suppress(StoreError, OutcomeUnknown):  # the runner notices it, too, and says so
                        show(self._statuses())
        return _code(running.troubles)

    def once(self, seconds: float | None = None) -> int:
        """Until each projection is where the head is then, or cannot get there, or so many seconds are over.

        Before that, processes do all that they can do now.
        """
        stopped = self._parts.catch_up(self._models.store)
        for error in stopped.values():
            _tell(str(error))
        head, is_done = int(self._models.store.head()), False
        end = math.inf if seconds is None else time.monotonic() + seconds
        with stopping(_tell_stopping) as stop, self._running(Parts(self._parts.projections)) as running:
            while not (stop.wait(_LOOK_ONCE) or is_done or time.monotonic() > end):
                is_done = self._are_done(head, running.troubles)
        statuses = self._statuses()
        print_list(listing(self._output, statuses), statuses, self._output)
        sys.stdout.flush()
        if stop.is_set():
            return Exit.INTERRUPTED
        return (
            _code({**running.troubles, **stopped})
            or max(map(_finding, statuses), default=Exit.OK)
            or (Exit.OK if is_done else Exit.FINDINGS)
        )

    def _running(self, parts: Parts) -> Together:
        store, into = self._models.store, self._models.into
        at_home = *parts.processes, *parts.receivers
        if into is None:
            found = parts.projections or parts.processes
            return Together(*([store.run(*parts.projections, *at_home, lease=self._lease)] if found else []))
        beside = [store.run(*at_home, lease=self._lease)] if parts.processes else []
        models = [store.run(*parts.projections, into=into, lease=self._lease)] if parts.projections else []
        return Together(*models, *beside)

    def _statuses(self) -> Sequence[ProjectionStatus]:
        """The builds that a runner of these parts has to do with."""
        names, models = self._parts.names, self._models
        at_home = models.store.projections() if models.into is not None and self._parts.processes else ()
        found = *models.statuses(), *(each for each in at_home if each.name.startswith(CONSUMER))
        return [status for status in found if status.name in names and status.role != "retired"]

    def _are_done(self, head: int, troubles: Mapping[str, RefoldError]) -> bool:
        wanted = {(each.name, each.version) for each in self._parts.projections if each.name not in troubles}
        return wanted <= {(status.name, status.version) for status in self._statuses() if _is_done(status, head)}

    def _tell_start(self, name: str) -> None:
        runners = [each.name for each in self._models.store.runners(into=self._models.into) if each.name != name]
        others = f"beside {', '.join(map(short, runners))}" if runners else "nobody else does"
        _tell(f"{short(name)} runs {', '.join(self._parts.told)}; {others}. Ctrl-C stops it.")


class Together:
    """The runners of this process: that of the read models, and that of what lives in the store, if that is another database."""

    def __init__(self, *running: Running) -> None:
        self._running, self.name = running, running[0].name if running else ""

    @property
    def troubles(self) -> dict[str, RefoldError]:
        """Why something is not run, by its name."""
        return {name: error for each in self._running for name, error in each.troubles.items()}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for each in self._running:
            each.stop()
        for each in self._running:
            each.join()


def _is_done(status: ProjectionStatus, head: int) -> bool:
    """Whether a build is that far, or nothing more can come of it."""
    if status.role == "building":
        return status.state != "running"
    return all(part.position >= head or part.state != "running" for part in status.partitions)


def _finding(status: ProjectionStatus) -> Exit:
    if status.state != "running":
        _tell(f"projection {status.name!r} is {status.state}: {status.reason}")
        return Exit.REFUSED
    if status.parked_keys:
        _tell(_parked(status.name))
        return Exit.FINDINGS
    return Exit.OK


def _parked(name: str) -> str:
    if name.startswith(CONSUMER):
        return (
            f"process {name.removeprefix(CONSUMER)!r} could not take in some events: see refold processes list --stuck."
        )
    return f"projection {name!r} could not apply some events: see refold dead-letters list {name}."


def _code(troubles: Mapping[str, RefoldError]) -> Exit:
    return next(map(code_of, troubles.values()), Exit.OK)


def _tell(what: str) -> None:
    """On the stderr that there is now: a living table takes its place."""
    sys.stderr.write(f"refold: {what}\n")
    sys.stderr.flush()


def _tell_stopping() -> None:
    _tell("stopping after the steps under way; once more ends it at once.")


class _ToStderr(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        _tell(record.getMessage() if error is None else f"{record.getMessage()}: {type(error).__name__}: {error}")


@contextmanager
def logged() -> Generator[None]:
    """What the runner has to say is said."""
    logger, handler = logging.getLogger("refold.runner"), _ToStderr()
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
