"""`refold serve`: the store over HTTP, or over gRPC, or both."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Coroutine
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from refold.cli.apps import application
from refold.cli.models import existing
from refold.cli.options import app_option_for, archive_given, store_option
from refold.secrecy import shown

if TYPE_CHECKING:
    from refold.app import App
    from refold.http.quotas import Quotas
    from refold.http.serving import Beside, Place

_ADDRESS = re.compile(r"(?:(?P<host>[^:\[\]]*|\[[0-9a-fA-F:]+\]):)?(?P<port>[0-9]{1,5})")
_HIGHEST = 65_535
_HTTP = ("127.0.0.1", 8137)


def an_address(text: str) -> tuple[str, int]:
    """The value of an option that is a host and a port."""
    found = _ADDRESS.fullmatch(text)
    if found is None or int(found["port"]) > _HIGHEST:
        raise click.BadParameter(f"{text!r} is no address: write 127.0.0.1:8137, or just a port.")
    return (found["host"] or "127.0.0.1").strip("[]"), int(found["port"])


@click.command(
    "serve",
    short_help="Serve the store over HTTP or gRPC.",
    help="""Serve the store over HTTP until Ctrl-C: append, read, follow, decide, steer; /openapi.json tells it all.

    With --grpc, clients of UmaDB work against it: append on conditions, read, subscribe. Give --http as well for both.

    As long as the store has no token, it is served to this machine alone, and everybody on it may do everything. With tokens,
    see `refold token`, each request needs one. Other machines are served with a certificate, or with --behind-proxy, where
    something before it encrypts. It needs pip install 'refold[http]', or 'refold[grpc]'.

    \b
    Examples:
      refold serve --store shop.db --http 127.0.0.1:0
      refold serve --store shop.db --app shop:app --http 127.0.0.1:0
      refold serve --store shop.db --http 127.0.0.1:0 --cors https://shop.example --page 100
      refold serve --store shop.db --grpc 127.0.0.1:0
      refold serve --store shop.db --grpc 127.0.0.1:0 --http 127.0.0.1:0
    """,
)
@store_option
@app_option_for("commands, states and read models to serve", without="Without one, every event is as it comes.")
@click.option(
    "--http", "address", type=an_address, show_default="127.0.0.1:8137 without --grpc", metavar="[HOST:]PORT",
    help="Where to listen; port 0 is any that is free.",
)  # fmt: skip
@click.option("--grpc", "calls", type=an_address, metavar="[HOST:]PORT", help="Where to listen for clients of UmaDB.")
@click.option(
    "--cors", multiple=True, metavar="ORIGIN", help="Pages of this origin may ask; may be given several times."
)
@click.option(
    "--certificate", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="PEM, to encrypt with."
)
@click.option("--key", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Its private key, PEM.")
@click.option(
    "--behind-proxy", is_flag=True, help="A proxy on another machine encrypts: serve others without a certificate."
)
@click.option(
    "--page", type=click.IntRange(1), default=1_000, show_default=True, metavar="N", help="Events of a page at most."
)
@click.option(
    "--body", type=click.IntRange(1), default=16 << 20, show_default=True, metavar="BYTES", help="Of a request at most."
)
@click.option(
    "--rate",
    type=click.FloatRange(1),
    default=500.0,
    show_default=True,
    metavar="N",
    help="Requests a second of one token.",
)
@click.option(
    "--subscriptions",
    type=click.IntRange(1),
    default=100,
    show_default=True,
    metavar="N",
    help="Open at once, of one token.",
)
def command(
    *, url: str, app: str | None, address: tuple[str, int] | None, calls: tuple[str, int] | None, cors: tuple[str, ...],
    certificate: Path | None, key: Path | None, behind_proxy: bool, page: int, body: int, rate: float, subscriptions: int,
) -> None:  # fmt: skip
    """See `help` above."""
    from refold.http import Quotas  # noqa: PLC0415 - an extra
    from refold.http.serving import Place, nothing_beside, serve  # noqa: PLC0415

    if (certificate is None) != (key is None):
        raise click.UsageError("--certificate and --key belong together.")
    parts = application(app)
    existing(url).close()
    quotas = Quotas(body, page, rate, round(2 * rate), subscriptions)
    over_grpc = None if calls is None else Place(*calls, certificate, key, behind_proxy)
    if over_grpc is not None and address is None:
        run(_only_grpc(url, over_grpc, parts, quotas))
        return
    place = Place(*(address or _HTTP), certificate, key, behind_proxy)
    beside = nothing_beside if over_grpc is None else _over_grpc(url, over_grpc, parts, quotas)
    run(
        serve(
            url, place, app=parts, archive=archive_given(), cors=cors, quotas=quotas, beside=beside,
            told=lambda at: _tell(f"serving {shown(url)} at {at}{_guarded(place)}. Ctrl-C stops it."),
        )
    )  # fmt: skip


def _only_grpc(url: str, place: Place, app: App | None, quotas: Quotas) -> Coroutine[Any, Any, None]:
    from refold.rpc import serve  # noqa: PLC0415 - an extra

    told = partial(_tell_grpc, url, place)
    return serve(url, place, app=app, archive=archive_given(), quotas=quotas, told=told)


def _over_grpc(url: str, place: Place, app: App | None, quotas: Quotas) -> Beside:
    from refold.rpc import listening  # noqa: PLC0415 - an extra

    return partial(listening, place=place, app=app, quotas=quotas, told=partial(_tell_grpc, url, place))


def _tell_grpc(url: str, place: Place, at: str) -> None:
    _tell(f"serving {shown(url)} over gRPC at {at}{_guarded(place)}. Ctrl-C stops it.")


def run(serving: Coroutine[Any, Any, None]) -> None:
    """Until it is over."""
    asyncio.run(serving)


def _guarded(place: Place) -> str:
    return "" if place.is_local or place.certificate else ", not encrypted"


def _tell(what: str) -> None:
    sys.stderr.write(f"refold: {what}\n")
    sys.stderr.flush()
