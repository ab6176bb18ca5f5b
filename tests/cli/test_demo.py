"""`refold demo`: a day that is left to be looked at, and a shop that stays open with workers and the Studio beside it.

What the day leaves is looked at in tests/acceptance/test_shop_demo.py.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any, Final

import click
import httpx
import pytest
from tests.cli.conftest import Run

from refold import RawEvent, Store
from refold.cli.demo import a_span
from refold.cli.exits import Exit
from refold.cli.keeping_open import Line, worded
from refold.demo.fulfilment import fulfilment
from refold.demo.labels import labels
from refold.demo.opened import OpenShop, Standing
from refold.demo.orders import OrderOpened, orders
from refold.demo.payments import payments
from refold.demo.people import Shop
from refold.demo.stock import stock
from refold.demo.traffic import traffic

PATIENCE: Final = 60.0
STANDING: Final = Standing(seconds=80.4, events=1_204, handled=388, refused=12, behind=3, parked=0)


class Program:
    """The live demo at work, and the link that it told."""

    def __init__(self, at: Path, *args: str) -> None:
        command = [sys.executable, "-m", "refold", "demo", "--live", "--at", str(at), "--port", "0", *args]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8")
        assert self.process.stderr is not None
        told = self.process.stderr.readline()
        found = re.search(
            r"Look at it: ((http://127\.0\.0\.1:\d+)/\?token=\S+) \(it works once\)\. Ctrl-C closes it\.", told
        )
        assert found is not None, told + self.process.communicate()[1]
        self.link, self.url = found[1], found[2]

    def ended(self) -> tuple[int, str, list[str]]:
        out, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out, err.splitlines()


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Program]:
    started = Program(tmp_path / "live", "--rate", "200")
    yield started
    if started.process.poll() is None:
        started.process.kill()
        started.process.communicate()


def until(found: Any, what: str) -> Any:
    """What `found` gives, once that is something."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if value := found():
            return value
        time.sleep(0.02)
    raise AssertionError(f"waited for {what}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_studio_shows_a_shop_that_goes_on_until_a_signal_closes_it(
    live: Program, tmp_path: Path, number: int
) -> None:
    with httpx.Client(follow_redirects=True, headers={"Accept": "application/json"}) as client:
        client.get(live.link).raise_for_status()

        def newest() -> int:
            return int(client.get(f"{live.url}/events").raise_for_status().json()["head"])

        first = until(newest, "an event")
        until(lambda: newest() > first + 100, "a hundred more")
        until(
            lambda: sum(box["parked"] for box in client.get(f"{live.url}/dead-letters").json()["data"]), "a dead letter"
        )
        read_only = client.post(f"{live.url}/projections/labels/pause", data={"reason": "x", "confirm": "yes"})
        live.process.send_signal(number)
    code, out, told = live.ended()
    assert (read_only.status_code, code, out) == (403, Exit.OK, "")
    assert re.fullmatch(r"0:\d\d:\d\d  [\d,]+ events, [\d,]+ commands, .* with dead letters", told[-2]), told
    assert told[-1].startswith(f"refold: closed; the store is {tmp_path}/live/shop.db. "), told
    with Store.open(f"sqlite:///{tmp_path}/live/shop.db", events=[RawEvent]) as store:
        assert int(store.head()) > first + 100
        assert [damage for _, damages in store.verify() for damage in damages] == []


def test_it_closes_by_itself_after_a_time_and_begins_anew_where_it_was(tmp_path: Path) -> None:
    for _ in range(2):
        code, _, told = Program(tmp_path, "--for", "1s", "--rate", "50").ended()
        assert (code, len(told)) == (Exit.OK, 2), told
    with Store.open(f"sqlite:///{tmp_path}/shop.db", events=[RawEvent]) as store:
        assert len([e for e in store.read(category="voucher") if e.type == "voucher.issued"]) == 2


def test_an_operator_may_steer(tmp_path: Path) -> None:
    started = Program(tmp_path, "--operator", "ada")
    with httpx.Client(follow_redirects=True) as client:
        told = client.get(started.link).text
    started.process.send_signal(signal.SIGTERM)
    assert (started.ended()[0], "read-only" in told, "Overview" in told) == (Exit.OK, False, True)


def told_of(seed: int, steps: int) -> list[tuple[str, str, Any]]:
    """What so many steps of traffic leave, with a process that has done its work before each."""
    with Store.open("sqlite:///:memory:") as store:
        for _ in islice(traffic(Shop(store), seed), steps):
            store.process(fulfilment).catch_up(orders, stock, payments)
        return [(str(e.stream), e.type, e.data) for e in store.read()]


def test_the_same_seed_brings_the_same_customers() -> None:
    first = told_of(1, 200)
    assert first == told_of(1, 200)
    assert first != told_of(2, 200)


