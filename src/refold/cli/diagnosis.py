"""Diagnosis: what may be wrong with an installation, a store, and what works on it; each with the way out."""

from __future__ import annotations

import os
import platform
import shlex
import shutil
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import apsw
from msgspec import Struct

from refold._version import __version__
from refold.app import App
from refold.backends.sqlite import Location
from refold.cli.consent import counted
from refold.cli.models import Models
from refold.cli.running_processes import named, names_in
from refold.errors import RefoldError, Unsupported
from refold.flows.processes.consuming import CONSUMER
from refold.flows.projections.status import ProjectionStatus
from refold.keys.opening import apart
from refold.opening import migration
from refold.store import Store

EXTRAS: Final = {
    "postgres": "psycopg", "nats": "nats", "sqlalchemy": "sqlalchemy", "django": "django", "arrow": "pyarrow",
    "telemetry": "opentelemetry", "webhooks": "httpx", "faststream": "faststream", "fastapi": "fastapi",
    "litestar": "litestar", "schedules": "cronsim", "http": "uvicorn", "grpc": "grpc", "studio": "jinja2", "mcp": "mcp",
    "testing": "hypothesis", "forget": "cryptography", "cluster": "patroni",
}  # fmt: skip
"""Each extra, and the module that is there if it is installed."""
_AHEAD: Final = timedelta(seconds=1)
_ROOM: Final = 256_000_000
_SHOWN: Final = 1_000


class Check(Struct, frozen=True):
    """One thing that was looked at: `ok`, or a finding with the way out."""

    check: str
    verdict: str
    what: str
    do: str = ""

    @property
    def is_finding(self) -> bool:
        """Whether somebody has to do something."""
        return self.verdict == "finding"


def ok(check: str, what: str) -> Check:
    """Nothing has to be done."""
    return Check(check, "ok", what)


def finding(check: str, what: str, do: str) -> Check:
    """Something has to be done."""
    return Check(check, "finding", what, do)


def of_installation() -> Iterator[Check]:
    """The versions, and which extras there are."""
    python, sqlite = platform.python_version(), apsw.sqlite_lib_version()
    yield ok("versions", f"Refold {__version__}, Python {python}, SQLite {sqlite}")
    there = [extra for extra, module in EXTRAS.items() if find_spec(module) is not None]
    yield ok("extras", f"{', '.join(there) or 'none'} installed")


def of_store(url: str, into: str | None, app: App | None) -> Iterator[Check]:
    """The store, from whether it can be reached to whether all that works on it gets on."""
    yield from _format(url)
    yield from _keys(url)
    try:
        with Models.reading(url, into) as models:
            yield from _of_opened(url, models, app)
    except RefoldError as error:
        yield finding("store", str(error), "Put that right, and ask again.")


def _keys(url: str) -> Iterator[Check]:
    """Whether a file of keys is one that every user of this machine can read."""
    _, keys = apart(url)
    file = Path((keys or "").removeprefix("sqlite:///"))
    if os.name == "nt" or not keys or not keys.startswith("sqlite:///") or not file.is_file():
        return
    if (mode := file.stat().st_mode & 0o777) & 0o007:
        what = f"every user of this machine may read the keys in {str(file)!r}, whose mode is {mode:04o}"
        yield finding("keys", what, f"`chmod 600 {shlex.quote(str(file))}`.")
    else:
        yield ok("keys", f"{str(file)!r} is not for every user of this machine")


def _of_opened(url: str, models: Models, app: App | None) -> Iterator[Check]:
    yield ok("store", f"it answers, its head is at #{models.store.head()}")
    yield _durability(models.store)
    yield _clock(models.store)
    yield from _room(url)
    yield from _read_models(models, app)
    yield from _processes(models.store)


def _format(url: str) -> Iterator[Check]:
    if not url.startswith(("sqlite:", "postgresql:", "postgres:")):
        return
    try:
        plan = migration(url)
    except RefoldError:
        return  # whoever opens it says it better
    if plan.found and plan.is_needed:
        what = f"the store has format {plan.found}, this Refold's newest is {plan.newest}"
        yield finding("format", what, "Look at it with `refold migrate --check`, then `refold migrate`.")
    elif plan.found:
        yield ok("format", f"{plan.found}, the newest")


