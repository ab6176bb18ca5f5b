"""Fingerprints of functions change with what they do, and with nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from refold.schema.hashing import function_hash
from refold.upcasting import default, drop, rename, upcast

Data = dict[str, Any]

RATE = 2
NAMES = {"a": "b"}


def plain(data: Data) -> Data:
    return {**data, "x": RATE}


def annotated(data: dict[str, Any]) -> dict[str, Any]:
    """What it does."""
    # and how
    return {
        **data,
        "x": RATE,
    }


def another(data: Data) -> object:
    return {**data, "x": RATE + 1}


def helped(data: Data) -> object:
    return plain(data)


def otherwise_helped(data: Data) -> object:
    return another(data)


def closed(name: str) -> Callable[[dict[str, int]], int]:
    return lambda data: data[name]


def told(data: Data) -> object:
    return f"{data!r:>{RATE}} or {NAMES}"


def with_default(data: Data, name: str = "a") -> object:
    return data[name]


@dataclass(frozen=True)
class Renaming:
    old: str

    def __call__(self, data: Data) -> object:
        return data[self.old]


one, two = lambda data: data["a"], lambda data: data["b"]
a_third = lambda row: row["a"]  # noqa: E731 - it is lambdas that are looked at


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (plain, annotated),
        (closed("a"), closed("a")),
        (Renaming("a"), Renaming("a")),
        (rename(a="b"), rename(a="b")),
        (upcast("a", 1, to=2)(plain).change, upcast("b", 3, to=5)(annotated).change),
    ],
    ids=["function", "closure", "object", "ready-made", "upcaster"],
)
def test_what_does_the_same_has_one_fingerprint(first: object, second: object) -> None:
    assert function_hash(first) == function_hash(second) is not None


def test_what_does_something_else_has_another() -> None:
    others = [
        plain, another, helped, otherwise_helped, closed("a"), closed("b"), with_default, one, two,
        Renaming("a"), Renaming("b"), partial(with_default, name="b"), partial(with_default, name="c"),
        rename(a="b"), rename(a="c"), drop("a"), default(a=1), default(a=2),
    ]  # fmt: skip
    hashes = [function_hash(each) for each in others]
    assert len({*hashes}) == len(others)
    assert None not in hashes


def test_a_constant_that_is_used_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    before = function_hash(helped)
    monkeypatch.setitem(plain.__globals__, "RATE", 3)
    assert function_hash(helped) != before
    monkeypatch.setitem(plain.__globals__, "RATE", 2)
    monkeypatch.setitem(plain.__globals__, "NAMES", {})
    assert function_hash(helped) == before


def test_the_fingerprint_is_the_same_in_every_python() -> None:
    assert function_hash(told) == "sha256:7338fa0db7452318951abf2d43f6a946d003127735e5d6ca38e0360242d626a7"


def test_a_function_without_its_source_has_none() -> None:
    scope: dict[str, Any] = {}
    exec("def f(data): return data", scope)  # noqa: S102 - there is no other way to be without a file
    assert function_hash(scope["f"]) is None
