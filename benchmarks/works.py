"""The table of works: what is measured on each store, beside what, and the marks."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import ModuleType

from benchmarks import raw_nats, raw_postgres, raw_sqlite
from benchmarks import refold_runs as by_refold
from benchmarks.marks import ACKNOWLEDGED, Mark
from benchmarks.measuring import Run
from benchmarks.neighbours import Neighbour
from benchmarks.peers.asking import Asked
from benchmarks.rounds import View, Work, each, quantile, rate

FEW: Mapping[str, Collection[str]] = {"jetstream-r1": {"W1", "W2b/64", "W5m", "W6"}, "jetstream-r3": {"W1", "W2b/64"}}


def works(store: str, peers: Sequence[Neighbour], *, few: bool = False) -> Sequence[Work]:
    """The rows of a store, in the order of the table; `few`: where servers take their time to be filled, only some."""
    if store.startswith("jetstream"):
        rows = _on_jetstream(store)
        return [row for row in rows if row.name in FEW[store]] if few else rows
    raw: ModuleType = raw_sqlite if store == "sqlite" else raw_postgres
    quick = store == "sqlite"

    def work(  # noqa: PLR0917 - a row of the table
        name: str, what: str, between: tuple[int, int], views: Sequence[View], refold: Run, raw: Run | None = None,
        asked: Asked | None = None, beside: Run | None = None, verdict: str = ACKNOWLEDGED,
    ) -> Work:  # fmt: skip
        asking = (
            [] if asked is None else [peer for peer in peers if store in peer.way.stores and asked.work in peer.works]
        )
        runs = {peer.way.name: peer.doing(asked) for peer in asking if asked is not None}
        return Work(name, what, store, *between, views, refold, raw, beside, runs, verdict)

    # Streams grow while commands are measured, so there are not many: a faster store would be given longer streams.
    return (
        work("W1", "one event a commit, 1 client", (50, 20_000),
             [rate("commits", Mark(0.85 if quick else 0.7, "raw")), quantile(50), quantile(99)],
             by_refold.one_by_one, raw.one_by_one, _asked("append")),
        work("W2", "the same, 8 writers", (64, 20_000), [rate("commits", Mark(3, "python peer")), quantile(99, beside_raw=False)],
             by_refold.by_threads(8), raw.one_by_one if quick else raw_postgres.by_threads(8), _asked("append", clients=8)),
        work("W2b/64", "the same, 64 awaiting writers", (128, 40_000),
             [rate("commits", Mark(10, "raw") if quick else Mark(5, "peer")), quantile(50, beside_raw=False), quantile(99, beside_raw=False)],
             by_refold.by_tasks(64, watched=not quick), raw.one_by_one, None if quick else _asked("append", clients=64)),
        work("W2b/512", "the same, 512 awaiting writers", (1_024, 80_000),
             [rate("commits", *([Mark(15, "raw")] if quick else [])), quantile(99, beside_raw=False)], by_refold.by_tasks(512), raw.one_by_one),
        work("W3", "100 events a commit", (5, 1_000), [rate("events", Mark(0.7, "raw"))],
             by_refold.hundreds, raw.hundreds, _asked("append", batch=100)),
        work("W4", "state of a stream of 1,000 events", (3, 1_000),
             [each(Mark(0.9, "raw"), Mark(9, "python peer"))], by_refold.load, raw.load, _asked("load"), verdict="the state was right each time"),
        work("W5", "project events into a table, with checkpoints", (300, 100_000),
             [rate("events", Mark(0.6, "raw"), Mark(20, "python peer"))],
             by_refold.project, raw.project, _asked("project"),
             verdict="the sums are exact, and the audit finds no event missed or doubled"),
        work("W5m", "read all events", (3_000, 100_000), [rate("events", Mark(0.5, "raw"))],
             by_refold.read, raw.read, _asked("read"), verdict="every event was read, in order"),
        work("W5s", "the same, by a subscription", (3_000, 100_000), [rate("events", Mark(0.5, "raw"))],
             by_refold.subscribe, raw.read, verdict="every event was read, in order"),
        work("W6", "whole command, stream of 20 events, 1 client", (50, 1_000),
             [rate("commands", Mark(0.8, "raw")), quantile(50), quantile(99)], by_refold.commands(), raw.commands, _asked("command")),
        work("W6/64", "the same, 64 awaiting clients", (128, 2_000),
             [rate("commands", Mark(10, "beside", "1 client")), quantile(50, beside_raw=False), quantile(99, beside_raw=False)],
             by_refold.commands(64), None, _asked("command", clients=64), by_refold.commands()),
        work("W6c", "the same, 1 client that keeps states", (50, 1_000), [rate("commands"), quantile(50)],
             by_refold.commands(cache=1_000), raw.commands),
        work("W6c/64", "the same, 64 awaiting clients that keep states", (128, 2_000), [rate("commands", Mark(10, "beside", "1 client"))],
             by_refold.commands(64, cache=1_000), None, None, by_refold.commands()),
        work("hot/16", "the same, 16 awaiting clients on one stream", (32, 1_000),
             [rate("commands", Mark(0.5, "beside", "16 on 50 streams"), Mark(20, "peer")), quantile(99, beside_raw=False)],
             by_refold.commands(16, hot=True), None, _asked("command", clients=16, hot=True), by_refold.commands(16)),
        work("hotc/16", "the same, the state kept", (32, 1_000), [rate("commands", Mark(20, "peer"))],
             by_refold.commands(16, hot=True, cache=1_000), None, _asked("command", clients=16, hot=True)),
    )  # fmt: skip


def _on_jetstream(store: str) -> Sequence[Work]:
    """Fewer, without marks and without peers: nobody else keeps events there."""

    def work(
        name: str, what: str, between: tuple[int, int], views: Sequence[View], refold: Run, raw: Run | None
    ) -> Work:
        return Work(name, what, store, *between, views, refold, raw)

    return (
        work("W1", "one event an append, 1 client", (50, 5_000), [rate("commits"), quantile(50), quantile(99)],
             by_refold.one_by_one, raw_nats.one_by_one),
        work("W2b/64", "the same, 64 awaiting writers", (128, 20_000), [rate("commits"), quantile(50), quantile(99)],
             by_refold.by_tasks(64), raw_nats.by_tasks(64)),
        work("W3", "100 events an append", (5, 500), [rate("events")], by_refold.hundreds, raw_nats.hundreds),
        work("W4", "state of a stream of 1,000 events", (3, 500), [each()], by_refold.load, raw_nats.load),
        work("W5m", "read all events", (1_000, 50_000), [rate("events")], by_refold.read, raw_nats.read),
        work("W6", "whole command, stream of 20 events, 1 client", (50, 1_000), [rate("commands"), quantile(50)],
             by_refold.commands(), raw_nats.commands),
        work("W6/64", "the same, 64 awaiting clients", (128, 2_000), [rate("commands")], by_refold.commands(64), None),
    )  # fmt: skip


def _asked(work: str, *, clients: int = 1, batch: int = 1, hot: bool = False) -> Asked:
    return Asked(work, "", 0, clients, batch, hot)
