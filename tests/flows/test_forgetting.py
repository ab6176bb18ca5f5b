"""Forgetting beside loads and commands that began before: what they folded is neither kept nor saved."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from msgspec.structs import replace

from refold import ANY, Process, Snapshots, Store
from refold._bridge.stepping import run_sync
from refold.clock import SystemClock
from refold.codec import Codec
from refold.flows import forgotten as forgotten_at
from refold.flows.append import append
from refold.flows.forgetting import Forgotten, forget
from refold.flows.load import load
from refold.flows.prepare import Runtime
from refold.flows.processes import known as known_module
from refold.flows.processes.known import Known as InHand
from refold.flows.snapshotting import afterwards, snapshot, with_shortcuts
from refold.keys.opening import sealing_at
from refold.keys.sealing import SECRET_SIZE
from refold.keys.sqlite import KeyFile
from refold.messages import Context, Recorded
from refold.opening import open_blocking
from refold.ports import InStream, Own, Selection
from refold.process import Effect
from refold.testing.contract.forgetting import ANN, BOB, EVENTS, Came, Known, Labelled, Registered, guests, labels

KNOWN: Known = (("ann", "Ann Lee"), ("bob", "Bob Ray"))
GONE: Known = (("ann", None), ("bob", "Bob Ray"))


@pytest.fixture(params=["beside the events", "apart from the events"])
def backend(request: pytest.FixtureRequest) -> Iterator[Any]:
    found: Any = open_blocking("sqlite:///:memory:")
    if request.param == "apart from the events":  # as far as the flows know
        found.capabilities = replace(found.capabilities, together=False)
    yield found
    run_sync(found.close())


@pytest.fixture
def knows(backend: Any) -> Runtime:
    """Two guests are known, and states of them are kept and saved."""
    runtime = Runtime(Codec(EVENTS, sealing=sealing_at("sqlite:///:memory:")), SystemClock())
    run_sync(append(backend, runtime, "guests-1", [ANN, BOB], expected=ANY, condition=None, context=Context()))
    return with_shortcuts(runtime, guests, Snapshots(every=1), 4)


def forgotten(backend: Any, runtime: Runtime) -> Forgotten:
    return run_sync(forget(backend, runtime, "guest:ann", Context()))


def saved(backend: Any) -> list[str]:
    rows = run_sync(backend.query(Own("select state from {refold}snapshots", {})))
    return [bytes(state).decode() for (state,) in rows]


def test_what_ends_after_somebody_was_forgotten_keeps_nothing_of_before(
    backend: Any, knows: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = run_sync(load(backend, knows, guests, "1"))
    forgotten(backend, knows)
    keep = afterwards(knows, guests, "1", loaded)
    assert (loaded.state, keep is None) == (KNOWN, False)
    if keep is not None:
        with monkeypatch.context() as patched:
            patched.setattr(backend, "work", None)  # nor is it written for a moment
            run_sync(keep(backend))
    assert saved(backend) == []
    assert run_sync(load(backend, knows, guests, "1")).state == GONE


@pytest.mark.parametrize("is_saved", [False, True], ids=["just before it is saved", "just after it was saved"])
def test_a_state_of_somebody_who_is_forgotten_while_it_is_saved_does_not_stay(
    backend: Any, knows: Runtime, monkeypatch: pytest.MonkeyPatch, is_saved: bool
) -> None:
    if backend.capabilities.together and not is_saved:
        pytest.skip("it is looked and saved in one transaction")
    keep = afterwards(knows, guests, "1", run_sync(load(backend, knows, guests, "1")))
    work, name = (backend.within, "within") if backend.capabilities.together else (backend.work, "work")

    async def meanwhile(given: Any) -> Any:
        monkeypatch.setattr(backend, name, work)
        done = await work(given) if is_saved else None
        forgotten(backend, knows)
        return done if is_saved else await work(given)

    monkeypatch.setattr(backend, name, meanwhile)
    if keep is not None:
        run_sync(keep(backend))
    assert saved(backend) == []


def test_a_state_that_is_saved_by_hand_is_folded_anew_if_somebody_is_forgotten_meanwhile(
    backend: Any, knows: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    payloads = backend.payloads

    async def meanwhile(*given: Any) -> Any:
        monkeypatch.setattr(backend, "payloads", payloads)
        page = await payloads(*given)
        forgotten(backend, knows)
        return page

    monkeypatch.setattr(backend, "payloads", meanwhile)
    assert run_sync(snapshot(backend, replace(knows, shortcuts={}), guests, "1")) == 2
    assert saved(backend) == ['[["ann",null],["bob","Bob Ray"]]']


def test_what_is_written_to_another_stream_until_the_key_is_gone_is_dropped_too(
    backend: Any, knows: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealing: Any = knows.codec.sealing
    destroy = sealing.destroy

    def meanwhile(*given: Any) -> Any:
        run_sync(append(backend, knows, "guests-2", [ANN], expected=ANY, condition=None, context=Context()))
        run_sync(snapshot(backend, knows, guests, "2"))
        return destroy(*given)

    monkeypatch.setattr(sealing, "destroy", meanwhile)
    assert forgotten(backend, knows) == Forgotten("guest:ann", 1, 1, ("guests-1",), 1)
    assert saved(backend) == []


def test_who_is_in_many_streams_is_forgotten_in_few_transactions(
    backend: Any, knows: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(2, 121):
        run_sync(append(backend, knows, f"guests-{number}", [ANN], expected=ANY, condition=None, context=Context()))
    work, worked = backend.work, list[Any]()

    def counted(steps: Any) -> Any:
        worked.append(steps)
        return work(steps)

    monkeypatch.setattr(backend, "work", counted)
    assert forgotten(backend, knows).snapshots == 0
    assert len(worked) == 3
    for number in (1, 50, 51, 120):
        run_sync(snapshot(backend, knows, guests, str(number)))
    assert run_sync(forget(backend, knows, "guest:ann", Context(), only_look=True)).snapshots == 4
    again = forgotten(backend, knows)
    assert (again.events, len(again.streams), again.snapshots, saved(backend)) == (120, 120, 4, [])


def test_a_process_goes_on_without_what_was_forgotten_since_its_last_input(tmp_path: Path) -> None:
    def react(_: Recorded[Any], known: Known) -> Iterable[Effect]:
        return ()

    hosting = Process[Any, Known]("hosting", tuple, react, guests.evolve, events=(Registered, Came))
    url, keys, known = f"sqlite:///{tmp_path}/s.db", f"sqlite:///{tmp_path}/k.db", InHand(hosting)
    runtime = Runtime(Codec(EVENTS, sealing=sealing_at(keys)), SystemClock())
    backend = open_blocking(url)
    with Store.open(f"{url}?keys={keys}", events=EVENTS) as store:
        store.append("guests-1", [ANN])
        store.process(hosting).catch_up()
        (last,) = run_sync(backend.read(Selection(InStream("$process.hosting-1"), backward=True, limit=1)))
        states: list[Known] = []
        for _ in range(3):
            since = run_sync(known.since(backend, runtime))
            instance = run_sync(known.taken(backend, runtime, "1", since))
            states.append(instance.state)
            known.keep(instance, last.version, last.id)
            if len(states) == 2:  # it was kept once, and found
                store.forget("guest:ann")
    run_sync(backend.close())
    assert states == [(("ann", "Ann Lee"),), (("ann", "Ann Lee"),), (("ann", None),)]


@pytest.mark.parametrize(("keys", "since"), [("sqlite:///:memory:", 0), (None, None)], ids=["with keys", "without"])
def test_a_step_looks_whether_somebody_was_forgotten_if_its_inputs_had_a_shape_that_may_have_been_personal(
    keys: str | None, since: int | None
) -> None:
    def react(_: Recorded[Any], label: str) -> Iterable[Effect]:
        return ()

    naming = Process[Any, str]("naming", str, react, labels.evolve, events=(Labelled, Came))
    runtime, backend = Runtime(Codec(sealing=sealing_at(keys)), SystemClock()), open_blocking("memory://")
    assert run_sync(InHand(naming).since(backend, runtime)) == since


def test_a_step_looks_once_whether_somebody_was_forgotten_however_many_instances_it_is_about(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def react(_: Recorded[Any], known: Known) -> Iterable[Effect]:
        return ()

    hosting = Process[Any, Known]("hosting", tuple, react, guests.evolve, events=(Registered, Came))
    looks: list[int] = []

    async def known_at(*given: Any) -> int:
        looks.append(await forgotten_at.known_at(*given))
        return looks[-1]

    monkeypatch.setattr(known_module, "known_at", known_at)
    with Store.open(f"sqlite:///{tmp_path}/s.db?keys=sqlite:///{tmp_path}/k.db", events=EVENTS) as store:
        for number in (1, 2, 3):
            store.append(f"guests-{number}", [ANN])
        assert store.process(hosting).catch_up().inputs == 3
    assert looks == [0]


def test_a_key_that_is_destroyed_while_it_is_looked_up_is_not_taken_to_be_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keys: Any = KeyFile("sqlite:///:memory:")
    key, run = keys.current("ann"), keys._run
    assert len(key.secret) == SECRET_SIZE
    other = Thread(target=keys.destroy, args=("ann", 0))

    def meanwhile(*given: Any, **options: Any) -> Any:
        rows = run(*given, **options)
        if "where id" in given[0]:
            monkeypatch.setattr(keys, "_run", run)
            other.start()
            other.join(0.2)  # it need not end: it may wait
        return rows

    monkeypatch.setattr(keys, "_run", meanwhile)
    keys.find(key.id)
    other.join()
    assert keys.find(key.id).secret is None
