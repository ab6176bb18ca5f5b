"""Steps of a publication: how much one sends, and what becomes of messages whatever their receiver says to each attempt."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final

from hypothesis import given
from hypothesis import strategies as st
from tests.publishing.receivers import OrderPlaced

from refold import CloudEvent, Publication, ReceiverAway, Store
from refold._bridge.stepping import run_sync
from refold.external import Retry
from refold.flows.projections.builds import active_build
from refold.flows.projections.persevering import Persevering
from refold.flows.projections.work import take_up
from refold.runner import StepSeen
from refold.testing import ManualClock

LONG: Final = 30.0
TAKEN, AWAY, REFUSED = "taken", "away", "refused"


def test_a_step_sends_for_a_second_at_most(tmp_path: Path) -> None:
    clock, steps = ManualClock(), list[StepSeen]()

    def slow(_: CloudEvent) -> None:
        clock.move(timedelta(seconds=0.6))

    publication = Publication("out", OrderPlaced, to=slow, source="/shop")
    with Store.open(f"sqlite:///{tmp_path}/s.db", clock=clock) as store:
        store.append("order-7", [OrderPlaced(str(number)) for number in range(5)])
        with store.run(publication, lease=timedelta(minutes=5), observe=steps.append):
            store.wait_for("out", 5, timeout=LONG)
    assert [(step.applied, step.position) for step in steps if step.applied] == [(2, 2), (2, 4), (1, 5)]


class NoPace:
    """Time that passes at once."""

    def now(self) -> float:
        return 0.0

    async def pause(self, seconds: float) -> None:
        """Nothing is waited for."""


class Script:
    """A receiver that says what is written, then takes everything."""

    def __init__(self, answers: Sequence[str]) -> None:
        self.answers, self.taken = list(answers), list[CloudEvent]()

    def __call__(self, message: CloudEvent) -> None:
        match self.answers.pop(0) if self.answers else TAKEN:
            case "away":
                raise ReceiverAway("nobody answers")
            case "refused":
                raise ValueError("no")
            case _:
                self.taken.append(message)


@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=12),
    st.lists(st.sampled_from([TAKEN, AWAY, REFUSED]), max_size=40),
    st.integers(1, 3),
)
def test_whatever_a_receiver_says_each_message_is_taken_once_in_the_order_of_its_key(
    keys: list[int], answers: list[str], attempts: int
) -> None:
    receiver = Script(answers)
    retry = Retry(attempts, timedelta(milliseconds=1))
    publication = Publication("out", OrderPlaced, to=receiver, source="/shop", retry=retry)
    with Store.open("sqlite:///:memory:?durability=best-effort") as store:
        for key in keys:
            store.append(f"order-{key}", [OrderPlaced(str(key))])
        backend, runtime = store._engine.view, store._runtime
        build = run_sync(active_build(backend, runtime.clock, publication))
        work = run_sync(take_up(backend, publication, build, 0))
        assert work is not None
        persevering = Persevering(work)
        while True:
            try:
                if run_sync(persevering.step(backend, backend, runtime, NoPace(), None)) is None:
                    break
            except ReceiverAway:
                continue
        model = store.model(publication)
        while model.dead_letters():
            try:
                model.retry()
            except ReceiverAway:
                continue
        stored = [(str(event.stream), str(event.id)) for event in store.read()]
    for stream in {each for each, _ in stored}:
        came = [message.id for message in receiver.taken if message.subject == stream]
        assert came == [id for each, id in stored if each == stream]
    assert len(receiver.taken) == len(stored)
