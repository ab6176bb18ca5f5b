"""Callers in line: what waits is sent together, and whoever leaves takes nobody's answer or lead along."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import psycopg
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from refold._bridge.stepping import run_sync
from refold.backends.postgres.arrays import numbers, texts
from refold.backends.postgres.joining import JoinedAwaiting, JoinedBlocking
from refold.backends.postgres.lines import Line
from refold.testing.postgres import PostgresServer

Send = Callable[[Sequence[str]], Awaitable[Sequence[str]]]


def tasks_line(send: Send, most: int = 10) -> Line[str, str]:
    session = JoinedAwaiting(None)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] - for its signals
    return Line(session, lambda waiting: sum(1 for _ in islice(waiting, most)), send)


class Server:
    """Answers in capitals, when it is let go."""

    def __init__(self) -> None:
        self.calls, self.open = list[list[str]](), asyncio.Event()

    async def __call__(self, asked: Sequence[str]) -> Sequence[str]:
        self.calls.append(list(asked))
        await self.open.wait()
        if "bad" in asked:
            raise ValueError
        return [each.upper() for each in asked]


async def lined_up(line: Line[str, str], *asked: str) -> list[asyncio.Task[str]]:
    """A task for each, in this order; the first one leads."""
    tasks = list[asyncio.Task[str]]()
    for each in asked:
        tasks.append(asyncio.create_task(line.ask(each)))
        await asyncio.sleep(0)
    return tasks


async def test_who_comes_while_something_is_sent_is_sent_together_and_each_has_its_own_answer() -> None:
    server = Server()
    tasks = await lined_up(tasks_line(server), "a", "b", "c")
    server.open.set()

    assert await asyncio.gather(*tasks) == ["A", "B", "C"]
    assert server.calls == [["a"], ["b", "c"]]


async def test_no_more_are_sent_together_than_fit() -> None:
    server = Server()
    tasks = await lined_up(tasks_line(server, most=2), "a", "b", "c", "d")
    server.open.set()

    assert await asyncio.gather(*tasks) == ["A", "B", "C", "D"]
    assert server.calls == [["a"], ["b", "c"], ["d"]]


async def test_an_error_is_told_to_all_who_were_sent_together_and_to_nobody_else() -> None:
    server = Server()
    tasks = await lined_up(tasks_line(server, most=2), "a", "bad", "c", "d")
    server.open.set()

    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert [each if isinstance(each, str) else type(each) for each in found] == ["A", ValueError, ValueError, "D"]


@pytest.mark.parametrize("who", range(4))
async def test_whoever_is_cancelled_the_others_are_answered(who: int) -> None:
    """The one who leads, the one to whom the lead goes next, one who is sent along, and the last in line."""
    server = Server()
    line = tasks_line(server, most=2)
    tasks = await lined_up(line, "a", "b", "c", "d")
    tasks[who].cancel()
    await asyncio.sleep(0)
    server.open.set()

    found = await asyncio.gather(*tasks, return_exceptions=True)
    expected = ["A", "B", "C", "D"]
    assert [each for n, each in enumerate(found) if n != who] == [each for n, each in enumerate(expected) if n != who]
    assert isinstance(found[who], asyncio.CancelledError)
    assert await line.ask("e") == "E"


async def test_who_is_cancelled_in_the_moment_in_which_the_lead_comes_hands_it_on() -> None:
    server = Server()

    async def send(asked: Sequence[str]) -> Sequence[str]:
        answers = await server(asked)
        if asked == ["a"]:
            asyncio.get_running_loop().call_soon(tasks[1].cancel)  # by then the lead is given, and not yet taken
        return answers

    tasks = await lined_up(tasks_line(send, most=1), "a", "b", "c")
    server.open.set()

    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert (found[0], type(found[1]), found[2]) == ("A", asyncio.CancelledError, "C")
    assert server.calls == [["a"], ["c"]]


def test_a_thread_that_is_interrupted_in_line_takes_only_itself_out() -> None:
    sending, go_on = threading.Event(), threading.Event()
    told = list[str]()

    async def send(asked: Sequence[str]) -> Sequence[str]:
        sending.set()
        go_on.wait(10)
        return [each.upper() for each in asked]

    session = JoinedBlocking(None)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] - for its signals
    line = Line[str, str](session, lambda waiting: sum(1 for _ in waiting), send)

    def ask(what: str) -> None:
        told.append(run_sync(line.ask(what)))

    leader = threading.Thread(target=ask, args=("a",))
    leader.start()
    sending.wait(10)

    def interrupt_who_waits() -> None:
        while not line._waiting:  # pyright: ignore[reportPrivateUsage] - there is no other way to see who waits
            pass
        os.kill(os.getpid(), signal.SIGINT)

    interrupter = threading.Thread(target=interrupt_who_waits)
    interrupter.start()
    with pytest.raises(KeyboardInterrupt):
        ask("b")
    go_on.set()
    leader.join(10)
    ask("c")
    assert told == ["A", "C"]


@pytest.fixture(scope="module")
def connection(postgres: PostgresServer) -> Iterator[psycopg.Connection[Any]]:
    url = postgres.new_database()
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection
    postgres.drop(url)


TEXTS = st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))


@given(values=TEXTS)
@example(values=[])
@example(values=[""])
@example(values=["\x1f", 'a"\\,{}', "NULL", None])
def test_an_array_of_texts_is_what_the_server_reads(
    connection: psycopg.Connection[Any], values: list[str | None]
) -> None:
    assert connection.execute("select %s::text[]", (texts(values),)).fetchall() == [(values,)]


@given(values=st.lists(st.none() | st.integers(-(2**63), 2**63 - 1)))
def test_an_array_of_numbers_is_what_the_server_reads(
    connection: psycopg.Connection[Any], values: list[int | None]
) -> None:
    assert connection.execute("select %s::bigint[]", (numbers(values),)).fetchall() == [(values,)]
