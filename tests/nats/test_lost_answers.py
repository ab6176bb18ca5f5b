"""An answer that is lost, or comes while it is looked for: what is told is what happened."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from uuid import uuid4

import pytest

from refold import ANY, NO_STREAM, AppendCondition, Conflict, NewEvent, OutcomeUnknown, Query, Store
from refold.backends.nats.answering import Ack, Rejected, Silent
from refold.backends.nats.identities import Identities
from refold.backends.nats.log import Log
from refold.backends.nats.stored import Found, Message
from refold.backends.nats.wire import Wire
from refold.messages import RawEvent
from refold.query import ExpectedVersion
from refold.testing.clock import ManualClock

pytestmark = [pytest.mark.guarantee("G4")]


@pytest.fixture
def store(nats: str) -> Iterator[Store]:
    """A store on one server, whose clients give up long before an id is old."""
    with Store.open(f"{nats}/l{uuid4().hex}?busy_timeout=3", events=[RawEvent]) as store:
        yield store


def losing(monkeypatch: pytest.MonkeyPatch) -> list[Ack]:
    """The first answer to events is lost, once they are written."""
    write, acks = Wire.write, list[Ack]()

    async def deaf(wire: Wire, messages: Sequence[Message]) -> Ack:
        ack = await write(wire, messages)
        if ".e." in messages[0].subject and not acks:
            acks.append(ack)
            raise Silent("lost")
        return ack

    monkeypatch.setattr(Wire, "write", deaf)
    return acks


@pytest.mark.parametrize("expected", [NO_STREAM, ANY])
@pytest.mark.parametrize("tags", [[], ["t"]], ids=["alone", "batch"])
def test_an_append_whose_answer_is_lost_is_found(
    store: Store, monkeypatch: pytest.MonkeyPatch, expected: ExpectedVersion, tags: list[str]
) -> None:
    acks = losing(monkeypatch)
    receipt = store.append("a-1", [NewEvent(RawEvent("X", {}), tags=frozenset(tags))], expected=expected)
    assert [int(p) + len(tags) for p in receipt.positions] == [acks[0].sequence]
    assert (receipt.version, receipt.repeated, len(list(store.read()))) == (1, True, 1)


def test_what_may_have_been_written_is_not_told_as_not_written_when_no_space_is_left(
    nats: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, said = Wire.write, list[Exception]()

    async def full(wire: Wire, messages: Sequence[Message]) -> Ack:
        if not said and ".e." in messages[0].subject:
            said.append(Silent("lost"))
            await write(wire, messages)
        elif said:
            said.append(Rejected(10023, "insufficient resources"))
        return await write(wire, messages) if not said else _raised(said[-1])

    with Store.open(f"{nats}/l{uuid4().hex}?busy_timeout=0.5", events=[RawEvent]) as store:
        monkeypatch.setattr(Wire, "write", full)
        with pytest.raises(OutcomeUnknown):
            store.append("a-1", [RawEvent("X", {})])
        assert len(list(store.read())) == 1


def _raised(error: Exception) -> Ack:
    raise error


def test_events_that_come_to_stand_while_their_ids_are_looked_for_are_no_others(
    nats: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    look, looks = Identities._look_for, list[int]()

    async def late(ids: Identities, wanted: Sequence[bytes], *, asked: bool) -> dict[int, Found]:
        found = await look(ids, wanted, asked=asked)
        looks.append(len(found))
        return dict([*found.items()][len(looks) == 1 :])  # the first time, one was looked for too early

    with Store.open(f"{nats}/l{uuid4().hex}", events=[RawEvent], clock=ManualClock()) as store:
        new = [NewEvent(RawEvent("X", {"n": n}), id=uuid4()) for n in range(2)]
        first = store.append("a-1", new)
        monkeypatch.setattr(Identities, "_look_for", late)
        again = store.append("a-1", new)
    assert (again.positions, again.repeated, looks) == (first.positions, True, [2, 2])


@pytest.mark.parametrize(("stream", "failures"), [("a-1", 1), ("b-1", 2)])
def test_a_condition_on_everything_holds_from_the_first_message_on(
    nats: str, monkeypatch: pytest.MonkeyPatch, stream: str, failures: int
) -> None:
    url = f"{nats}/l{uuid4().hex}?busy_timeout=3"
    last, asked = Log.last, list[str]()

    async def early(log: Log, subject: str) -> Found | None:
        if subject.endswith(".>") and not asked:  # as it was before the first message
            asked.append(subject)
            return None
        return await last(log, subject)

    with Store.open(url, events=[RawEvent]) as store:
        store.append("b-1", [RawEvent("X", {})])
        monkeypatch.setattr(Log, "last", early)
        with pytest.raises(Conflict) as caught:
            store.append(stream, [RawEvent("X", {})], expected=0, condition=AppendCondition(Query.all(), 0))
    assert (len(caught.value.failures), len(asked)) == (failures, 1)
