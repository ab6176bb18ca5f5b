"""The JetStream stream under a store: made so that nothing in it can be changed or expire, and what it promises."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from refold.backends.nats.answering import Json, Rejected
from refold.backends.nats.identities import WINDOW
from refold.backends.nats.location import NatsLocation
from refold.backends.nats.log import Log
from refold.backends.nats.patience import Patience
from refold.backends.nats.subjects import Subjects
from refold.errors import NewerFormat, NotAStore, StoreReadOnly, StoreUnreachable, Unsupported
from refold.ports import Capabilities, Durability

FORMAT: Final = 1
LEAST: Final = (2, 12)
"""The first server that has atomic batches."""
SETTLES: Final = 5.0
"""Seconds for which a cluster may not know all its servers yet: it has just begun, or one of them has."""
_NO_STREAM: Final = 10059
_IN_USE: Final = 10058
_NO_PEERS: Final = 10005
_NOT_HERE: Final = 10039
"""The account of this user has no JetStream of its own."""
_FORMAT: Final = "refold.format"
_FACTS: Final[Mapping[str, object]] = {
    "retention": "limits", "max_age": 0, "max_msgs": -1, "max_bytes": -1, "max_msgs_per_subject": -1, "storage": "file",
    "deny_delete": True, "deny_purge": True, "allow_direct": True, "allow_atomic": True,
}  # fmt: skip
_SAID: Final = {
    "deny_delete": "events could be deleted",
    "deny_purge": "events could be purged",
    "max_age": "events expire",
}


async def prepare(log: Log, subjects: Subjects, location: NatsLocation) -> Json:
    """What the server says of the stream, which is made if it is not there.

    Raises:
        Unsupported: the server is too old, or cannot replicate that often.
        NotAStore, NewerFormat: something else has that name, or a newer Refold made it.
        StoreUnreachable: it is not there, and nothing may be made.
    """
    try:
        info = await log.api(f"STREAM.INFO.{location.name}", {})
    except Rejected as error:
        if error.code != _NO_STREAM:
            way = ": say with ?api_prefix= where this user may ask it" if error.code == _NOT_HERE else ""
            raise StoreUnreachable(f"JetStream says {error.text} ({error.code}){way}.") from error
        info = await _made(log, subjects, location)
    _check(info["config"], subjects, location)
    return info


async def _made(log: Log, subjects: Subjects, location: NatsLocation) -> Json:
    if location.read_only:
        raise StoreUnreachable(f"there is no store {location.name!r} at {location.shown}, and mode=ro makes none.")
    config: dict[str, object] = {
        **_FACTS,
        "name": location.name,
        "subjects": [subjects.all],
        "num_replicas": location.replicas,
        "discard": "new",
        "duplicate_window": WINDOW,
        "metadata": {_FORMAT: str(FORMAT)},
    }
    try:
        return await _placed(log, location, config)
    except StoreReadOnly as error:
        raise StoreReadOnly(
            f"there is no store {location.name!r} at {location.shown}, and this user may not make it: open it once as one who "
            "may. Nothing was written."
        ) from error
    except Rejected as error:
        if error.code == _IN_USE:  # another process made it meanwhile
            return await log.api(f"STREAM.INFO.{location.name}", {})
        raise Unsupported(
            f"the server makes no stream {location.name!r} with {location.replicas} replicas ({error.text}): Refold needs "
            f"nats-server {LEAST[0]}.{LEAST[1]} with JetStream, and as many servers in the cluster as ?replicas=."
        ) from error


async def _placed(log: Log, location: NatsLocation, config: dict[str, object]) -> Json:
    patience = Patience(min(location.busy_timeout, SETTLES))
    while True:
        try:
            return await log.api(f"STREAM.CREATE.{location.name}", config)
        except Rejected as error:
            if error.code != _NO_PEERS or patience.is_over:
                raise
            await patience.rest()


def _check(config: Mapping[str, Any], subjects: Subjects, location: NatsLocation) -> None:
    found = str(config.get("metadata", {}).get(_FORMAT, ""))
    if not found or config.get("subjects") != [subjects.all]:
        raise NotAStore(f"the JetStream stream {location.name!r} at {location.shown} is no store of Refold's.")
    if int(found) > FORMAT:
        raise NewerFormat(f"stream {location.name!r}", int(found), FORMAT)


def problems(config: Mapping[str, Any]) -> Iterator[str]:
    """What of the configuration would let facts be changed."""
    for setting, wanted in _FACTS.items():
        if (found := config.get(setting, 0)) != wanted:
            yield f"the stream has {setting} {found}, not {wanted}: {_SAID.get(setting, 'Refold relies on it')}"


def capabilities(config: Mapping[str, Any], location: NatsLocation) -> Capabilities:
    """What the store gives. Whether servers wait for the disk is not told, so it is believed only if the URL says so."""
    replicated = int(config["num_replicas"]) >= 3  # noqa: PLR2004 - a majority needs three
    level: Durability = "best-effort"
    if location.synced:
        level = "quorum-disk" if replicated else "disk"
    elif replicated:
        level = "quorum-memory"
    return Capabilities("nats", durability=level, sql=False, gapless=False, together=False)
