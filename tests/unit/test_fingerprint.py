"""A fingerprint changes with what might change a state, with nothing else, and is the same in every process."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sized
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from refold import Fold, RawEvent, Snapshots, event, upcast
from refold.codec import Codec
from refold.fingerprint import fingerprint
from refold.flows.shortcuts import Saving
from refold.snapshot import state_hint
from refold.upcasting import JsonObject

PROGRAM = '''
"""A shop."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from enum import Enum
from typing import Annotated

import msgspec

from refold import Fold, event, upcast

OLD = ("cart.added", 1)
RATES = {"book": Decimal("0.07"), "wine": Decimal("0.19")}
REDUCED = {"book", "bread", "milk"}
BASE = 1
unit = lambda: "cent"


class Kind(Enum):
    PLAIN = "plain"
    GIFT = "gift"


@event("cart.added", version=2, upcasters=[upcast(*OLD, to=2)(lambda data: {**data, "kind": "plain"})])
class Added:
    item: str
    price: int
    kind: Kind = Kind.PLAIN

    @property
    def is_gift(self) -> bool:
        return self.kind is Kind.GIFT


class Line(msgspec.Struct, frozen=True):
    item: str
    price: Annotated[int, msgspec.Meta(ge=0)]


@dataclass(frozen=True)
class Cart:
    lines: tuple[Line, ...] = ()
    total: int = 0

    def plus(self, line: Line) -> Cart:
        """Another line."""
        return replace(self, lines=(*self.lines, line), total=self.total + taxed(line))

    def __add__(self, other: Cart) -> Cart:
        return replace(self, lines=self.lines + other.lines)


def taxed(line: Line) -> int:
    if line.item in {"book", "bread", "milk"} or line.item in REDUCED:
        return round(line.price * (1 + RATES["book"]))
    return sum(part for part in (line.price, 0))


def free(added: Added, *, of: int = 0) -> bool:
    return added.price <= of


def rounded(price: int) -> int:
    """A price as it is paid."""
    return sum(part * 4 + BASE for part in (price + 3, 2)) if unit() else price


def evolve(cart: Cart, added: Added) -> Cart:
    return cart if free(added) or added.is_gift else cart.plus(Line(added.item, rounded(added.price)))


