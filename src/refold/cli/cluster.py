"""`refold cluster`: servers that stand in for each other, on this machine, for trying out."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click

from refold.cli.exits import Exit
from refold.cli.saying import say, write
from refold.cli.stopping import stopping
from refold.errors import StoreError, StoreUnreachable

_AGREES_IN: Final = 30.0
"""Seconds within which nodes that have started agree on who leads."""
_LOOK: Final = 0.2


@click.group(
    "cluster",
    short_help="Try out a cluster on this machine.",
    help="""Try out a cluster on this machine: three servers that stand in for each other, made of Python packages alone.

    \b
    Examples:
      refold cluster dev --engine nats
      refold cluster dev --engine nats --nodes 5
    """,
    epilog="Every command has examples: refold cluster COMMAND --help.",
)
def command() -> None:
    """See `help` above."""


@command.command(
    "dev",
    short_help="Start one, and stop it with Ctrl-C.",
    help="""Start a cluster on this machine, print the URL of a store on it, and stop it with Ctrl-C; or run a command beside it,
    which finds the URL in REFOLD_STORE, and stop it when that ends.

    postgres is PostgreSQL kept by Patroni and etcd, quorum-synchronous; nats is nats-server with JetStream. Kill a node to see
    another take over: the process ids are told. It is no place for data that matter: all nodes share this machine's disk, they
    listen on 127.0.0.1 and ask for no password. It needs pip install 'refold[cluster]'.

    \b
    Examples:
      refold cluster dev --engine postgres
      refold cluster dev --engine nats --dir cluster -- refold stats
    """,
)
@click.option("--engine", type=click.Choice(["nats", "postgres"]), required=True, help="What it is made of.")
@click.option("--nodes", type=click.IntRange(3, 9), default=3, show_default=True, metavar="N", help="How many.")
@click.option(
    "--dir", "place", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
    help="Keep their data here, for the next time; else they go with the cluster.",
)  # fmt: skip
@click.argument("beside", nargs=-1, type=click.UNPROCESSED, metavar="[-- COMMAND ...]")
@click.pass_context
def dev(ctx: click.Context, engine: str, nodes: int, place: Path | None, beside: tuple[str, ...]) -> None:
    """See `help` above."""
    if place is not None:
        place = place.absolute()
        place.mkdir(parents=True, exist_ok=True)
    _say(f"starting {nodes} nodes ...")
    with (_nats if engine == "nats" else _postgres)(nodes, place) as (url, pids):
        kept = "their data are removed at the end" if place is None else f"their data stay in {place}"
        _say(f"{nodes} nodes of {engine} stand, {kept}. Their processes: {', '.join(pids)}.")
        ctx.exit(_run(beside, url) if beside else _wait(url))


def _wait(url: str) -> int:
    with stopping(lambda: _say("stopping; once more ends it at once.")) as stop:
        write(url + "\n")
        sys.stdout.flush()
        _say("Ctrl-C stops it.")
        stop.wait()
    return Exit.OK


def _run(beside: Sequence[str], url: str) -> int:
    try:
        return subprocess.run(beside, env={**os.environ, "REFOLD_STORE": url}, check=False).returncode  # noqa: S603 - what the user wrote
    except OSError as error:
        raise click.UsageError(f"{beside[0]!r} cannot be run: {error.strerror}.") from error


@contextmanager
def _postgres(nodes: int, place: Path | None) -> Generator[tuple[str, Sequence[str]]]:
    from refold.testing.patroni import patroni_cluster  # noqa: PLC0415 - who starts none need not wait for it

    with patroni_cluster(nodes, place) as cluster:
        yield cluster.url(), [f"{node.name} {' '.join(map(str, node.pids()))}" for node in cluster.nodes]


@contextmanager
def _nats(nodes: int, place: Path | None) -> Generator[tuple[str, Sequence[str]]]:
    from refold.testing.nats import nats_cluster  # noqa: PLC0415

    with nats_cluster(nodes, durable=True, place=place) as cluster:
        hosts = ",".join(node.url.removeprefix("nats://") for node in cluster)
        url = f"nats://{hosts}/dev"
        _agree(url)
        yield url, [f"{node.name} {node.pid}" for node in cluster]


def _agree(url: str) -> None:
    """Wait until they have a leader, which making a store needs."""
    from refold.store import Store  # noqa: PLC0415

    deadline = time.monotonic() + _AGREES_IN
    while True:
        try:
            return Store.open(url).close()
        except StoreError as error:
            if time.monotonic() > deadline:
                raise StoreUnreachable(
                    f"the nodes did not agree on a leader within {_AGREES_IN:g} s: {error}"
                ) from error
        time.sleep(_LOOK)


def _say(what: str) -> None:
    say(f"refold: {what}", err=True)
    sys.stderr.flush()
