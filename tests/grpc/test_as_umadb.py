"""The same calls to UmaDB's own server and to a store of Refold's: the same answers, position by position."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.grpc.serving import ONE_BACKEND, umadb


@pytest.fixture
def theirs(tmp_path: Path) -> Iterator[Any]:
    """A client of UmaDB's own server, which its wheel brings along."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{free.getsockname()[1]}"
    command = [str(Path(sys.executable).with_name("umadb")), "--listen", place, "--db-path", str(tmp_path / "uma.db")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8")
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if "listening" in line:
                break
        yield umadb.Client(f"http://{place}")
    finally:
        process.kill()
        process.communicate()


Call = Callable[[Any], Any]
tags = st.lists(st.sampled_from("xyz"), max_size=3)
queries = st.lists(st.tuples(st.lists(st.sampled_from("ab"), max_size=2), tags), max_size=2)
places = st.none() | st.integers(0, 40)


def query(items: Any) -> Any:
    return umadb.Query([umadb.QueryItem(types=types, tags=tags) for types, tags in items])


def told(event: Any) -> tuple[Any, ...]:
    inner = event.event
    return (
        event.position,
        inner.event_type,
        inner.data,
        inner.tags,
        inner.uuid,
        inner.metadata,
        _tracked(event.tracking_info),
    )


def _tracked(tracking: Any) -> Any:
    return tracking and (tracking.source, tracking.position)


@st.composite
def appends(draw: st.DrawFn) -> Call:
    """Events with ids, since UmaDB gives none. None at all ends UmaDB's server, if its condition fails: so they are some."""
    drawn = draw(st.lists(st.tuples(st.sampled_from("ab"), tags, st.binary(max_size=3)), min_size=1, max_size=3))
    events = [umadb.Event(type, data, tags, uuid4(), {"k": type}) for type, tags, data in drawn]
    condition = draw(st.none() | st.builds(umadb.AppendCondition, st.builds(query, queries), places))
    source = st.builds(umadb.TrackingInfo, st.sampled_from(["s", "t"]), st.integers(0, 9))
    tracking = draw(st.none() | source)

    def call(client: Any) -> Any:
        return client.append(events, condition, tracking)

    return call


reads = st.builds(
    lambda items, start, backwards, limit: lambda client: _read(client, items, start, backwards, limit),
    st.none() | queries, places, st.booleans(), st.none() | st.integers(0, 5),
)  # fmt: skip


def _read(client: Any, items: Any, start: Any, backwards: bool, limit: Any) -> Any:
    events, head = client.read(None if items is None else query(items), start, backwards, limit).collect_with_head()
    return [*map(told, events)], head


others = st.sampled_from([lambda client: client.head(), lambda client: client.get_tracking_info("s")])


def outcome(call: Call, client: Any) -> Any:
    try:
        return call(client)
    except (umadb.IntegrityError, ValueError) as error:
        return type(error)


@ONE_BACKEND
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(appends() | reads | others, max_size=12))
def test_a_client_cannot_tell_which_of_the_two_it_asks(uma: Any, theirs: Any, calls: list[Call]) -> None:
    assert [outcome(call, uma) for call in calls] == [outcome(call, theirs) for call in calls]


@ONE_BACKEND
def test_a_repeat_on_a_condition_is_one_for_both(uma: Any, theirs: Any) -> None:
    id: UUID = uuid4()
    events = [umadb.Event("a", b"", ["x"], id)]
    condition = umadb.AppendCondition(query([([], ["x"])]))
    assert [client.append(events, condition) for client in (uma, theirs) for _ in range(2)] == [1] * 4
