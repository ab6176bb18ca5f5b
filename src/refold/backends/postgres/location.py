"""Where a PostgreSQL store is and how it is to be used: the URL, read."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from urllib.parse import SplitResult, parse_qsl, quote, urlencode

from refold.errors import UsageError
from refold.secrecy import parts_of
from refold.weakness import check_password, hosts_of

_OURS = {"schema": "refold", "pool_size": "10", "busy_timeout": "", "mode": "rw", "pooler": "none"}
SETTINGS = "schema=NAME, pool_size=N, busy_timeout=SECONDS, mode=rw|ro, pooler=none|transaction, and those of libpq"
_TENANT = re.compile(r"[a-z0-9]+(_[a-z0-9]+)*")  # single underscores, within: so tenants of tenants stay apart
_BUSY, _BUSY_OF_SEVERAL = 30.0, 60.0  # as long as another server may take to take over, and as long again
_LONGEST = 63  # what is longer, PostgreSQL cuts off
_SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,29}")


@dataclass(frozen=True, slots=True)
class PostgresLocation:
    """A database, and the schema in it that holds the store.

    `url` is what libpq is given; it may hold a password, so no `repr` shows it. `busy_timeout`: how many seconds a statement may
    take and a connection be waited for.
    `several`: there are several servers, of which one writes at a time. `read_only`: nothing is made or written.
    `pooled`: behind a PgBouncer in transaction mode, which allows neither prepared statements nor session settings.
    `apart`: whether read models live in that schema, too.
    """

    url: str = field(repr=False)
    schema: str = "refold"
    pool_size: int = 10
    busy_timeout: float = 30.0
    read_only: bool = False
    pooled: bool = False
    apart: bool = False
    several: bool = False

    def tenant(self, name: str) -> PostgresLocation:
        """A schema of its own for a tenant: `refold__acme`, or a digest where its name makes no schema's."""
        schema = f"{self.schema}__{name}"
        if not _TENANT.fullmatch(name) or len(schema) > _LONGEST:
            digest = hashlib.blake2b(f"{self.schema} {name}".encode(), digest_size=15).hexdigest()
            schema = f"{self.schema[:30]}___{digest}"
        return replace(self, schema=schema, apart=True)

    def models(self) -> Sequence[tuple[str, Sequence[str]]]:
        """What to run so that read models are found: a tenant's live in its schema, others where the role's search path says."""
        return [(f'set local search_path to "{self.schema}"', ())] if self.apart else []

    @staticmethod
    def parse(url: str) -> PostgresLocation:
        """The location that a URL names.

        Raises:
            UsageError: one of our settings has a value that is not known; or the URL cannot be read for sure, or has a password
                that everybody would try.
        """
        parts = parts_of(url)
        pairs = parse_qsl(parts.query, keep_blank_values=True)
        ours = _OURS | {name: value for name, value in pairs if name in _OURS}
        _check_password(parts, dict(pairs))
        theirs = {name: value for name, value in pairs if name not in _OURS}
        several = _has_several(parts, theirs)
        if several:
            theirs = {"target_session_attrs": "prefer-standby" if ours["mode"] == "ro" else "read-write"} | theirs
        try:
            pool_size = int(ours["pool_size"])
            busy_timeout = float(ours["busy_timeout"] or (_BUSY_OF_SEVERAL if several else _BUSY))
        except ValueError:
            pool_size, busy_timeout = 0, 0.0
        known = ours["mode"] in {"rw", "ro"} and ours["pooler"] in {"none", "transaction"}
        if not known or not _SCHEMA.fullmatch(ours["schema"]) or pool_size < 1 or not 0 < busy_timeout < inf:
            raise UsageError(f"the settings {ours} of the store's URL are not all known: write {SETTINGS}.")
        query = urlencode(theirs, quote_via=quote)  # libpq knows no +
        libpq = f"{parts.scheme}://{parts.netloc}{parts.path}{query and '?'}{query}"  # with its //, even without a host
        reads, pooled = ours["mode"] == "ro", ours["pooler"] == "transaction"
        return PostgresLocation(libpq, ours["schema"], pool_size, busy_timeout, reads, pooled, several=several)


def _has_several(parts: SplitResult, theirs: Mapping[str, str]) -> bool:
    """Whether libpq has more than one server to choose from."""
    return "," in parts.netloc.rpartition("@")[2] or "," in theirs.get("host", "") or "," in theirs.get("hostaddr", "")


def _check_password(parts: SplitResult, settings: Mapping[str, str]) -> None:
    """User, password and hosts may stand among the settings, too."""
    hosts = (*hosts_of(parts.netloc), *(settings.get(name, "") for name in ("host", "hostaddr")))
    password = settings.get("password", parts.password)
    check_password(settings.get("user", parts.username), password, ",".join(hosts).split(","))
