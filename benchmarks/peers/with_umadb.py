"""UmaDB, as its documentation has it: its server from its wheel, on this machine, and its Python client over gRPC.

It has no streams: an event carries the tag of its account. A new account is appended on the condition that no event has
its tag, a command on the condition that none came after those that it read. Clients are threads, each with a `Client`.
The data are the same JSON, decoded by `json`. The reader beside the writers is its `subscribe`.
"""

# mypy: ignore-errors
# pyright: basic, reportMissingImports=false
# The library is not in the environment of those who check the types.

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from umadb import AppendCondition, Client, Event, IntegrityError, Query, QueryItem

from benchmarks.measuring import Clock, Place, judge
from benchmarks.peers.asking import NOTE, Asked, serve


@contextmanager
def server() -> Iterator[str]:
    """A server with an empty database of its own; what place was asked for does not matter."""
    with tempfile.TemporaryDirectory(prefix="umadb-") as place, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        program = Path(sys.executable).with_name("umadb")
        command = [program, "--listen", f"127.0.0.1:{port}", "--db-path", f"{place}/uma.db"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            yield ready(f"http://127.0.0.1:{port}", process)
        finally:
            process.terminate()
            process.wait(10)


def ready(url: str, process: subprocess.Popen[bytes]) -> str:
    """The server's URL, when it answers."""
    for _ in range(500):
        try:
            Client(url).head()
        except Exception:  # noqa: BLE001 - whatever it says, it is not there yet
            assert process.poll() is None, "the server of UmaDB did not start"
            time.sleep(0.01)
        else:
            return url
    raise TimeoutError("the server of UmaDB did not answer")


def new(account: str, version: int) -> Event:
    """One deposit. UmaDB knows no versions, so the verdict needs one beside the data."""
    data = json.dumps({"amount": 1, "note": NOTE}).encode()
    return Event("deposited", data, [account], uuid.uuid4(), {"version": str(version)})


def tagged(account: str) -> Query:
    """The events of an account."""
    return Query(items=[QueryItem(tags=[account])])


def places(events: Iterable) -> Iterator[Place]:
    """Where they stand."""
    for each in events:
        yield each.position, each.event.tags[0], int(each.event.metadata["version"])


class Tail(threading.Thread):
    """A subscriber beside the writers, until it has been given as much as there is, or nothing new for half a second."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.places, self.client = list[Place](), Client(url)  # without its client, a subscription ends
        self.events = self.client.subscribe()
        self.start()

    def run(self) -> None:
        """Follow."""
        try:
            for place in places(self.events):
                self.places.append(place)
        except Exception:  # noqa: BLE001 - it was cancelled
            return

    def ended(self, wanted: int) -> list[Place]:
        """All that it was given, of so many that there should be."""
        seen, idle = -1, 0
        while len(self.places) < wanted and idle < 100:
            time.sleep(0.005)
            idle, seen = (idle + 1 if len(self.places) == seen else 0), len(self.places)
        self.events.cancel()
        self.join(1)
        return self.places


def run(work: Callable[[int], None], clients: int, clock: Clock) -> None:
    """The work of each client, timed."""
    if clients == 1:
        with clock.running():
            work(0)
        return
    with ThreadPoolExecutor(clients) as pool, clock.running():
        list(pool.map(work, range(clients)))


def append(asked: Asked, clock: Clock) -> int:
    """New accounts of `batch` events."""
    told = list[tuple[str, int]]()
    with server() as url:
        tail = Tail(url) if asked.clients > 1 else None

        def work(number: int) -> None:
            client = Client(url)
            for index in range(asked.count // asked.clients):
                start = clock.now()
                account = f"account-{number}x{index}"
                events = [new(account, each) for each in range(1, asked.batch + 1)]
                client.append(events, AppendCondition(tagged(account)))
                clock.lap(start)
                told.extend((account, each) for each in range(1, asked.batch + 1))

        run(work, asked.clients, clock)
        client = Client(url)
        judge(told, places(client.read()), tail and tail.ended(len(told)))
    return len(told)


def fill(client: Client, accounts: int, events: int) -> None:
    """Accounts of so many events."""
    for number in range(accounts):
        client.append([new(f"account-{number}", each) for each in range(1, events + 1)])


def balance(client: Client, account: str) -> tuple[int, int | None]:
    """Of an account, and the position that it was read at."""
    events, head = client.read(query=tagged(account)).collect_with_head()
    return sum(json.loads(each.event.data)["amount"] for each in events), head


def load(asked: Asked, clock: Clock) -> int:
    """The state of 1,000 events with one tag."""
    with server() as url:
        client = Client(url)
        fill(client, 1, 1_000)
        with clock.running():
            for _ in range(asked.count):
                assert balance(client, "account-0")[0] == 1_000
    return asked.count


def command(asked: Asked, clock: Clock) -> int:
    """Read, decide, append; again, if another was first. Accounts have 20 events."""
    told, accounts = list[tuple[str, int]](), 1 if asked.hot else max(50, asked.clients)
    with server() as url:
        fill(Client(url), accounts, 20)
        tail = Tail(url) if asked.clients > 1 else None

        def work(number: int) -> None:
            client = Client(url)
            for index in range(asked.count // asked.clients):
                start = clock.now()
                told.append(once(client, f"account-{(number + index * asked.clients) % accounts}"))
                clock.lap(start)

        run(work, asked.clients, clock)
        client = Client(url)
        judge(told, places(client.read()), tail and tail.ended(len(told) + 20 * accounts))
    return len(told)


def once(client: Client, account: str) -> tuple[str, int]:
    """One command."""
    while True:
        amount, head = balance(client, account)
        try:
            client.append([new(account, amount + 1)], AppendCondition(tagged(account), after=head))
        except IntegrityError:
            continue
        return account, amount + 1


def read(asked: Asked, clock: Clock) -> int:
    """Every event, its JSON decoded."""
    with server() as url:
        client = Client(url)
        fill(client, asked.count // 100, 100)
        with clock.running():
            total = sum(json.loads(each.event.data)["amount"] for each in client.read())
        assert total == asked.count // 100 * 100
        judge([], places(client.read()))
    return total


if __name__ == "__main__":
    serve({"umadb": version("umadb")}, {"append": append, "load": load, "command": command, "read": read})
