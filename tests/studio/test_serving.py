"""`refold studio`: a program that prints a link, lets one browser in by it, and stops when told to."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from refold import RawEvent, Store
from refold.cli.program import program
from refold.cli.studio import name_of

REFOLD = [sys.executable, "-c", "from refold.cli import main; main()"]


class Program:
    """The program at work, and the link that it told."""

    def __init__(self, *args: str) -> None:
        self.process = subprocess.Popen(
            [*REFOLD, "studio", "--port", "0", *args], stderr=subprocess.PIPE, encoding="utf-8"
        )
        assert self.process.stderr is not None
        self.told = self.process.stderr.readline()
        found = re.fullmatch(
            r"refold: open ((http://127\.0\.0\.1:\d+)/\?token=\S+) \(it works once\)\. Ctrl-C stops it\.\n", self.told
        )
        assert found is not None, self.told
        self.link, self.url = found[1], found[2]

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        self.process.send_signal(number)
        _, err = self.process.communicate(timeout=60)
        return self.process.returncode, err


@pytest.fixture
def shop(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/shop.db"
    with Store.open(url, events=[RawEvent]) as store:
        store.append("stone-1", [RawEvent("stone", {"number": 1})])
    return url


@pytest.fixture
def studio(shop: str) -> Iterator[Program]:
    started = Program("--store", shop)
    yield started
    if started.process.poll() is None:
        started.process.kill()
        started.process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_link_opens_it_once_and_a_signal_ends_it_with_whoever_follows(studio: Program, number: int) -> None:
    with httpx.Client(follow_redirects=True) as client:
        page = client.get(studio.link)
        again = httpx.get(studio.link)
        posted = client.post(f"{studio.url}/projections/x/pause", data={"reason": "x", "confirm": "yes"})
        with client.stream("GET", f"{studio.url}/events/live?after=0") as response:
            lines = response.iter_lines()
            first = next(lines)
            stopped = studio.stop(number)
            rest = [*lines]
    assert (page.status_code, "sqlite · shop.db" in page.text, "read-only" in page.text) == (200, True, True)
    assert (again.status_code, posted.status_code, first, stopped) == (401, 403, "retry: 1000", (0, ""))
    assert rest is not None


def test_an_operator_may_steer_in_their_name(shop: str) -> None:
    started = Program("--store", shop, "--operator", "ada")
    with httpx.Client(follow_redirects=True) as client:
        assert "read-only" not in client.get(started.link).text
    assert started.stop() == (0, "")


def test_a_store_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    done = CliRunner().invoke(program, ["studio", "--store", f"{tmp_path}/none.db"])
    assert (done.exit_code != 0, list(tmp_path.iterdir())) == (True, [])


def test_others_than_this_machine_are_not_served(shop: str) -> None:
    done = CliRunner().invoke(program, ["studio", "--store", shop, "--host", "0.0.0.0"])  # noqa: S104 - refused
    assert (done.exit_code, "0.0.0.0" in done.stderr) == (2, True)  # noqa: S104


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("sqlite:///data/shop.db?mode=ro", "sqlite · shop.db"), ("postgresql://ada:secret@host/shop", "postgresql · shop"),
        ("postgresql://ada:secret@host", "postgresql · host"), ("nats://n1,n2/SHOP", "nats · SHOP"),
        ("memory://", "memory · store"),
    ],
)  # fmt: skip
def test_the_page_calls_a_store_by_its_name_and_tells_no_secret(url: str, name: str) -> None:
    assert name_of(url) == name


def test_who_lacks_the_extra_is_told_how_to_get_it() -> None:
    code = """
import importlib.util, sys
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "jinja2" else find(name, *rest)
sys.modules["jinja2"] = None
from refold.errors import MissingExtra
try:
    import refold.studio
except MissingExtra as error:
    print(error)
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "refold[studio]" in told
