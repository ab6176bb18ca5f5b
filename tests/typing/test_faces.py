"""`Store` and `AsyncStore` are one interface in two colours, and what is public is complete."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, get_overloads

import pytest

import refold
from refold import (
    AsyncBoundary,
    AsyncCommandStreams,
    AsyncInstances,
    AsyncLiveModel,
    AsyncLiveState,
    AsyncPeriods,
    AsyncReadModel,
    AsyncReceived,
    AsyncRunning,
    AsyncStore,
    AsyncStreams,
    AsyncSubscription,
    Boundary,
    CommandStreams,
    Instances,
    LiveModel,
    LiveState,
    Periods,
    ReadModel,
    Received,
    Running,
    Store,
    Streams,
    Subscription,
)

PAIRS = [
    (Store, AsyncStore),
    (Streams, AsyncStreams),
    (CommandStreams, AsyncCommandStreams),
    (Boundary, AsyncBoundary),
    (ReadModel, AsyncReadModel),
    (Running, AsyncRunning),
    (Subscription, AsyncSubscription),
    (LiveModel, AsyncLiveModel),
    (LiveState, AsyncLiveState),
    (Periods, AsyncPeriods),
    (Received, AsyncReceived),
    (Instances, AsyncInstances),
]
AWAITED = {
    f"Async{name}": name
    for name in (
        "Store",
        "Streams",
        "CommandStreams",
        "Boundary",
        "Iterator",
        "ReadModel",
        "Running",
        "Subscription",
        "LiveModel",
        "LiveState",
        "Periods",
        "Received",
        "Instances",
    )
}


def members(cls: type[Any]) -> dict[str, Any]:
    """What a class offers: its public names, and how it is made and entered."""
    entering = {"__enter__": "__aenter__", "__exit__": "__aexit__"}
    blocking = {name: entering.get(name, name) for name in entering}
    names = [name for name in dir(cls) if not name.startswith("_")]
    found = {name: inspect.getattr_static(cls, name) for name in names}
    for name, twin in blocking.items():
        for each in (name, twin):
            if each in dir(cls) and not hasattr(object, each):
                found[name] = inspect.getattr_static(cls, each)
    return found


def function(member: Any) -> Callable[..., Any]:
    if isinstance(member, property):
        assert member.fget is not None
        return member.fget
    unbound: Callable[..., Any] = getattr(member, "__func__", member)
    return unbound


def signature(member: Any) -> tuple[object, ...]:
    """Names, kinds, defaults and annotations, with the names of the awaiting face written as those of the blocking one."""
    signed = inspect.signature(function(member))
    told = [(p.name, p.kind, p.default, plain(p.annotation)) for p in signed.parameters.values()]
    return (type(member).__name__, *told, plain(signed.return_annotation))


def plain(annotation: object) -> object:
    if not isinstance(annotation, str):
        return annotation
    for awaiting, blocking in AWAITED.items():
        annotation = annotation.replace(awaiting, blocking)
    return annotation


@pytest.mark.parametrize(("blocking", "awaiting"), PAIRS)
def test_both_faces_have_the_same_names_signatures_and_docstrings(blocking: type[Any], awaiting: type[Any]) -> None:
    one, other = members(blocking), members(awaiting)
    assert sorted(one) == sorted(other)
    for name in one:
        assert signature(one[name]) == signature(other[name]), name
        assert function(one[name]).__doc__ == function(other[name]).__doc__, name


@pytest.mark.parametrize(("blocking", "awaiting"), PAIRS)
def test_overloads_are_the_same_too(blocking: type[Any], awaiting: type[Any]) -> None:
    for name, member in members(blocking).items():
        ones, others = (get_overloads(function(each)) for each in (member, members(awaiting)[name]))
        assert [signature(each) for each in ones] == [signature(each) for each in others]


def test_what_waits_is_awaited_and_what_does_not_is_not() -> None:
    coroutines = {name for name, member in members(AsyncStore).items() if inspect.iscoroutinefunction(function(member))}
    assert {
        "open",
        "append",
        "append_all",
        "decide",
        "find",
        "head",
        "catch_up",
        "query",
        "stats",
        "close",
    } <= coroutines
    assert coroutines & {"context", "bind", "read", "subscribe", "streams", "verify", "durability"} == set()


def test_every_public_name_is_there_once_and_has_a_docstring() -> None:
    assert len(refold.__all__) == len(set(refold.__all__))
    for name in refold.__all__:
        thing = getattr(refold, name)
        assert not inspect.isclass(thing) or thing.__doc__, name


def test_a_public_name_is_loaded_from_where_the_type_checkers_find_it() -> None:
    tree = ast.parse(Path(refold.__file__).read_text("utf-8"))
    homes = {
        name.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("refold")
        for name in node.names
    }
    elsewhere = [
        name for name in refold.__all__ if getattr(refold, name) is not getattr(import_module(homes[name]), name)
    ]
    assert elsewhere == []


@pytest.mark.parametrize(
    "module", ["asyncio", "apsw", "rich", "click", "psycopg", "nats", "pytest", "pydantic", "attrs"]
)
def test_importing_refold_loads_little(module: str) -> None:
    program = f"import refold, sys; sys.exit({module!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize(
    "module", ["asyncio", "rich", "psycopg", "refold.sagas", "refold.duties", "refold.instances", "refold.schedule"]
)
def test_a_store_that_runs_nothing_loads_nothing_that_does(module: str) -> None:
    program = (
        f"import sys; from refold import Store; Store.open('sqlite:///:memory:'); sys.exit({module!r} in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