fold = Fold("cart", Cart, evolve)
'''

CHANGES = {
    "the fold's own code": ("return cart if free(added) or added.is_gift", "return cart if free(added)"),
    "a helper": ("added.price <= of", "added.price < of"),
    "a method of the state": ("total=self.total + taxed(line)", "total=self.total + line.price"),
    "a property of an event": ("self.kind is Kind.GIFT", "self.kind is not Kind.PLAIN"),
    "a constant of the module": ('Decimal("0.19")', 'Decimal("0.20")'),
    "a set in the module": ('REDUCED = {"book", "bread", "milk"}', 'REDUCED = {"book", "bread", "oil"}'),
    "a set in the code": ('in {"book", "bread", "milk"} or', 'in {"book", "bread", "oil"} or'),
    "a generator in the code": ("sum(part for part in", "sum(part + 1 for part in"),
    "a text in a lambda": ('lambda: "cent"', 'lambda: "mill"'),
    "a number after a docstring": ("price + 3", "price + 4"),
    "a number in a generator": ("part * 4", "part * 8"),
    "a constant that only a generator reads": ("BASE = 1", "BASE = 2"),
    "an operator of the state": ("self.lines + other.lines", "other.lines + self.lines"),
    "an attribute that is read": ("added.price <= of", "added.cents <= of"),
    "a parameter that takes the rest": ("(added: Added, *, of: int", "(added: Added, *rest: int, of: int"),
    "a default of a parameter": ("of: int = 0", "of: int = 1"),
    "a default of a state": ("total: int = 0", "total: int = 1"),
    "a default of an event": ("kind: Kind = Kind.PLAIN", "kind: Kind = Kind.GIFT"),
    "a field of the state": ("    total: int = 0\n", "    total: int = 0\n    note: str = ''\n"),
    "a field inside the state": ("    item: str\n    price: Annotated", "    item: str | None\n    price: Annotated"),
    "a bound of a field": ("ge=0", "ge=1"),
    "the value of an enum": ('GIFT = "gift"', 'GIFT = "present"'),
    "the version of an event": ("version=2, upcasters=[upcast(*OLD, to=2)(", "version=3, upcasters=[upcast(*OLD, to=3)("),
    "an upcaster": ('"kind": "plain"}', '"kind": "gift"}'),
    "the name of an event": ("cart.added", "cart.item-added"),
    "the first state": ('Fold("cart", Cart,', 'Fold("cart", lambda: Cart(total=5),'),
}  # fmt: skip
HARMLESS = {
    "a docstring": ('"""Another line."""', '"""One more line."""'),
    "a comment": ("fold = Fold", "# the fold\nfold = Fold"),
    "line breaks": ("    return added.price <= of", "    return (\n        added.price\n        <= of\n    )"),
    "an unused function": ("def taxed", "def unused() -> int:\n    return 1\n\n\ndef taxed"),
    "an annotation of a function": ("def taxed(line: Line) -> int:", "def taxed(line) -> int:"),
    "the name of a local variable": ("part for part in", "piece for piece in"),
}


def of(program: str, name: str = "shop_to_be_told") -> str:
    module = ModuleType(name)
    sys.modules[name] = module
    try:
        exec(compile(program, f"{name}.py", "exec"), module.__dict__)  # noqa: S102 - the program above
        fold: Fold[object, object] = module.__dict__["fold"]
        return fingerprint(fold, state_hint(fold), 1)
    finally:
        del sys.modules[name]


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_might_change_a_state_changes_it(change: tuple[str, str]) -> None:
    changed = PROGRAM.replace(*change)
    assert changed != PROGRAM
    assert of(changed) != of(PROGRAM)


@pytest.mark.parametrize("change", HARMLESS.values(), ids=HARMLESS)
def test_what_changes_no_state_leaves_it(change: tuple[str, str]) -> None:
    changed = PROGRAM.replace(*change)
    assert changed != PROGRAM
    assert of(changed) == of(PROGRAM)


def test_a_module_has_it_under_any_name() -> None:
    assert of(PROGRAM, "__main__of_something") == of(PROGRAM)


LOCAL = """
from refold import Fold, RawEvent

STEP = 1

def evolve(state: int, event: RawEvent) -> int:
    class Steps:
        step = STEP

    return state + Steps.step

fold = Fold("steps", int, evolve, events=(RawEvent,))
"""


@event("a.new")
class New:
    n: int


def by(factor: int) -> type[Any]:
    """Another class, which has the upcaster that leads from an old shape to the new one."""

    @upcast("a.old", 1, to=1, into="a.new")
    def times(old: JsonObject) -> JsonObject:
        return {"n": old["n"] * factor}

    @event("b.any", upcasters=[times])
    class Other:
        n: int

    return Other


def test_an_upcaster_of_another_class_of_the_store_that_leads_to_the_folds_changes_it() -> None:
    fold: Fold[int, Any] = Fold("a", int, lambda state, event: state + event.n, events=(New,))
    one, same, another = (Saving(fold, Snapshots(), Codec([by(factor)])).fingerprint for factor in (1, 1, 2))
    assert (one == same, one == another) == (True, False)


def test_an_upcaster_that_the_store_learns_of_later_changes_it() -> None:
    fold: Fold[int, Any] = Fold("a", int, lambda state, event: state + event.n, events=(New,))
    codec = Codec()
    saving = Saving(fold, Snapshots(), codec)
    before = saving.fingerprint
    codec.form(by(1))
    assert saving.fingerprint == Saving(fold, Snapshots(), Codec([by(1)])).fingerprint != before


def test_a_class_inside_a_function_is_told_by_what_it_reads_and_not_by_the_name_of_its_module() -> None:
    assert of(LOCAL, "__main__of_something") == of(LOCAL) != of(LOCAL.replace("STEP = 1", "STEP = 2"))


def test_what_a_function_by_class_or_a_method_was_called_with_so_far_leaves_it() -> None:
    names = run(BY_CLASS)
    before = fingerprint(names["fold"], int, 1)
    assert names["fold"]([RawEvent("a", {}), RawEvent("b", {})]) == 4
    Sized.register(type("AnotherSized", (), {}))  # which makes such functions look for their classes anew
    assert names["fold"]([RawEvent("a", {})]) == 2
    assert fingerprint(names["fold"], int, 1) == before


@pytest.mark.parametrize("step", ["return 1  # by class", "return 1  # of a method"])
def test_what_a_function_by_class_or_a_method_does_changes_it(step: str) -> None:
    changed = BY_CLASS.replace(step, step.replace("1", "3"))
    assert changed != BY_CLASS
    assert fingerprint(run(changed)["fold"], int, 1) != fingerprint(run(BY_CLASS)["fold"], int, 1)


BY_CLASS = """
from collections.abc import Sized
from functools import singledispatch, singledispatchmethod

from refold import Fold, RawEvent

@singledispatch
def step(event):
    return 0

@step.register
def _(event: Sized):
    return 0

@step.register
def _(event: RawEvent):
    return 1  # by class

class Steps:
    @singledispatchmethod
    def step(self, event):
        return 0

    @step.register
    def _(self, event: RawEvent):
        return 1  # of a method

def evolve(state: int, event: RawEvent) -> int:
    return state + step(event) + Steps().step(event)

fold = Fold("steps", int, evolve, events=(RawEvent,))
"""


def run(program: str) -> dict[str, Any]:
    """What a program defines."""
    module = ModuleType("shop_by_class")
    sys.modules["shop_by_class"] = module
    try:
        exec(compile(program, "shop_by_class.py", "exec"), module.__dict__)  # noqa: S102 - the program above
    finally:
        del sys.modules["shop_by_class"]
    return module.__dict__


def test_raising_the_version_changes_it() -> None:
    fold: Fold[int, RawEvent] = Fold("a", int, lambda state, event: state, events=(RawEvent,))
    assert fingerprint(fold, int, 1) != fingerprint(fold, int, 2)


def test_it_is_32_hexadecimal_digits() -> None:
    assert re.fullmatch("[0-9a-f]{32}", of(PROGRAM))


def test_another_patch_of_the_interpreter_leaves_it_and_another_version_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    major, minor, patch, *rest = sys.version_info
    found = of(PROGRAM)
    with monkeypatch.context() as another:
        another.setattr(sys, "version_info", (major, minor, patch + 1, *rest))
        patched = of(PROGRAM)
        another.setattr(sys, "version_info", (major, minor - 1, patch, *rest))
        older = of(PROGRAM)
    assert (patched == found, older == found) == (True, False)


PARTS = {
    "first": ("def initial():\n    return 1\n", "def initial():\n    return 2\n"),
    "further": ("def evolve(state, event):\n    return 1\n", "def evolve(state, event):\n    return 2\n"),
    "events": ("class Done:\n    limit = 1\n", "class Done:\n    limit = 2\n"),
}
"""An application of three packages."""


@pytest.mark.parametrize("changed", PARTS)
def test_the_packages_of_a_fold_may_be_installed_and_are_looked_into(
    changed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def made(*, change: str = "") -> str:
        names: dict[str, Any] = {}
        for part, programs in PARTS.items():
            module = ModuleType(f"shop_{part}")
            module.__file__ = f"/usr/lib/python3/site-packages/shop_{part}.py"
            monkeypatch.setitem(sys.modules, module.__name__, module)
            exec(programs[part == change], module.__dict__)  # noqa: S102 - the programs above
            names |= vars(module)
        done = event("shop.done")(names["Done"])
        return fingerprint(Fold("shop", names["initial"], names["evolve"], events=(done,)), int, 1)

    assert (made() == made(), made() == made(change=changed)) == (True, False)


def test_every_process_finds_the_same(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(PROGRAM, "utf-8")
    told = "from refold.fingerprint import fingerprint; from refold.snapshot import state_hint"
    as_module = f"{told}; import shop; print(fingerprint(shop.fold, state_hint(shop.fold), 1))"
    (tmp_path / "main.py").write_text(f"{PROGRAM}\n{told}\nprint(fingerprint(fold, state_hint(fold), 1))", "utf-8")
    found = {
        subprocess.run(
            [sys.executable, *arguments], cwd=tmp_path, env={"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("0", "1", "2")
        for arguments in (["-c", as_module], ["main.py"])
    }
    assert len(found) == 1