def _durability(store: Store) -> Check:
    if store.durability != "best-effort":
        return ok("durability", f"{store.durability}: what is acknowledged is kept")
    what = "best-effort: the newest events may be lost when the power fails"
    return finding("durability", what, "Leave durability=best-effort out of the URL, or turn fsync on in the server.")


def _clock(store: Store) -> Check:
    now = datetime.now(UTC)
    newest = next(iter(store.read(direction="backward", limit=1, journals=True)), None)
    if newest is None or newest.recorded_at <= now + _AHEAD:
        return ok("clock", f"it is {now:%Y-%m-%d %H:%M:%S} UTC, no event is from later")
    ahead = (newest.recorded_at - now).total_seconds()
    what = f"the newest event was recorded {ahead:,.0f} s ahead of this machine's clock"
    return finding(
        "clock", what, "Let the machines that write keep the same time, by NTP; times stand still until then."
    )


def _room(url: str) -> Iterator[Check]:
    url, _ = apart(url)
    if not url.startswith("sqlite:") or Location.parse(url).in_memory:
        return
    file = Path(Location.parse(url).path).absolute()
    size = sum(each.stat().st_size for each in file.parent.glob(f"{file.name}*") if each.is_file())
    free = shutil.disk_usage(file.parent).free
    what = f"{free / 1e6:,.0f} MB free beside {size / 1e6:,.1f} MB of the store"
    if free >= max(_ROOM, size):
        yield ok("disk", what)
    else:
        yield finding("disk", what, "Make room: appends fail when none is left, and a copy of the store has none now.")


def _read_models(models: Models, app: App | None) -> Iterator[Check]:
    try:
        there = _active(models.statuses())
        at_home = _active(models.store.projections()) if models.into is not None else []
    except Unsupported:  # a store without SQL, and without a database beside it
        return
    wrong = [*_standing([*there, *at_home]), *_unbuilt({each.name: each for each in there}, app)]
    yield from wrong or [ok("read models", f"{len(there) + len(at_home)} here, none stuck")]


def _active(statuses: Sequence[ProjectionStatus]) -> list[ProjectionStatus]:
    return [each for each in statuses if each.role == "active" and not each.name.startswith(CONSUMER)]


def _standing(statuses: Sequence[ProjectionStatus]) -> Iterator[Check]:
    for each in statuses:
        if each.state != "running":
            what = f"{each.name} is {each.state}: {each.reason}"
            yield finding("read models", what, f"`refold projections resume {each.name}` when the reason is gone.")
        elif each.is_stuck:
            what = f"{each.name} is {counted(each.lag, 'event')} behind, and nobody works on it"
            yield finding("read models", what, "Start `refold run`, or look at the log of the one that runs.")
        if each.dead_letters:
            what = f"{each.name} could not apply {counted(each.dead_letters, 'event')} of {counted(each.parked_keys, 'key')}"
            yield finding("read models", what, f"`refold dead-letters list {each.name}` tells why.")


def _unbuilt(active: dict[str, ProjectionStatus], app: App | None) -> Iterator[Check]:
    if app is None:
        return
    for name, projection in app.projections.items():
        if name not in active:
            yield finding("read models", f"{name} was never begun", "Start `refold run`.")
        elif active[name].version != projection.version:
            what = f"{name} is built by version {active[name].version}, the application has {projection.version}"
            yield finding("read models", what, f"`refold projections rebuild {name}`, or `refold run`.")


def _processes(store: Store) -> Iterator[Check]:
    try:
        names = names_in(store)
    except Unsupported:
        return
    stuck = {name: named(store, name).list(stuck=True, limit=_SHOWN) for name in names}
    for name, instances in stuck.items():
        if instances:
            many = f"{len(instances):,}{' or more' if len(instances) == _SHOWN else ''}"
            what = f"{many} of {name} stuck, {instances[0].id} first: {instances[0].stuck or instances[0].reason}"
            yield finding("processes", what, f"`refold processes list --stuck --process {name}` lists them.")
    if not any(stuck.values()):
        yield ok("processes", f"{len(names)} here, none stuck")
