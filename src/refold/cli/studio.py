"""`refold studio`: the store as a web page."""

from __future__ import annotations

import sys

import click

from refold.cli import serve as serving
from refold.cli.apps import application
from refold.cli.models import existing
from refold.cli.options import app_option_for, archive_given, store_option
from refold.secrecy import shown

_PORT = 8140
_LOCAL = ("127.0.0.1", "::1", "localhost")


def _here(host: str) -> str:
    """The value of an option that is an address which only this machine reaches."""
    if host not in _LOCAL:
        raise click.BadParameter(
            f"{host!r} is not one of {', '.join(_LOCAL)}, and the Studio is served to this machine alone. From another one, "
            f"come by `ssh -L {_PORT}:127.0.0.1:{_PORT} THIS-MACHINE`. Or mount refold.studio behind a login of yours."
        )
    return host


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
    "--host", type=_here, default="127.0.0.1", show_default=True, metavar="HOST",
    help="An address of this machine: 127.0.0.1, ::1 or localhost.",
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
    kind, _, rest = shown(url).partition("://")
    return f"{kind.partition('+')[0]} · {rest.partition('?')[0].rpartition('/')[2] or 'store'}"


def _tell(link: str) -> None:
    sys.stderr.write(f"refold: open {link} (it works once). Ctrl-C stops it.\n")
    sys.stderr.flush()
