"""`refold state`: the state of a stream, now, as it was known then, or as it was in the world then."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from refold.cli.apps import application
from refold.cli.options import an_instant, app_option, as_of, output_option, reading, snapshots_option, store_option
from refold.cli.output import print_object
from refold.cli.states import States
from refold.flows.load import AsOf, Loaded


@click.command(
    "state",
    short_help="Show the state of a stream, now or at a time.",
    help="""Show the state of a stream: now, or at a time.

    --at asks what the store knew then, --valid-at what was true in the world then; together: what was known then of how
    it was then. A date alone is its first instant; a time without a zone is UTC; -1h is an hour ago. Where the
    application saves states of the fold (App(..., snapshots=...)), folding begins with the nearest one.

    \b
    Examples:
      refold state cart-c-1 --store shop.db
      refold state cart-c-1 --store shop.db --at 1 --output json
      refold state cart-c-1 --store shop.db --at 2026-01-31T12:00+01:00
      refold state cart-c-1 --store shop.db --valid-at 2026-01-31
      refold state cart-c-1 --store shop.db --app shop:app --no-snapshots
    """,
)
@click.argument("stream")
@store_option
@click.option(
    "--at",
    "moment",
    type=as_of,
    metavar="VERSION|TIME",
    help="As the store knew it: at a version, a time, or a position '#123'.",
)
@click.option("--valid-at", type=an_instant, metavar="TIME", help="As it was in the world at a time.")
@app_option
@snapshots_option
@output_option()
def command(
    *, stream: str, url: str, moment: AsOf | None, valid_at: datetime | None, app: str | None, trusting: bool, output: str
) -> None:  # fmt: skip
    """See `help` above."""
    with reading(url) as store:
        loaded = States(store, stream, application(app), trusting=trusting).load(moment, valid_at)
    form = {"stream": stream, "version": loaded.version, "state": loaded.state}
    print_object(form, output, lambda: _table(stream, loaded))


def _table(stream: str, loaded: Loaded[Any]) -> None:
    from refold.cli.tables import print_json, print_line  # noqa: PLC0415 - rich is loaded when it is needed

    began = f", from the one saved at version {loaded.began}" if loaded.began else ""
    print_line((stream, "bold cyan"), (f"  version {loaded.version}, position {loaded.position}{began}", "dim"))
    print_json(loaded.state)
