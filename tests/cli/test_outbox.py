"""`refold outbox`, and what else the command line does with publications."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import Run

from refold.cli.exits import Exit

STORE = ("--app", "senders:app", "--store", "shop.db")
PROGRAM = """
import asyncio
from pathlib import Path

from refold import App, Publication, ReceiverAway
from shop import ItemAdded

REFUSED = Path("refused")
AWAY = Path("away")


def note(message):
    if AWAY.exists():
        raise ReceiverAway("nobody answers")
    if REFUSED.exists() and message.subject == REFUSED.read_text():
        raise ValueError(message.subject)
    with Path("sent").open("a") as file:
        print(message.subject, message.id, file=file)


class Broker:
    awaits = True

    async def send(self, message):
        loop = asyncio.get_running_loop()
        assert getattr(self, "loop", loop) is loop
        self.loop = loop
        await asyncio.sleep(0)
        note(message)

    async def close(self):
        self.__dict__.pop("loop", None)
        Path("closed").touch()


carts_out = Publication("carts-out", ItemAdded, to=TO, source="/shop", retry=RETRY)
app = App(carts_out)
"""


def program(directory: Path, to: str) -> None:
    """An application that publishes to a function, or to a broker that awaits."""
    retry = "__import__('refold.external').external.Retry(1)"
    (directory / "senders.py").write_text(PROGRAM.replace("TO,", f"{to},").replace("RETRY", retry))


@pytest.fixture(params=["note", "Broker()"])
def senders(request: pytest.FixtureRequest, directory: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("senders", "shop"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    program(directory, request.param)
    return directory


def sent(directory: Path) -> list[str]:
    file = directory / "sent"
    return [line.split()[0] for line in file.read_text().splitlines()] if file.exists() else []


def test_what_waits_is_sent_and_shown(senders: Path, refold: Run) -> None:
    assert refold("outbox", "status", *STORE, "--output", "table").err.strip() == "nothing was published yet."
    flushed = refold("outbox", "flush", *STORE, "--output", "jsonl")
    assert flushed.code == Exit.OK, flushed
    (status,) = map(json.loads, flushed.out.splitlines())
    assert (status["name"], status["lag"], len(sent(senders))) == ("carts-out", 0, status["applied"])
    (shown,) = json.loads(refold("outbox", "status", *STORE, "--output", "json").out)["data"]
    assert shown["position"] == status["position"]


def test_refold_run_publishes_too_and_closes_what_it_opened(senders: Path, refold: Run) -> None:
    assert refold("run", "--once", *STORE).code == Exit.OK
    assert (senders / "closed").exists() == ("Broker" in (senders / "senders.py").read_text().partition("to=")[2][:10])
    assert len(sent(senders)) > 1


def test_what_is_not_taken_is_a_dead_letter_and_sent_again_by_hand(senders: Path, refold: Run) -> None:
    (senders / "refused").write_text("cart-c-1")
    assert refold("outbox", "flush", *STORE).code == Exit.FINDINGS
    letters = json.loads(refold("dead-letters", "list", "carts-out", "--store", "shop.db", "--output", "json").out)[
        "data"
    ]
    assert letters[0]["error"].startswith("ValueError: cart-c-1")
    before = sent(senders)
    (senders / "refused").unlink()
    assert refold("dead-letters", "retry", "carts-out", *STORE).code == Exit.OK
    assert sent(senders)[len(before) :] == ["cart-c-1"] * len(letters)


def test_a_flush_does_not_wait_for_ever(senders: Path, refold: Run) -> None:
    (senders / "away").touch()
    flushed = refold("outbox", "flush", "carts-out", *STORE, "--timeout", "0.3")
    assert (flushed.code, "nobody answers" in flushed.err) == (Exit.FINDINGS, True)


def test_an_app_that_publishes_nothing_is_told(refold: Run) -> None:
    told = refold("outbox", "flush", "--app", "shop:app", "--store", "shop.db")
    assert (told.code, "the app publishes nothing" in told.err) == (Exit.USAGE, True)
    told = refold("outbox", "flush", "other", "--app", "shop:outbox", "--store", "shop.db")
    assert (told.code, "it has carts-out" in told.err) == (Exit.NOT_FOUND, True)
