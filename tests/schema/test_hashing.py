"""Fingerprints of functions change with what they do, and with nothing else."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import UUID

import attrs
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


CONSTANT: object = None


def with_constant(data: Data) -> object:
    return data, CONSTANT


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


class Colour(Enum):
    RED = 1
    BLUE = 2


@dataclass(frozen=True)
class Rate:
    percent: int


@attrs.frozen
class Limit:
    cents: int


class Steps:
    def __init__(self, step: int) -> None:
        self.step = step

    def by(self, data: Data) -> object:
        return data["a"] * self.step


def ring(number: int) -> list[object]:
    found: list[object] = [number]
    found.append(found)
    return found


CONSTANTS: dict[str, Callable[[int], object]] = {
    "a decimal": lambda n: Decimal(n) / 10,
    "a date": lambda n: date(2026, 1, n),
    "a time": lambda n: datetime(2026, 1, n, tzinfo=UTC),
    "a duration": lambda n: timedelta(days=n),
    "an id": lambda n: UUID(int=n),
    "a fraction": lambda n: Fraction(1, n + 1),
    "a member": Colour,
    "a pattern": lambda n: re.compile(f"[a-z]{{{n}}}"),
    "the flags of a pattern": lambda n: re.compile("a", re.IGNORECASE if n == 1 else 0),
    "a dataclass": Rate,
    "an attrs instance": Limit,
    "an instance": Steps,
    "a bound method": lambda n: Steps(n).by,
    "a function with what it is called with": lambda n: partial(with_default, name=str(n)),
    "what is built in with what it is called with": lambda n: partial(round, ndigits=n),
    "a function behind a cache": lambda n: cache(plain if n == 1 else another),
    "a list that is in itself": ring,
    "a value that was there before": lambda n: {"a": 1, "b": 2, "c": n},
    "what comes again in a tuple": lambda n: ((1, 2), n),
}


@pytest.mark.parametrize("made", CONSTANTS.values(), ids=CONSTANTS)
@pytest.mark.parametrize("within", [lambda value: value, lambda value: {"EUR": value}], ids=["alone", "in a dict"])
def test_another_constant_of_any_kind_changes_it(
    made: Callable[[int], object], within: Callable[[object], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    def hashed(number: int) -> str | None:
        monkeypatch.setitem(with_constant.__globals__, "CONSTANT", within(made(number)))
        return function_hash(with_constant)

    assert (hashed(1) == hashed(1) is not None, hashed(1) == hashed(2)) == (True, False)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (rename(a="b", c="b"), rename(a="b", c="a")),
        (upcast("a", 1, to=2)(rename(a="b"), drop("a")).change, upcast("a", 1, to=2)(rename(a="b"), drop("b")).change),
        (closed("name"), closed("data")),
        (Steps(1).by, Steps(2).by),
    ],
    ids=["rename", "rename and drop", "closure", "bound method"],
)
def test_a_value_counts_though_it_was_there_before(one: object, other: object) -> None:
    assert function_hash(one) != function_hash(other)


WAYS = {
    "by its name": ("from rates_to_hash.rules import rate", "return rate()"),
    "through its module": ("import rates_to_hash.rules", "return rates_to_hash.rules.rate()"),
    "through an import inside": ("", "from rates_to_hash.rules import rate; return rate()"),
    "through a relative import inside": ("", "from .rules import rate; return rate()"),
    "as a constant": ("from rates_to_hash.rules import RATE", "return RATE"),
    "as a constant of its module": ("from rates_to_hash import rules", "return rules.RATE"),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_what_is_in_another_module_of_the_application_counts(
    way: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    above, body = way

    def hashed(rate: str) -> str | None:
        folder = tmp_path / rate / "rates_to_hash"
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text("", "utf-8")
        (folder / "rules.py").write_text(
            f"RATE = {rate}\ndef rate(): return RATE\ndef unused(): return {rate}\n", "utf-8"
        )
        (folder / "upcasters.py").write_text(f"{above}\ndef change(data): {body}\n", "utf-8")
        with monkeypatch.context() as patched:
            patched.syspath_prepend(folder.parent)
            made: Any = import_module("rates_to_hash.upcasters")

            found = function_hash(made.change)
        for name in [name for name in sys.modules if name.partition(".")[0] == "rates_to_hash"]:
            del sys.modules[name]
        return found

    assert None is not hashed("2") != hashed("3")


@pytest.mark.parametrize(
    ("function", "digits"),
    [
        (plain, "8915351bf994"),
        (helped, "94a7f1a87b8c"),
        (with_default, "35100af04cac"),
        (closed("a"), "67b1560b1997"),
        (Renaming("a"), "71c8399b360a"),
        (upcast("a", 1, to=2)(rename(a="b"), drop("c")).change, "22db4e7ec8a1"),
        (default(a=None), "05b48edf2b9b"),
        (partial(with_default, name="b"), "24a16399febf"),
    ],
    ids=["function", "helper", "default", "closure", "object", "ready-made", "none", "partial"],
)
def test_the_locks_of_development_versions_stay_valid(function: object, digits: str) -> None:
    assert str(function_hash(function)).startswith(f"sha256:{digits}")


def test_the_fingerprint_is_the_same_in_every_python() -> None:
    assert function_hash(told) == "sha256:7338fa0db7452318951abf2d43f6a946d003127735e5d6ca38e0360242d626a7"


def test_a_function_without_its_source_has_none() -> None:
    scope: dict[str, Any] = {}
    exec("def f(data): return data", scope)  # noqa: S102 - there is no other way to be without a file
    assert function_hash(scope["f"]) is None
