"""The demo as a visitor runs it: what it prints is what the store that it leaves holds."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from refold import RawEvent, Store
from refold.cli.exits import Exit
from refold.demo.orders import Line, Order, OrderOpened, orders
from refold.demo.report import EARLIER
from refold.demo.sales import by_product, by_status
from refold.demo.stock import StockPicked, StockReceived, StockReserved, stock


@dataclass(frozen=True)
class Demo:
    """A directory in which the demo ran, and what it printed."""

    directory: Path
    printed: str

    @property
    def commands(self) -> list[str]:
        """The commands that it says to try next; the Studio's goes on until it is told to stop."""
        return [line for line in self.printed.splitlines() if "--store shop.db" in line and " studio " not in line]


def run_demo(directory: Path) -> subprocess.CompletedProcess[str]:
    return shell(f"{shlex.quote(sys.executable)} -m refold demo --at .", directory)


def shell(command: str, directory: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONUTF8": "1"}
    return subprocess.run(
        ["sh", "-c", command], cwd=directory, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    directory = tmp_path_factory.mktemp("demo")
    ran = run_demo(directory)
    assert (ran.returncode, ran.stderr) == (0, "")
    return Demo(directory, ran.stdout)


@pytest.fixture
def store(demo: Demo) -> Iterator[Store]:
    with Store.open(f"sqlite:///{demo.directory / 'shop.db'}?mode=ro", events=[RawEvent]) as store:
        yield store


def all_orders(store: Store) -> dict[str, Order]:
    folded = store.bind(orders)
    return {id: folded.state(id) for id in (info.stream.partition("-")[2] for info in store.streams("order-"))}


def words(line: str) -> list[str]:
    return re.split(r"\s{2,}", line.strip())


def test_it_counts_what_the_store_holds(demo: Demo, store: Store) -> None:
    stats = store.stats()
    assert f"{stats.events:,} events in {stats.streams:,} streams" in demo.printed
    for type, count in stats.types.items():
        assert f"{type.partition('.')[2]} {count:,}" in " ".join(demo.printed.split()), type
    assert "Durability 'disk'" in demo.printed


def test_it_shows_the_order_as_it_is_and_as_it_was(demo: Demo, store: Store) -> None:
    order = store.bind(orders)
    teapot, cups, tray = Line("teapot", 1, 39_00), Line("cup", 4, 12_50), Line("tray", 1, 27_00)
    assert order.state("1042", as_of=EARLIER) == Order("open", "Ada", (teapot, cups, tray))
    assert order.state("1042") == Order("shipped", "Ada", (teapot, cups), 10, "parcel-1042")
    section = demo.printed.partition("Order 1042")[2].partition("Read model")[0]
    assert [words(line) for line in section.splitlines()[3:] if line.strip()] == [
        ["status", "open", "→", "shipped"],
        ["customer", "Ada", "Ada"],
        ["teapot", "1 at 39.00", "1 at 39.00"],
        ["cup", "4 at 12.50", "4 at 12.50"],
        ["tray", "1 at 27.00", "→", "-"],
        ["discount", "0 %", "→", "10 %"],
        ["total", "116.00", "→", "80.10"],
        ["parcel", "-", "→", "parcel-1042"],
    ]


def test_its_read_model_is_what_the_events_say(demo: Demo, store: Store) -> None:
    found = all_orders(store)
    sold = Counter[str]()
    for order in found.values():
        if order.status in {"paid", "shipped"}:
            sold.update({line.sku: line.qty for line in order.lines})
    assert {row.sku: row.pieces for row in by_product(store)} == sold
    standing = Counter(order.status for order in found.values())
    assert {row.status: row.orders for row in by_status(store)} == standing
    printed = [line.split() for line in demo.printed.splitlines()]
    for row in by_product(store):
        told = [row.sku, str(row.orders), str(row.pieces), f"{row.cents // 100:,}.{row.cents % 100:02}"]
        assert told in [line[:4] for line in printed]


def test_no_piece_of_the_stock_was_lost_or_promised_twice(store: Store) -> None:
    warehouse = store.bind(stock)
    for info in store.streams("stock-"):
        events = [e.data for e in store.read(info.stream)]
        reserved = {e.order: e.qty for e in events if isinstance(e, StockReserved)}
        received = sum(e.qty for e in events if isinstance(e, StockReceived))
        picked = sum(reserved[e.order] for e in events if isinstance(e, StockPicked))
        state = warehouse.state(info.stream.partition("-")[2])
        assert received == state.free + sum(state.reserved.values()) + picked
        assert state.free >= 0


def test_no_customer_redeemed_two_vouchers(store: Store) -> None:
    redeemed = Counter(e.data.data["customer"] for e in store.read(category="voucher") if e.type == "voucher.redeemed")
    assert redeemed
    assert set(redeemed.values()) == {1}


def test_each_command_that_it_prints_works_on_the_file(demo: Demo) -> None:
    verbs = [command.split()[1] for command in demo.commands]
    assert verbs == ["streams", "show", "state", "diff", "trace", "processes", "stats", "verify"]
    for command in demo.commands:
        ran = shell(command, demo.directory)
        assert ran.returncode == 0, (command, ran.stderr)
        assert ran.stdout or ran.stderr, command


def test_its_story_reaches_from_the_first_event_of_the_order_to_the_last(demo: Demo) -> None:
    trace = next(command for command in demo.commands if " trace " in command)
    story = shell(trace, demo.directory).stdout
    assert [
        type for type in ("order.opened", "voucher.redeemed", "payment.received", "stock.picked") if type not in story
    ] == []


def test_each_run_starts_anew_says_so_and_stores_the_same(demo: Demo) -> None:
    again = run_demo(demo.directory)
    assert again.returncode == 0
    assert "The shop.db of an" in again.stdout
    steady = "Order 1042"
    assert again.stdout.partition(steady)[2] == demo.printed.partition(steady)[2]


def test_it_never_takes_a_file_that_is_not_its_own(tmp_path: Path) -> None:
    file = tmp_path / "shop.db"
    with Store.open(f"sqlite:///{file}") as store:
        store.append("order-1", [OrderOpened("Ada")])
    for content in (file.read_bytes(), b"a letter"):
        file.write_bytes(content)
        ran = run_demo(tmp_path)
        assert (ran.returncode, ran.stdout) == (Exit.REFUSED, "")
        assert "was not made by the demo" in ran.stderr
        assert file.read_bytes() == content