def test_customers_end_in_every_way() -> None:
    types = {type for _, type, _ in told_of(1, 400)}
    assert types >= {"order.shipped", "order.cancelled", "payment.declined", "voucher.redeemed", "stock.released"}


def test_what_breaks_the_traffic_is_told_and_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("refold.demo.traffic.issue_vouchers", lambda _: [].pop())
    with Store.open("sqlite:///:memory:") as store, OpenShop(store, rate=100, seed=1) as shop:
        until(lambda: shop.trouble, "the trouble")
    assert isinstance(shop.trouble, IndexError)


def test_without_a_place_the_day_is_left_in_one_that_is_named(
    refold: Run, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(directory))
    done = refold("demo")
    (made,) = directory.glob("refold-demo-*/shop.db")
    assert (done.code, done.err, str(made) in done.out.replace("\n", "")) == (Exit.OK, "", True)


def test_a_file_that_is_not_its_own_is_left_alone(refold: Run, tmp_path: Path) -> None:
    place = tmp_path / "mine"
    place.mkdir()
    with Store.open(f"sqlite:///{place}/shop.db") as store:
        store.append("order-1", [OrderOpened("Ada")])
    before = (place / "shop.db").read_bytes()
    done = refold("demo", "--live", "--at", str(place), "--port", "0", "--for", "1s")
    assert (done.code, "was not made by the demo" in done.err) == (Exit.REFUSED, True)
    assert (place / "shop.db").read_bytes() == before


@pytest.mark.parametrize(
    "args", [("--rate", "3"), ("--for", "1s"), ("--port", "0"), ("--seed", "2"), ("--operator", "a")]
)
def test_what_is_about_the_live_shop_needs_it(refold: Run, directory: Path, args: tuple[str, ...]) -> None:
    before = sorted(directory.iterdir())
    done = refold("demo", "--at", "day", *args)
    assert (done.code, f"{args[0]} only with --live" in done.err) == (Exit.USAGE, True)
    assert sorted(directory.iterdir()) == before


@pytest.mark.parametrize("live", [(), ("--live",)], ids=["a day", "live"])
def test_a_place_that_no_url_could_name_is_told_before_it_is_made(
    refold: Run, directory: Path, live: tuple[str, ...]
) -> None:
    done = refold("demo", "--at", "what?/day", *live)
    assert (done.code, done.out, "'what?/day' has a ?, after which" in done.err) == (Exit.USAGE, "", True)
    assert not (directory / "what?").exists()


def test_a_place_that_cannot_be_made_is_told(refold: Run, directory: Path) -> None:
    done = refold("demo", "--at", "shop.db/day")
    assert (done.code, "cannot be made" in done.err) == (Exit.USAGE, True)


@pytest.mark.parametrize(
    ("text", "span"), [("30s", timedelta(seconds=30)), ("10m", timedelta(minutes=10)), ("1h", timedelta(hours=1))]
)
def test_a_time_span_is_read(text: str, span: timedelta) -> None:
    assert a_span(text) == span


@pytest.mark.parametrize("text", ["", "10", "s", "-1s", "1.5h", "1d"])
def test_what_is_no_time_span_is_told(text: str) -> None:
    with pytest.raises(click.BadParameter, match="30s, 10m or 1h"):
        a_span(text)


def test_on_a_terminal_one_line_changes_and_the_last_one_stays(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    line = Line()
    for _ in range(2):
        line.tell(STANDING)
    line.end()
    told = "0:01:20  1,204 events, 388 commands, 12 refused; read models 3 behind"
    assert worded(STANDING) == told
    assert capsys.readouterr().err == f"\r\x1b[2K{told}" * 2 + "\n"


def test_elsewhere_every_tenth_look_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    line = Line()
    for _ in range(25):
        line.tell(STANDING)
    line.end()
    assert capsys.readouterr().err == f"{worded(STANDING)}\n" * 3


def test_who_lacks_the_extra_is_told_how_to_get_it(tmp_path: Path) -> None:
    code = """
import importlib.util, sys
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name in {"jinja2", "starlette"} else find(name, *rest)
for name in ("jinja2", "starlette", "uvicorn"):
    sys.modules[name] = None
from refold.cli import main
main()
"""
    command = [sys.executable, "-c", code, "demo", "--live", "--at", str(tmp_path / "live")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, "pip install 'refold[studio]'" in done.stderr) == (Exit.USAGE, True), done.stderr
    assert not (tmp_path / "live" / "shop.db").exists()


def test_the_labels_lack_the_customers_without_an_address() -> None:
    with Store.open("sqlite:///:memory:") as store, OpenShop(store, rate=1_000, seed=1) as shop:
        until(lambda: shop.standing().parked, "a dead letter")
        letters = list(store.model(labels).dead_letters())
    assert "no address is known for" in str(letters[0])
