"""Many appends in one batch, as a copy makes them: each at its own time, all after one head or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID, uuid4, uuid5

import pytest
from tests.contract.test_nats import placed

from refold import Store
from refold._bridge.stepping import run_sync
from refold.backends.nats import batching
from refold.backends.nats.portal import BlockingNats, opened_blocking
from refold.errors import IdReused
from refold.messages import RawEvent
from refold.ports import EVERYTHING, Append, InStream, Matching, Selection, Write
from refold.query import Query
from refold.rows import NewRow


@pytest.fixture
def url(nats: str) -> Iterator[str]:
    for place in placed(nats.removeprefix("nats://")):
        yield place.url


@pytest.fixture
def backend(url: str) -> Iterator[BlockingNats]:
    backend = opened_blocking(url)
    yield backend
    run_sync(backend.close())


def an_append(stream: str, now: int, *ids: UUID, tag: str = "t") -> Append:
    rows = tuple([NewRow(id.bytes, "X", 1, b"{}", (tag,), None, "s", None, None, b"{}") for id in ids])
    return Append((Write(stream, rows),), now)


def ids(name: str, count: int) -> list[UUID]:
    return [uuid5(UUID(int=1), f"{name}{n}") for n in range(count)]


def held(backend: BlockingNats, selection: Selection) -> list[tuple[str, int, int]]:
    return [(row.stream, row.version, row.recorded_at) for row in run_sync(backend.read(selection))]


def test_each_append_of_a_batch_has_its_own_time_and_its_tags(backend: BlockingNats, url: str) -> None:
    one, two, three = ids("a", 3)
    appends = [an_append("a-1", 5, one), an_append("b-1", 5, two, tag="u"), an_append("a-1", 6, three)]

    head = run_sync(backend.append_in_turn(appends, 0))

    assert head == run_sync(backend.head())
    assert held(backend, Selection(EVERYTHING)) == [("a-1", 1, 5), ("b-1", 1, 5), ("a-1", 2, 6)]
    assert held(backend, Selection(Matching(Query.of(tags=["t"])))) == [("a-1", 1, 5), ("a-1", 2, 6)]
    assert held(backend, Selection(Matching(Query.of(tags=["u"])))) == [("b-1", 1, 5)]
    assert [row.version for row in run_sync(backend.find([three.bytes, two.bytes]))] == [1, 2]
    with Store.open(url, events=[RawEvent]) as store:
        assert [damages for _, damages in store.verify() if damages] == []


def test_more_than_one_batch_goes_on_from_the_one_before(
    backend: BlockingNats, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batching, "MESSAGES", 10)
    given = [an_append("a-1", n, id) for n, id in enumerate(ids("a", 25), 1)]

    head = run_sync(backend.append_in_turn(given, 0))

    assert held(backend, Selection(InStream("a-1"))) == [("a-1", n, n) for n in range(1, 26)]
    assert head == run_sync(backend.head())


def test_nothing_is_written_after_another_head(backend: BlockingNats) -> None:
    one, two, three = ids("a", 3)
    head = run_sync(backend.append_in_turn([an_append("a-1", 5, one)], 0))
    assert head is not None
    run_sync(backend.append(an_append("b-1", 5, two)))

    assert run_sync(backend.append_in_turn([an_append("a-1", 5, three)], head)) is None
    assert held(backend, Selection(EVERYTHING)) == [("a-1", 1, 5), ("b-1", 1, 5)]


def test_an_event_that_stands_there_is_not_written_again(backend: BlockingNats) -> None:
    check_refused(backend, fresh())


def test_an_event_that_the_server_has_forgotten_is_not_written_again_either(
    backend: BlockingNats, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batching, "ID", "Another-Header")  # so it knows no ids
    check_refused(backend, uuid4())


def check_refused(backend: BlockingNats, known: UUID) -> None:
    head = run_sync(backend.append_in_turn([an_append("a-1", 5, known)], 0))
    assert head is not None
    with pytest.raises(IdReused):
        run_sync(backend.append_in_turn([an_append("a-1", 6, *ids("a", 1), known)], head))
    assert held(backend, Selection(EVERYTHING)) == [("a-1", 1, 5)]


def fresh() -> UUID:
    with Store.open("memory://", events=[RawEvent]) as store:
        return store.append("a-1", [RawEvent("X", {})]).ids[0]
