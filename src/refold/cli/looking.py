"""`refold projections list` and `show`: where read models stand, once or again and again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import click

from refold.cli.builds import facts, listing
from refold.cli.models import Models, into_option
from refold.cli.options import output_option, store_option
from refold.cli.output import chosen, print_list, print_object
from refold.cli.stopping import stopping
from refold.cli.watching import watching
from refold.errors import NoSuchProjection
from refold.flows.processes.consuming import CONSUMER
from refold.flows.projections.status import ProjectionStatus
from refold.forms import build_form

_LOOK: Final = 1.0
"""Seconds between two looks."""

watch_option = click.option(
    "--watch", is_flag=True, help="Go on until Ctrl-C: a table on a terminal, else a line for each state that changes."
)


@click.command(
    "list",
    short_help="List the read models, and where they stand.",
    help="""List every build of every projection: how far it is, how far behind, who works on it, and why nobody does.

    lag is in events of the store, waiting is the age of the oldest of them, rate is events/s, parked are the keys that wait
    for an event that failed. stuck: behind for 30 s without a step. Without --all, builds that were replaced are left out.

    \b
    Examples:
      refold projections list --store shop.db
      refold projections list --store shop.db --all --output json
    """,
)
@click.option("--all", "everything", is_flag=True, help="Also the builds that were replaced.")
@watch_option
@store_option
@into_option
@output_option()
def listed(*, everything: bool, watch: bool, url: str, into: str | None, output: str) -> None:
    """See `help` above."""
    with Models.reading(url, into) as models:

        def found() -> Sequence[ProjectionStatus]:
            return [
                status
                for status in models.statuses()
                if (everything or status.role != "retired") and not _is_process(status)
            ]

        if watch:
            _watch(found, output)
        else:
            builds = found()
            print_list(listing(chosen(output), builds), builds, output, empty="no projections were begun here.")


@click.command(
    "show",
    short_help="Show one read model with its partitions.",
    help="""Show one read model: its builds, and each partition with its owner.

    \b
    Examples:
      refold projections show carts --store shop.db
      refold projections show carts --store shop.db --output json
    """,
)
@click.argument("name")
@watch_option
@store_option
@into_option
@output_option()
def show(*, name: str, watch: bool, url: str, into: str | None, output: str) -> None:
    """See `help` above."""
    with Models.reading(url, into) as models:

        def found() -> Sequence[ProjectionStatus]:
            return [status for status in models.statuses() if status.name == name and status.role != "retired"]

        if not (builds := found()):
            raise NoSuchProjection(name)
        if watch:
            _watch(found, output)
        else:
            print_object(
                {"name": name, "builds": [build_form(build) for build in builds]}, output, lambda: _table(builds)
            )


def _table(builds: Sequence[ProjectionStatus]) -> None:
    from refold.cli.tables import print_facts, print_line  # noqa: PLC0415 - rich is loaded when it is needed

    for number, build in enumerate(builds):
        if number:
            print_line(("", ""))
        print_facts(facts(build))


def _is_process(status: ProjectionStatus) -> bool:
    return status.name.startswith(CONSUMER)


def _watch(found: Callable[[], Sequence[ProjectionStatus]], output: str) -> None:
    if chosen(output) not in {"table", "plain", "jsonl"}:
        raise click.UsageError("--watch never ends: take --output table, plain or jsonl.")
    with stopping() as stop, watching(chosen(output)) as show_builds:
        show_builds(found())
        while not stop.wait(_LOOK):
            show_builds(found())
