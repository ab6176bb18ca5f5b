"""Servers with the configuration of the page on production, and users and certificates for them."""

from __future__ import annotations

import http.client
import json
import re
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import nkeys  # type: ignore[import-untyped] # pyright: ignore[reportMissingTypeStubs]
import pytest
import trustme
from tests.docs.pages import DOCS, Page

from refold.messages import RawEvent
from refold.testing.nats import NatsNode
from refold.testing.ports import free_ports

PASSWORDS: Final = {name: f"{name} p@ss/w%rd?" for name in ("owner", "writer", "reader", "admin")}
PAGE: Final = Page(DOCS / "how-to" / "run-jetstream-in-production.md")
STARTS_IN: Final = 20.0


def paid(*cents: int) -> list[RawEvent]:
    """Payments."""
    return [RawEvent("Paid", {"cents": one}) for one in cents]


def know_the_passwords(patch: pytest.MonkeyPatch) -> None:
    """Servers that are started from now on have them from the environment, as the page says."""
    for user, password in PASSWORDS.items():
        patch.setenv(f"{user.upper()}_PASSWORD", f'"{password}"')


class Node(NatsNode):
    """A server with a configuration of its own, which says over HTTP how it is."""

    def __init__(self, place: Path, name: str, port: int, http: int, configuration: str) -> None:
        self.name, self.port, self._http = name, port, http
        self._place, self._process = place, None
        (place / "server.conf").write_text(configuration)

    def asked(self, path: str) -> tuple[int, Any]:
        """The status and the body that it answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self._http, timeout=5)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def healthy(self, path: str = "/healthz") -> None:
        """Wait until it says that it is."""
        deadline = time.monotonic() + STARTS_IN
        while time.monotonic() < deadline:
            with suppress(OSError, http.client.HTTPException):
                if self.asked(path)[0] == http.client.OK:
                    return
            time.sleep(0.02)
        raise AssertionError((self._place / "log").read_text(errors="replace")[-2_000:])


@dataclass(frozen=True)
class Production:
    """The servers of the page, and the certificate of who vouches for them."""

    nodes: Sequence[Node]
    ca: Path
    issuer: trustme.CA

    def url(self, user: str, settings: str = "", *, password: str | None = None) -> str:
        """What a user opens the store with."""
        hosts = ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)
        api = "" if user == "owner" else "&api_prefix=orders.API"
        word = quote(PASSWORDS.get(user, "") if password is None else password, safe="")
        return f"nats://{user}:{word}@{hosts}/orders?tls=first&tlsca={self.ca}&sync=always{api}{settings}"


def of_the_page() -> Mapping[str, str]:
    """The files that the page shows."""
    return {block.words[1]: block.text for block in PAGE.blocks if block.kind == "conf"}


@contextmanager
def production(
    place: Path, zones: Sequence[str] = ("a", "b", "c"), changes: Mapping[str, str] | None = None
) -> Generator[Production]:
    """The servers of the page, in these zones, at ports of this machine and with their files in one place.

    `changes` are made in what the page shows. One server alone is no cluster.
    """
    count = len(zones)
    files = {name: _changed(text, changes or {}) for name, text in of_the_page().items()}
    if count == 1:
        files["accounts.conf"] = files["accounts.conf"].replace("750GB", "250GB")
        files["nats-server.conf"] = re.sub(r"cluster \{.*?\n\}\n", "", files["nats-server.conf"], flags=re.DOTALL)
    ports, ways, https = (free_ports(3 * count)[part::3] for part in range(3))
    ca = trustme.CA()
    ca.cert_pem.write_to_path(place / "ca.crt")
    with ExitStack() as stack:
        nodes = [
            Node(
                _made(place / f"n{n + 1}", ca, files["accounts.conf"]),
                f"n{n + 1}",
                ports[n],
                https[n],
                _moved(files["nats-server.conf"], place, n, zones[n], (ports[n], https[n], ways)),
            )
            for n in range(count)
        ]
        for node in nodes:
            stack.callback(node.kill)
            node.start()
        for node in nodes:
            node.healthy("/healthz?js-enabled-only=true")
        yield Production(nodes, place / "ca.crt", ca)


def _made(place: Path, ca: trustme.CA, accounts: str) -> Path:
    place.mkdir()
    (place / "accounts.conf").write_text(accounts)
    certificate(ca, place / "server", "127.0.0.1")
    return place


def certificate(ca: trustme.CA, place: Path, *names: str) -> None:
    """Write `place`.crt and `place`.key."""
    made = ca.issue_cert(*names)
    made.private_key_pem.write_to_path(place.with_suffix(".key"))
    made.cert_chain_pems[0].write_to_path(place.with_suffix(".crt"))


def _changed(text: str, changes: Mapping[str, str]) -> str:
    for old, new in changes.items():
        text = text.replace(old, new)
    return text


def _moved(text: str, place: Path, number: int, zone: str, ports: tuple[int, int, Sequence[int]]) -> str:
    """The configuration of the page with this machine's ports and places, and the name and zone of one server."""
    client, http, ways = ports
    routes = ", ".join(f'"nats-route://127.0.0.1:{port}"' for port in ways)
    moved = _changed(
        text,
        {
            "server_name: n1": f"server_name: n{number + 1}",
            "zone:a": f"zone:{zone}",
            "0.0.0.0:4222": f"127.0.0.1:{client}",
            "127.0.0.1:8222": f"127.0.0.1:{http}",
            "0.0.0.0:6222": f"127.0.0.1:{ways[number]}",
            "/etc/nats/ca.crt": str(place / "ca.crt"),
            "/etc/nats": str(place / f"n{number + 1}"),
            "/var/lib/nats": str(place / f"n{number + 1}" / "js"),
        },
    )
    return re.sub(r"routes: \[.*\]", f"routes: [{routes}]", moved)


NO_LIMITS: Final = {
    **dict.fromkeys(
        ("subs", "data", "payload", "imports", "exports", "conn", "leaf", "mem_storage", "disk_storage"), -1
    ),
    **dict.fromkeys(("streams", "consumer"), -1),
    "wildcards": True,
}


class Signer:
    """A key of NATS's, and what it signs: `kind` is the letter that its public part begins with."""

    def __init__(self, kind: bytes) -> None:
        kinds = {b"O": nkeys.PREFIX_BYTE_OPERATOR, b"A": nkeys.PREFIX_BYTE_ACCOUNT, b"U": nkeys.PREFIX_BYTE_USER}
        self.seed = bytes(nkeys.encode_seed(secrets.token_bytes(32), kinds[kind]))
        self._key = nkeys.from_seed(bytearray(self.seed))
        self.public = bytes(self._key.public_key).decode()

    def vouches(self, other: Signer, name: str, what: Mapping[str, object]) -> str:
        """A JWT that says of another key what it may."""
        claims = {
            "jti": secrets.token_hex(8),
            "iat": int(time.time()),
            "iss": self.public,
            "sub": other.public,
            "name": name,
            "nats": {**what, "version": 2},
        }
        signed = b".".join(
            _base64(json.dumps(part).encode()) for part in ({"typ": "JWT", "alg": "ed25519-nkey"}, claims)
        )
        return b".".join([signed, _base64(self._key.sign(signed))]).decode()


def _base64(text: bytes) -> bytes:
    return urlsafe_b64encode(text).rstrip(b"=")
