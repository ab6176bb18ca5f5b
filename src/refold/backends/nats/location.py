"""Where a store on JetStream is and how it is to be used: the URL, read."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import inf
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from refold.backends.nats.securing import Tls
from refold.errors import UsageError
from refold.secrecy import parts_of
from refold.weakness import check_password, hosts_of, is_local

SETTINGS: Final = (
    "replicas=1|3|5, sync=always|unknown, busy_timeout=SECONDS, mode=rw|ro, credentials=FILE, tls=no|yes|first, "
    "tlsca=FILE, tlscert=FILE, tlskey=FILE and api_prefix=SUBJECT"
)
_OURS: Final = {
    "replicas": "", "sync": "unknown", "busy_timeout": "30", "mode": "rw", "credentials": "",
    "tls": "", "tlsca": "", "tlscert": "", "tlskey": "", "api_prefix": "$JS.API",
}  # fmt: skip
_PREFIX: Final = re.compile(r"[^\s.*>]+(\.[^\s.*>]+)*")
_NAME: Final = re.compile(r"[A-Za-z0-9]+([_-][A-Za-z0-9]+)*")  # no two in a row: so tenants of tenants stay apart
_LONGEST: Final = 60


@dataclass(frozen=True, slots=True)
class NatsLocation:
    """Servers, and the name of the JetStream stream that holds the store.

    `replicas`: on how many servers a new store is kept; one that is there stays as it is. `synced`: the operator's word
    that every server has `sync_interval: always`, which no server tells. `busy_timeout`: for how many seconds an outcome
    is sought. `read_only`: nothing is made or written. `credentials`: a file of NATS's, with a JWT and the key of a user.
    `api`: before the subjects that JetStream is asked at.
    """

    servers: tuple[str, ...] = field(repr=False)
    name: str
    replicas: int = 1
    synced: bool = False
    busy_timeout: float = 30.0
    read_only: bool = False
    credentials: str | None = None
    tls: Tls | None = None
    api: str = "$JS.API"

    def tenant(self, name: str) -> NatsLocation:
        """A JetStream stream of its own for a tenant: `NAME__acme`, or a digest where its name makes no stream's."""
        own = f"{self.name}__{name}"
        if not _NAME.fullmatch(name) or len(own) > 2 * _LONGEST:
            digest = hashlib.blake2b(f"{self.name} {name}".encode(), digest_size=15).hexdigest()
            own = f"{self.name[:_LONGEST]}___{digest}"
        return replace(self, name=own)

    @property
    def shown(self) -> str:
        """The servers, as an error may show them: without user and password."""
        return ", ".join(server.rpartition("@")[2].rpartition("//")[2] for server in self.servers)

    @staticmethod
    def parse(url: str) -> NatsLocation:
        """The location that a URL names.

        Raises:
            UsageError: it names no server or no store, or a setting has a value that is not known.
        """
        parts = parts_of(url)
        name = parts.path.removeprefix("/")
        given = dict(parse_qsl(parts.query, keep_blank_values=True))
        ours = _OURS | given
        user, _, hosts = parts.netloc.rpartition("@")
        if not hosts or not _NAME.fullmatch(name) or len(name) > _LONGEST:
            raise UsageError(
                "a store on JetStream is named nats://HOST[,HOST...]/NAME; NAME has letters and digits, and single - or _ "
                f"between them, {_LONGEST} at most. Not {name!r} at {hosts or 'no host'}."
            )
        tls = _tls(ours)
        scheme, before = "tls" if tls else "nats", f"{user}@" if user else ""
        servers = tuple(f"{scheme}://{before}{host}" for host in hosts.split(","))
        replicas, busy_timeout = _number(ours["replicas"] or _default(servers)), _number(ours["busy_timeout"])
        known = ours["mode"] in {"rw", "ro"} and ours["sync"] in {"always", "unknown"} and _is_whole(ours)
        if given.keys() - _OURS or not known or replicas not in {1, 3, 5} or not 0 < busy_timeout < inf:
            raise UsageError(f"{_unknown(given)}: write {SETTINGS}.")
        check_password(parts.username, parts.password, hosts_of(parts.netloc))
        return NatsLocation(
            servers,
            name,
            int(replicas),
            ours["sync"] == "always",
            busy_timeout,
            ours["mode"] == "ro",
            ours["credentials"] or None,
            tls,
            ours["api_prefix"],
        )


def location_at(url: str) -> NatsLocation:
    """The location that a URL names, of a store that is to be opened.

    Raises:
        UsageError: as `NatsLocation.parse`; or it is to be written to on other machines, and nobody says what survives there:
            a server that was not told otherwise waits for its disk every two minutes, and none tells.
    """
    location, parts = NatsLocation.parse(url), urlsplit(url)
    said = "sync" in dict(parse_qsl(parts.query, keep_blank_values=True))
    if not said and not location.read_only and not all(map(is_local, hosts_of(parts.netloc))):
        raise UsageError(
            "the URL does not say whether the servers wait for their disks, and by default they do not: write ?sync=always if "
            "each has sync_interval: always, or ?sync=unknown if the newest events may be lost when they lose power together."
        )
    return location


def _unknown(given: Mapping[str, str]) -> str:
    """What is wrong with settings: of those that are not ours, the names alone, as one may be a password."""
    if others := ", ".join(repr(name) for name in given if name not in _OURS):
        return f"the store's URL has settings that are not known, {others}"
    return f"the settings {dict(given)} of the store's URL are not all known"


def _tls(ours: Mapping[str, str]) -> Tls | None:
    """Files for TLS mean TLS."""
    ca, cert, key = (ours[name] or None for name in ("tlsca", "tlscert", "tlskey"))
    return Tls(ours["tls"] == "first", ca, cert, key) if ours["tls"] in {"yes", "first"} or ca or cert else None


def _is_whole(ours: Mapping[str, str]) -> bool:
    """Whether what secures the connection makes sense together."""
    files = ours["tlsca"] or ours["tlscert"] or ours["tlskey"]
    known = ours["tls"] in {"", "yes", "first"} or (ours["tls"] == "no" and not files)
    return known and not (ours["tlskey"] and not ours["tlscert"]) and bool(_PREFIX.fullmatch(ours["api_prefix"]))


def _default(servers: tuple[str, ...]) -> str:
    return "3" if len(servers) >= 3 else "1"  # noqa: PLR2004 - a majority needs three


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
