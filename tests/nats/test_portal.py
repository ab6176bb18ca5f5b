"""The way from threads to the connection: whoever comes when it closes is told so, and nobody waits for ever."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress

import pytest
from tests.postgres.servers import until

from refold.backends.nats.portal import Portal
from refold.errors import StoreClosed


async def forever() -> None:
    """What nobody ends but who closes."""
    await asyncio.Event().wait()


def test_a_call_that_is_under_way_ends_when_it_is_closed() -> None:
    portal, told = Portal(), list[str]()
    began = threading.Event()

    async def asked() -> None:
        began.set()
        await forever()

    def ask() -> None:
        with pytest.raises(StoreClosed):
            portal.call(asked())
        told.append("closed")

    thread = threading.Thread(target=ask)
    thread.start()
    assert began.wait(10)
    portal.close()
    thread.join(10)
    assert told == ["closed"]


def test_whoever_calls_while_it_closes_gets_an_answer_or_is_told() -> None:
    def ask(portal: Portal) -> None:
        with suppress(StoreClosed):
            while True:
                portal.call(asyncio.sleep(0))

    for _ in range(100):
        portal = Portal()
        threads = [threading.Thread(target=ask, args=[portal]) for _ in range(2)]
        for thread in threads:
            thread.start()
        portal.close()
        until("everybody was told", lambda threads=threads: not any(one.is_alive() for one in threads), 10)


def test_a_task_that_does_not_hear_that_it_shall_end_holds_up_nobody() -> None:
    heard = list[int]()

    async def deaf() -> None:
        while True:
            try:
                await forever()
            except asyncio.CancelledError:
                heard.append(1)
                if len(heard) == 3:
                    raise

    async def begun() -> None:
        tasks.append(asyncio.create_task(deaf()))
        await asyncio.sleep(0)

    portal, tasks = Portal(), list[asyncio.Task[None]]()
    portal.call(begun())
    portal.close()
    assert (len(heard), tasks[0].cancelled()) == (3, True)
