"""What is told of a store, whatever its backend and its face."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from inspect import isawaitable
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from tests.telemetry.watchers import Told, WatchedStores, Watcher, context_of

from refold import NO_STREAM, AsyncStore, Conflict, NewEvent, RawEvent, Receipt, StreamWrite, compose
from refold.messages import Recorded
from refold.projection import Projection, Statement
from refold.testing import ManualClock
from refold.testing.contract.base import Contract, Face, Place, listed
from refold.testing.contract.projecting import seen
from refold.testing.contract.running import until
from refold.testing.contract.sample import (
    CourseDefined,
    Deposit,
    Deposited,
    Noted,
    Overdrawn,
    Withdraw,
    Withdrawn,
    accounts,
    courses,
)

LONG = 10.0
CANARY = "canary"


def sent(operation: str, stream: str, count: int, **more: object) -> dict[str, object]:
    """The attributes of a span that appended to one stream."""
    return {
        "messaging.system": "refold",
        "messaging.operation.name": operation,
        "messaging.operation.type": "send",
        "messaging.destination.name": stream,
        "messaging.destination.template": stream.partition("-")[0],
        "messaging.batch.message_count": count,
    } | {name.replace("_", "."): value for name, value in more.items()}


class Observed(Contract):
    """Spans and figures. A subclass named `Test...` gives the fixture `place`."""

    @pytest_asyncio.fixture
    async def stores(self, place: Place, face: Face) -> AsyncIterator[WatchedStores]:
        stores = WatchedStores(place, face)
        yield stores
        await stores.close()

    @pytest.fixture
    def watcher(self, stores: WatchedStores) -> Watcher:
        return stores.watcher

    # Appends and decisions ----------------------------------------------------

    async def test_an_append_is_a_span_under_that_of_its_caller(self, store: AsyncStore, watcher: Watcher) -> None:
        with watcher.request():
            receipt = await store.append("account-1", [Deposited(1), Deposited(2)])
        assert watcher.told() == [
            Told(
                "append account", "PRODUCER",
                sent("append", "account-1", 2, refold_version=2, refold_position=receipt.position), parent="request",
            )
        ]  # fmt: skip

    async def test_its_events_carry_the_context_of_its_span(self, store: AsyncStore, watcher: Watcher) -> None:
        await store.context(branch="north").append("account-1", [Deposited(1)])
        span = context_of(watcher.finished[0])
        (event,) = await listed(store.read("account-1"))
        assert event.metadata.free == {
            "branch": "north", "traceparent": f"00-{span.trace_id:032x}-{span.span_id:016x}-{span.trace_flags:02x}",
        }  # fmt: skip

    async def test_a_context_that_an_event_brings_along_is_kept(self, store: AsyncStore) -> None:
        await store.append("account-1", [NewEvent(Deposited(1), metadata={"traceparent": "mine"}), Deposited(2)])
        first, second = await listed(store.read("account-1"))
        assert (first.metadata.free["traceparent"], second.metadata.free["traceparent"][:3]) == ("mine", "00-")

    async def test_a_repeat_under_another_span_is_a_repeat(self, store: AsyncStore, watcher: Watcher) -> None:
        event = NewEvent(Deposited(1), id=uuid4())
        first = await store.append("account-1", [event])
        assert await store.append("account-1", [event]) == Receipt(1, first.positions, first.ids, repeated=True)
        assert [span.attributes.get("refold.repeated") for span in watcher.told("append")] == [None, True]
        (stored,) = await listed(store.read("account-1"))
        assert stored.metadata.free["traceparent"][36:52] == f"{context_of(watcher.finished[0]).span_id:016x}"

    async def test_an_append_to_several_streams_is_one_span(self, store: AsyncStore, watcher: Watcher) -> None:
        await store.append_all([StreamWrite("account-1", [Deposited(1)]), StreamWrite("note-1", [Noted("x")])])
        (span,) = watcher.told()
        assert (span.name, span.attributes["messaging.batch.message_count"]) == ("append", 2)
        assert "messaging.destination.name" not in span.attributes

    async def test_a_decision_is_one_span_with_its_command(self, store: AsyncStore, watcher: Watcher) -> None:
        with watcher.request():
            await store.bind(accounts).handle("1", Deposit(5), idempotency_key="k")
        code = "refold.testing.contract.sample.account"
        assert watcher.told() == [
            Told(
                "decide account", "PRODUCER",
                sent("decide", "account-1", 1, code_function_name=code, refold_command="account.deposit", refold_version=1,
                     refold_position=1),
                parent="request",
            )
        ]  # fmt: skip
        watcher.forget()
        await store.bind(accounts).handle("1", Deposit(0))
        assert watcher.told() == [
            Told("decide account", "PRODUCER", sent("decide", "account-1", 0, code_function_name=code))
        ]

    async def test_a_decision_within_tags_is_named_for_where_it_led(self, store: AsyncStore, watcher: Watcher) -> None:
        await store.decide(
            compose(courses.tagged("course:c")), lambda course: [CourseDefined("c", 2)], stream="course-c"
        )
        (span,) = watcher.told()
        assert (span.name, span.attributes["messaging.destination.name"]) == ("decide course", "course-c")

    async def test_what_is_refused_fails_its_span_without_its_words(self, store: AsyncStore, watcher: Watcher) -> None:
        await store.append("account-1", [Deposited(1)])
        watcher.forget()
        with pytest.raises(Conflict):
            await store.append("account-1", [Deposited(1)], expected=NO_STREAM)
        with pytest.raises(Overdrawn):
            await store.bind(accounts).handle("1", Withdraw(100))
        conflict, overdrawn = watcher.told()
        assert (conflict.error, conflict.attributes["error.type"], conflict.attributes["refold.conflicts"]) == (
            "refold.errors.Conflict", "refold.errors.Conflict", 1,
        )  # fmt: skip
        assert (overdrawn.error, overdrawn.attributes["messaging.batch.message_count"]) == (
            "refold.testing.contract.sample.Overdrawn", 0,
        )  # fmt: skip
        assert [span.events for span in watcher.finished] == [(), ()]

    async def test_appends_that_share_a_commit_have_a_span_each(self, store: AsyncStore, watcher: Watcher) -> None:
        async def one(i: int) -> None:
            with watcher.request(f"request {i}"):
                await store.append(f"account-{i}", [Deposited(i)])

        await asyncio.gather(*(one(i) for i in range(50)))
        assert sorted((s.parent, s.attributes["messaging.destination.name"]) for s in watcher.told()) == sorted(
            (f"request {i}", f"account-{i}") for i in range(50)
        )
        spans = {f"{context_of(span).span_id:016x}": span for span in watcher.finished}
        carried = {str(e.stream): e.metadata.free["traceparent"][36:52] for e in await listed(store.read())}
        assert {
            stream: (spans[id].attributes or {})["messaging.destination.name"] for stream, id in carried.items()
        } == {f"account-{i}": f"account-{i}" for i in range(50)}

    async def test_a_tenant_is_named(self, store: AsyncStore, watcher: Watcher) -> None:
        tenant: Any = await store.tenant("acme")
        appended = tenant.append("account-1", [Deposited(1)])
        if isawaitable(appended):  # the tenant of a blocking store blocks
            await appended
        assert [span.attributes["refold.tenant"] for span in watcher.told("append")] == ["acme"]

    # Reads --------------------------------------------------------------------

    async def test_each_page_that_is_read_is_a_span(self, store: AsyncStore, place: Place, watcher: Watcher) -> None:
        for _ in range(2):
            await store.append("account-1", [Deposited(1)] * 600)
        watcher.forget()
        with watcher.request():
            await listed(store.read("account-1"))
            await listed(store.read(limit=1))
            await store.bind(accounts).state("1", as_of=3)
        system = watcher.told()[0].attributes["db.system.name"]
        assert str(system) in {"memory", "sqlite", "postgresql"}
        assert watcher.told() == [
            Told(
                f"{name}{' account' if of else ''}", "CLIENT",
                {"db.system.name": system, "db.operation.name": name, "db.response.returned_rows": rows}
                | ({"db.collection.name": "account"} if of else {}),
                parent="request",
            )
            for name, of, rows in [("read", True, 1000), ("read", True, 200), ("read", False, 1), ("load", True, 3)]
        ]  # fmt: skip


class ObservedModels(Observed):
    """Of places that have read models, beside that."""

    async def test_a_query_is_a_span_without_its_text(self, store: AsyncStore, watcher: Watcher) -> None:
        await store.query("select :secret", secret="canary")  # noqa: S106 - a bird
        assert [(s.name, s.attributes["db.response.returned_rows"]) for s in watcher.told()] == [("query", 1)]

    async def test_an_append_with_a_read_model_inline_keeps_its_place(
        self, store: AsyncStore, watcher: Watcher
    ) -> None:
        inline = await store.inline(seen())
        watcher.forget()
        with watcher.request():
            await inline.append("account-1", [Deposited(1)])
        (append,) = watcher.told("append")
        assert (append.parent, append.attributes["messaging.batch.message_count"]) == ("request", 1)
        assert watcher.told("process") == []

    # Steps of projections -----------------------------------------------------

    async def test_a_step_is_linked_to_the_spans_that_its_events_come_from(
        self, store: AsyncStore, watcher: Watcher
    ) -> None:
        for i in range(2):
            await store.append(f"account-{i}", [Deposited(1), Deposited(2)])
        await store.append("note-1", [Noted("it has no handler")])
        async with store.run(seen()):
            await store.wait_for("seen", 5, timeout=LONG)
        assert watcher.told("process") == [
            Told(
                "process seen", "CONSUMER",
                {
                    "messaging.system": "refold", "messaging.operation.name": "process", "messaging.operation.type": "process",
                    "messaging.consumer.group.name": "seen", "messaging.destination.partition.id": "0",
                    "messaging.batch.message_count": 4, "refold.projection.build": 1, "refold.position": 5,
                },
                links=("append account", "append account"),
            )
        ]  # fmt: skip
        step = next(span for span in watcher.finished if span.name == "process seen")
        appends = [span for span in watcher.finished if span.name == "append account"]
        assert [link.context.span_id for link in step.links] == [context_of(span).span_id for span in appends]

    async def test_what_is_no_trace_context_is_no_link(self, store: AsyncStore, watcher: Watcher) -> None:
        for text in ("", "mine", "00-0-0-00", f"00-{'0' * 32}-{'0' * 16}-01"):
            await store.append("account-1", [NewEvent(Deposited(1), metadata={"traceparent": text})])
        async with store.run(seen()):
            await store.wait_for("seen", 4, timeout=LONG)
        assert [step.links for step in watcher.told("process")] == [()]

    async def test_a_handler_that_fails_fails_its_steps_and_parking_is_told(
        self, store: AsyncStore, watcher: Watcher
    ) -> None:
        async with store.run(broken(), lease=timedelta(seconds=1)):
            await store.append("account-1", [Deposited(1)])
            await until(store, lambda status: status.position == 1)
        *failed, parked = watcher.told("process")
        assert {(s.error, s.attributes["messaging.batch.message_count"], s.links) for s in failed} == {
            ("ZeroDivisionError", 0, ("append account",))
        }
        assert (parked.error, parked.attributes["refold.parked"], parked.links) == ("parked", 1, ("append account",))
        figures = watcher.figures()
        assert [value for _, value in figures["refold.projection.parked"]] == [1]

    async def test_whoever_observes_steps_is_still_told(self, store: AsyncStore, watcher: Watcher) -> None:
        await store.append("account-1", [Deposited(1)])
        steps: list[int] = []
        async with store.run(seen(), observe=lambda step: steps.append(step.applied)):
            await store.wait_for("seen", 1, timeout=LONG)
        assert (steps, len(watcher.told("process"))) == ([1], 1)

    # Figures ------------------------------------------------------------------

    async def test_appends_and_steps_are_counted(self, store: AsyncStore, watcher: Watcher) -> None:
        await store.append("account-1", [Deposited(1), Deposited(2)])
        await store.bind(accounts).handle("1", Withdraw(1))
        with pytest.raises(Conflict):
            await store.append("account-1", [Withdrawn(1)], expected=NO_STREAM)
        async with store.run(seen()):
            await store.wait_for("seen", 3, timeout=LONG)
        figures = await asyncio.to_thread(watcher.figures)
        append, decide, conflict = (
            {
                "messaging.system": "refold", "messaging.operation.name": name, "messaging.operation.type": "send",
                "messaging.destination.template": "account",
            } | ({"error.type": error} if error else {})
            for name, error in [("append", ""), ("decide", ""), ("append", "refold.errors.Conflict")]
        )  # fmt: skip
        process = {
            "messaging.system": "refold", "messaging.operation.name": "process", "messaging.consumer.group.name": "seen",
        }  # fmt: skip
        assert figures == {
            "messaging.client.operation.duration": [(append, 1), (decide, 1), (conflict, 1)],
            "messaging.client.sent.messages": [(append, 2), (decide, 1), (conflict, 1)],
            "refold.append.conflicts": [(append, 1)],
            "messaging.process.duration": [(process, 1)],
            "messaging.client.consumed.messages": [(process, 2)],
            "refold.projection.parked": [(process, 0)],
            **{
                f"refold.projection.{name}": [(model("seen"), value)]
                for name, value in [
                    ("position", 3),
                    ("lag", 0),
                    ("oldest_waiting", 0),
                    ("stuck", 0),
                    ("dead_letters", 0),
                ]
            },
        }

    async def test_gauges_show_how_far_behind_a_projection_is(self, stores: WatchedStores, watcher: Watcher) -> None:
        clock = ManualClock()
        store = await stores.open(clock=clock)
        await store.append("account-1", [Deposited(1)])
        await store.catch_up(seen())
        await store.append("account-1", [Deposited(2), Deposited(3)])
        await store.model(seen()).pause("a look at the rest")
        clock.move(timedelta(seconds=40))
        watcher.forget()
        figures = await asyncio.to_thread(watcher.figures)
        shown = {name[18:]: points for name, points in figures.items() if name.startswith("refold.projection.")}
        assert shown == {
            name: [(model("seen"), value)]
            for name, value in [("position", 1), ("lag", 2), ("oldest_waiting", 40), ("stuck", 1), ("dead_letters", 0)]
        }
        assert watcher.told() == []  # to look is no call of the application's
        await store.model(seen()).resume()
        await store.catch_up(seen())
        again = await asyncio.to_thread(watcher.figures)
        assert again["refold.projection.lag"] == [(model("seen"), 0)]
        assert again["refold.projection.oldest_waiting"] == [(model("seen"), 0)]

    async def test_a_closed_store_has_no_gauges(self, store: AsyncStore, watcher: Watcher) -> None:
        await store.catch_up(seen())
        await store.close()
        assert not [name for name in await asyncio.to_thread(watcher.figures) if name.startswith("refold.projection")]

    # What is never told -------------------------------------------------------

    async def test_nothing_from_inside_an_event_or_an_error_is_told(self, store: AsyncStore, watcher: Watcher) -> None:
        secret = store.context(actor=CANARY, note=CANARY)
        await secret.append(
            "note-1", [Noted(CANARY), NewEvent(RawEvent("x", {CANARY: CANARY}), tags=frozenset({CANARY}))]
        )
        await secret.append("account-1", [Deposited(1, CANARY)])
        with pytest.raises(ValueError, match=CANARY):
            await secret.bind(accounts).do("1", refusing)
        await store.query("select 'canary', :it", it=CANARY)
        async with secret.run(broken(), lease=timedelta(seconds=1)):
            await until(store, lambda status: status.position == 3)
        everything = await asyncio.to_thread(watcher.everything)
        assert "process broken" in everything
        assert CANARY not in everything


def refusing(_: int) -> Iterator[Deposited]:
    """A decision that says too much."""
    raise ValueError(f"{CANARY} is not allowed")


def broken() -> Projection:
    """A projection whose handler fails, and tells what on."""
    projection = Projection("broken", schema="create table broken (a integer)")

    @projection.on(Deposited)
    def fail(event: Recorded[Deposited]) -> Iterator[Statement]:
        raise ZeroDivisionError(f"{CANARY} {event.data}")

    return projection


def model(name: str) -> dict[str, object]:
    """The attributes of a read model's figures."""
    return {"refold.projection.name": name, "refold.projection.version": 1, "refold.projection.role": "active"}
