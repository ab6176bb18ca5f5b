"""G16: an effect outside happens at least once, under one key.

A receiver outside the store counts what it is asked for, and accepts each key once. Whoever asks is killed at random, and
every fifth answer is lost, before or after the effect: it is asked for too often, and happens once for each key.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.faults.judging import journals, processes
from tests.faults.killed_sagas import kill_loop
from tests.faults.outside import Outside
from tests.faults.publishers import arrived, publish_loop
from tests.guarantees.conftest import NewUrl
from tests.guarantees.seeding import named, seeded
from tests.guarantees.telling import tell

from refold import Store
from refold.duties import Runs
from refold.flows.processes.journal import Delivered, Sent

pytestmark = [pytest.mark.guarantee("G16")]
AT_ONCE = 200
"""So many are killed on one store; then on another one."""


class Received:
    """What the receiver counted, held against what the journals say was sent, and what delivered."""

    def __init__(self) -> None:
        self.asked = self.keys = self.happened = 0

    def __call__(self, store: Store, parts: Sequence[Runs], outside: Outside) -> Sequence[str]:
        """What is wrong."""
        asked, happened = outside.counted("calls"), outside.counted("effects")
        self.asked, self.happened = self.asked + asked.total(), self.happened + happened.total()
        self.keys += len(asked)  # of one store: the next one's stories have the same names, and so the same keys
        keys = Counter((verb, subject) for verb, subject, _ in asked)
        wrong = [f"{what} was asked for with {count} keys" for what, count in keys.items() if count > 1]
        wrong += [f"it happened {count} times: {what}" for what, count in happened.items() if count > 1]
        sent, delivered = letters(store, parts)
        by_key = (
            {key for verb, _, key in asked if verb == "letter"},
            {key for verb, _, key in happened if verb == "letter"},
        )
        wrong += [f"no letter was asked for under {key}" for key in sent - by_key[0]]
        wrong += [f"a letter was asked for, and not sent by anybody: {key}" for key in by_key[0] - sent]
        return [*wrong, *(f"told to be delivered, and never happened: {key}" for key in delivered - by_key[1])]


def letters(store: Store, parts: Sequence[Runs]) -> tuple[set[str], set[str]]:
    """The ids of those that were sent, and of those that came back as delivered."""
    entries = [
        each for process in processes(parts) for journal in journals(store, process).values() for each in journal
    ]
    sent = {str(each.id) for each in entries if isinstance(each.data, Sent) and each.data.kind == "effect"}
    return sent, sent & {str(each.data.message) for each in entries if isinstance(each.data, Delivered)}


def ask_and_kill(new_url: NewUrl, kills: int) -> None:
    seed, received, url = seeded(), Received(), ""
    for done in range(0, kills, AT_ONCE):
        url, count = new_url(), min(AT_ONCE, kills - done)
        kill_loop(url, 2 * count, count, seed + done, kinds=("plain", "late", "dumb", "torn"), judge=received)
    told = {"asked": received.asked, "keys": received.keys, "happened": received.happened}
    tell("G16", named(url), kills=kills, **told, wrong=0, seed=seed)
    assert received.asked > received.keys >= received.happened > kills


def publish_and_kill(new_url: NewUrl, arrivals: Path, kills: int) -> None:
    seed, url = seeded(), new_url()
    published = publish_loop(url, arrivals, kills, seed)
    came = Counter(each.id for each in arrived(arrivals))
    tell("G16", named(url), kills=kills, events=published.events, came=came.total(), keys=len(came), seed=seed)
    assert len(came) == published.events
    assert published.at_work >= kills / 2


def test_a_receiver_that_accepts_each_key_once_has_one_effect_per_key(new_url: NewUrl) -> None:
    ask_and_kill(new_url, 4)


def test_killed_publishers_leave_nothing_unpublished(new_url: NewUrl, tmp_path: Path) -> None:
    publish_and_kill(new_url, tmp_path / "arrivals", 8)


@pytest.mark.long
def test_a_receiver_that_is_asked_by_a_thousand_killed_runners_has_one_effect_per_key(new_url: NewUrl) -> None:
    ask_and_kill(new_url, 1_000)


@pytest.mark.long
def test_hundreds_of_killed_publishers_leave_nothing_unpublished(new_url: NewUrl, tmp_path: Path) -> None:
    publish_and_kill(new_url, tmp_path / "arrivals", 600)


@pytest.mark.parametrize(
    ("calls", "effects", "said"),
    [
        ([("charge", "a", "1"), ("charge", "a", "2")], [], "with 2 keys"),
        ([("letter", "a/0", "9")], [], "not sent by anybody"),
    ],
)
def test_the_count_finds_another_key_and_what_nobody_sent(
    calls: list[tuple[str, str, str]], effects: list[tuple[str, str, str]], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = {"calls": Counter(calls), "effects": Counter(effects)}
    monkeypatch.setattr(Outside, "counted", lambda self, table: there[table])
    with Store.open("memory://") as store:
        ((wrong),) = Received()(store, (), Outside(":memory:", 1, 0.0))
    assert said in wrong
