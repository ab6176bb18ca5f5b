"""G20: a rebuilt read model is what the live one is, and the switch is atomic.

Lists of events are drawn; read models of four kinds take them in as they come, and are rebuilt while more are appended before
each single read. Live and rebuilt must be the same rows, and the fold of the log in plain Python. And new versions are built
by runners that are killed, beside readers who must see one state, whole, and never an earlier one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, cast

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from tests.faults.readmodels import EVENTS, PROJECTIONS, ROWS, Deposited, Rows, Withdrawn, contradictions
from tests.faults.rebuilds import rebuild_loop
from tests.faults.scripted import WAYS, NoWaiting, Way, first_wrong, rebuilt_with_a_failure
from tests.guarantees.conftest import NewUrl
from tests.guarantees.seeding import named, seeded
from tests.guarantees.telling import tell

from refold import Store
from refold.flows.projections.rebuilding import rebuild
from refold.ports import Backend, Selection

pytestmark = [pytest.mark.guarantee("G20")]
SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large)
NAMES = ("totals", "cards", "ledger", "buckets")

Batch: TypeAlias = Sequence[tuple[int, int]]
"""What one append brings: accounts, and amounts."""
BATCHES = st.lists(
    st.lists(st.tuples(st.integers(0, 3), st.integers(-50, 100)), min_size=1, max_size=6), min_size=1, max_size=8
)


class Growing:
    """A backend that has been appended to before each read."""

    def __init__(self, backend: Backend, store: Store, batches: list[Batch]) -> None:
        self._backend, self._store, self._batches = backend, store, batches

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    async def read(self, selection: Selection) -> Any:
        """When something came that nobody awaited."""
        if self._batches:
            append(self._store, self._batches.pop())
        return await self._backend.read(selection)


def append(store: Store, batch: Batch) -> None:
    for account, amount in batch:
        store.append(f"account-{account}", [Deposited(amount) if amount >= 0 else Withdrawn(-amount)])


def rows(store: Store) -> Mapping[str, Rows]:
    return {name: sorted(store.query(ROWS[name])) for name in NAMES}


def compare(url: str, live: Sequence[Batch], meanwhile: Sequence[Batch]) -> tuple[int, int]:
    """How many events there were at last, and how many of them came while something was rebuilt."""
    with Store.open(url, events=EVENTS) as store:
        for batch in live:
            append(store, batch)
            for name in NAMES[: 1 + len(batch) % len(NAMES)]:  # some are further than others
                store.catch_up(PROJECTIONS[name]())
        before, batches = store.head(), list(meanwhile)
        for name in NAMES:
            store.catch_up(PROJECTIONS[name]())
            store._engine.outside(lambda b: _rebuilt(b, store, batches, name))  # noqa: B023 - called at once
        for name in NAMES:
            store.catch_up(PROJECTIONS[name]())
        was, wrong = rows(store), contradictions(store, NAMES)
        for name in NAMES:
            store.model(PROJECTIONS[name]()).rebuild()
        assert (wrong, rows(store), contradictions(store, NAMES)) == ([], was, [])
        return store.head(), store.head() - before


async def _rebuilt(backend: Backend, store: Store, batches: list[Batch], name: str) -> None:
    growing = cast("Backend", Growing(backend, store, batches))
    await rebuild(growing, backend, store._runtime, NoWaiting(), PROJECTIONS[name](), None)


def emptied(url: str) -> str:
    """An empty store: the same database, without all that was in it; or another one in memory."""
    if not url.startswith("postgresql"):
        return "sqlite:///:memory:"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("drop schema if exists refold cascade; drop schema public cascade; create schema public")
    return url


def draw(new_url: NewUrl, lists: int) -> None:
    number, counts, url = seeded(), list[tuple[int, int]](), new_url()

    @seed(number)
    @settings(max_examples=lists, database=None, phases=[Phase.generate], suppress_health_check=SLOW)
    @given(BATCHES, BATCHES)
    def each(live: Sequence[Batch], meanwhile: Sequence[Batch]) -> None:
        counts.append(compare(emptied(url), live, meanwhile))

    each()
    events, meanwhile = (sum(each) for each in zip(*counts, strict=True))
    tell("G20", named(url), lists=len(counts), events=events, meanwhile=meanwhile, different=0, seed=number)
    assert len(counts) >= lists
    assert meanwhile > lists


@pytest.mark.parametrize(("new_url", "lists"), [("sqlite", 25), ("postgresql", 4)], indirect=["new_url"])
def test_rebuilt_while_appends_go_on_is_what_live_is(new_url: NewUrl, lists: int) -> None:
    draw(new_url, lists)


@pytest.mark.long
def test_a_thousand_times_rebuilt_while_appends_go_on_is_what_live_is(new_url: NewUrl) -> None:
    draw(new_url, 1_000)


def switch(url: str, versions: int, kills: int, *, effects: bool) -> None:
    number = seeded()
    rebuilt = rebuild_loop(url, versions, number, effects=effects, kills=kills)
    figures = {"versions": versions, "kills": rebuilt.kills, "before_the_switch": rebuilt.early, "reads": rebuilt.reads}
    tell("G20", named(url), **figures, effects=effects, states=rebuilt.states, halves=0, seed=number)
    assert rebuilt.early


@pytest.mark.parametrize("effects", [False, True], ids=["plain", "effects"])
def test_readers_see_whole_states_while_versions_are_built_by_killed_runners(url: str, effects: bool) -> None:
    switch(url, 1 + effects, 4, effects=effects)


@pytest.mark.long
@pytest.mark.parametrize("effects", [False, True], ids=["plain", "effects"])
def test_version_after_version_takes_its_place_whole(url: str, effects: bool) -> None:
    switch(url, 30, 7, effects=effects)


@pytest.mark.parametrize("way", WAYS)
def test_whichever_call_fails_the_new_version_takes_its_place_whole_on_sqlite(way: Way) -> None:
    found = [
        first_wrong(lambda at: rebuilt_with_a_failure(at, way, effects=effects))  # noqa: B023 - called at once
        for effects in (False, True)
    ]
    tell("G20", "sqlite", each_of_calls=sum(calls - 1 for calls, _ in found), fails=way, wrong=0)
    assert [wrong for _, wrong in found] == [[], []]
    assert min(calls for calls, _ in found) > 10
