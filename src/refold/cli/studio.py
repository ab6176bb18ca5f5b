"""`refold studio`: the store as a web page."""

from __future__ import annotations

import re
import sys

import click

from refold.cli import serve as serving
from refold.cli.apps import application
from refold.cli.models import existing
from refold.cli.options import app_option_for, archive_given, store_option

_PORT = 8140


@click.command(
    "studio",
    short_help="Look at the store in a browser.",
    help="""Show the store as a web page until Ctrl-C: its events, live, states at any version, traces, read models, processes.

    The page is served to this machine alone. The link that is printed lets one browser in, once. Nothing can be changed by it,
    unless --operator says in whose name: each change then takes a reason, and is kept in the audit. It needs
    pip install 'refold[studio]'.

    \b
    Examples:
      refold studio --store shop.db --port 0
      refold studio --store shop.db --app shop:app --port 0
      refold studio --store shop.db --app shop:app --operator ada --port 0
    """,
)
@store_option
@app_option_for("folds, read models, processes and commands to show", without="Without one, data of events are merged.")
@click.option(
    "--host", type=click.Choice(["127.0.0.1", "::1", "localhost"]), default="127.0.0.1", show_default=True,
    help="An address of this machine.",
)  # fmt: skip
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=_PORT,
    show_default=True,
    metavar="N",
    help="0 is any that is free.",
)
@click.option("--operator", metavar="NAME", help="Let the page steer and give commands, in this name.")
def command(*, url: str, app: str | None, host: str, port: int, operator: str | None) -> None:
    """See `help` above."""
    from refold.http.serving import Place  # noqa: PLC0415 - an extra
    from refold.studio.serving import serve  # noqa: PLC0415

    parts = application(app)
    existing(url).close()
    serving.run(
        serve(
            url, Place(host, port), app=parts, archive=archive_given(), operator=operator, name=name_of(url), told=_tell
        )
    )


def name_of(url: str) -> str:
    """What the page calls a store: its kind, and its file or database."""
    kind, _, rest = url.partition("://")
    return f"{kind.partition('+')[0]} · {re.split(r'[/@]', rest.partition('?')[0])[-1] or 'store'}"


def _tell(link: str) -> None:
    sys.stderr.write(f"refold: open {link} (it works once). Ctrl-C stops it.\n")
    sys.stderr.flush()
