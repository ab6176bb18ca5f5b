"""A fingerprint changes with the value of a constant that a fold reads, whatever the value is of."""

from __future__ import annotations

import operator
import re
import subprocess
import sys
from array import array
from collections import ChainMap, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta, tzinfo
from enum import Enum, Flag
from fractions import Fraction
from functools import cached_property
from ipaddress import ip_address
from pathlib import Path, PurePosixPath
from threading import Lock
from types import MappingProxyType, SimpleNamespace
from typing import Any

import attrs
import msgspec
import pydantic
import pytest

from refold import Fold, RawEvent
from refold.fingerprint import fingerprint


def of(constant: object) -> str:
    """The fingerprint of a fold that reads this constant."""

    def evolve(state: int, event: RawEvent) -> int:
        return state + bool(constant)

    return fingerprint(Fold("x", int, evolve, events=(RawEvent,)), int, 1)


class Rate(pydantic.BaseModel):
    percent: int
    _step: int = 0


class Secret(pydantic.BaseModel):
    step: int
    _step: int = pydantic.PrivateAttr(0)

    def __init__(self, step: int) -> None:
        super().__init__(step=0)
        self._step = step


@attrs.frozen
class Limit:
    cents: int


@dataclass(frozen=True, slots=True)
class Tariff:
    cents: int


@dataclass(eq=False)
class Node:
    name: str
    parent: Node | None = None
    children: list[Node] = field(default_factory=list["Node"])


class Struct(msgspec.Struct, frozen=True):
    cents: int


class Plain:
    def __init__(self, cents: int) -> None:
        self.cents = cents

    def price(self) -> int:
        return self.cents


class Slotted:
    __slots__ = ("cents", "unset")

    def __init__(self, cents: int) -> None:
        self.cents = cents


class Lines(deque[int]): ...


class Table(dict[str, int]):
    def __missing__(self, key: str) -> int:
        return 0


class Colour(Enum):
    RED = 1
    BLUE = 2


class Inner:
    def __init__(self, *within: object) -> None:
        self.within = within


def tree(leaf: str) -> Node:
    root = Node("root")
    root.children.append(Node(leaf, root))
    return root


def ring(name: str) -> dict[str, object]:
    found: dict[str, object] = {"name": name}
    found["self"] = [found]
    return found


def chain(end: int) -> list[object]:
    found: list[object] = [end]
    for _ in range(3000):
        found = [found]
    return found


def knot(name: str, size: int = 30) -> list[Node]:
    """Nodes that all know each other."""
    nodes = [Node(str(number)) for number in range(size)]
    for node in nodes:
        node.children.extend(nodes)
    nodes[7].name = name
    return nodes


CONSTANTS: Mapping[str, Callable[[int], object]] = {
    "a pattern": lambda n: re.compile(f"[a-z]{{{n}}}"),
    "the flags of a pattern": lambda n: re.compile("a", re.IGNORECASE if n == 1 else 0),
    "a fraction": lambda n: Fraction(1, n + 1),
    "a pydantic model": lambda n: Rate(percent=n),
    "what is private in a pydantic model": Secret,
    "an attrs instance": Limit,
    "a dataclass with slots": Tariff,
    "a struct": Struct,
    "an instance": Plain,
    "an instance with slots": Slotted,
    "a bound method": lambda n: Plain(n).price,
    "a bound method that is built in": lambda n: {"a": n}.get,
    "a method of a class that is built in": lambda n: str.upper if n == 1 else str.lower,
    "an item getter": operator.itemgetter,
    "an attribute getter": lambda n: operator.attrgetter(f"a{n}"),
    "a deque": lambda n: deque([n]),
    "the class of a deque": lambda n: (deque if n == 1 else Lines)([1]),
    "a deque of the application": lambda n: Lines([n]),
    "an array": lambda n: array("i", [n]),
    "a namespace": lambda n: SimpleNamespace(a=n),
    "bytes that can be changed": lambda n: bytearray([n]),
    "a slice": slice,
    "a path": lambda n: PurePosixPath(f"a/{n}"),
    "an address": ip_address,
    "a view of a dict": lambda n: MappingProxyType({"a": n}),
    "a chain of dicts": lambda n: ChainMap({"a": n}),
    "a dict of the application": lambda n: Table(a=n),
    "the class of a dict": lambda n: (dict if n == 1 else Table)(a=1),
    "an ordered dict": lambda n: OrderedDict(a=n),
    "the default of a dict": lambda n: defaultdict(int if n == 1 else str),
    "the default of an attrs field": lambda n: attrs.make_class("Made", {"a": attrs.field(default=attrs.Factory(lambda: n))}),
    "a choice of an attrs field": lambda n: attrs.make_class("Made", {"a": attrs.field(validator=attrs.validators.in_([n]))}),
    "the default of a pydantic field": lambda n: pydantic.create_model(
        "Made", a=(int, pydantic.Field(default_factory=lambda: n))
    ),
    "an instance in an instance in a list": lambda n: [Inner({"a": (Plain(n),)})],
    "a tree whose leaves know their parents": lambda n: tree(f"leaf {n}"),
    "a dict that is in itself": lambda n: ring(f"ring {n}"),
    "the end of a long chain": chain,
    "one of many that all know each other": lambda n: knot(f"node {n}"),
    "one of a set who all know each other": lambda n: [{*each.children} for each in knot(f"node {n}", size=20)[:2]],
    "a set in an instance in a set": lambda n: {Inner({Inner({Inner(n)})})},
    "an instance in a set": lambda n: {Tariff(n), Tariff(3)},
    "a member in a set": lambda n: {Colour(n)},
}  # fmt: skip


@pytest.mark.parametrize("made", CONSTANTS.values(), ids=CONSTANTS)
def test_another_value_changes_it_and_the_same_made_again_does_not(made: Callable[[int], object]) -> None:
    assert (of(made(1)) == of(made(1)), of(made(1)) == of(made(2))) == (True, False)


class Guarded:
    """Runs nothing when it is looked at."""

    def __init__(self) -> None:
        self.cents = 1

    @property
    def price(self) -> int:
        raise AssertionError

    def __getattr__(self, name: str) -> object:
        raise AssertionError(name)

    def __reduce__(self) -> str:
        raise AssertionError

    def __repr__(self) -> str:
        raise AssertionError

    __eq__ = __hash__ = __iter__ = __len__ = __bool__ = __reduce__  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]


class GuardedMapping(Mapping[str, int]):
    def __init__(self, cents: int) -> None:
        self.cents = cents

    def __getitem__(self, key: str) -> int:
        raise AssertionError

    def __iter__(self) -> Iterator[str]:
        raise AssertionError

    def __len__(self) -> int:
        raise AssertionError


@dataclass
class Shadowed:
    cents: int


def refuse(_: object) -> object:
    raise AssertionError


# So that the field is read through a property.
setattr(Shadowed, "cents", property(refuse, lambda self, cents: vars(self).update(_cents=cents)))  # noqa: B010


class Zone(tzinfo):
    def __init__(self, hours: int) -> None:
        self.hours = hours

    def utcoffset(self, dt: object) -> timedelta:
        return timedelta(hours=self.hours)


@pytest.mark.parametrize("made", [GuardedMapping, Shadowed, Zone])
def test_an_object_of_the_application_is_told_by_what_it_holds_and_none_of_its_code_runs(
    made: Callable[[int], object],
) -> None:
    assert (of(made(1)) == of(made(1)), of(made(1)) == of(made(2))) == (True, False)
    assert of(Guarded()) == of(Guarded())


class Counting:
    """What is computed once it is asked for follows from the rest."""

    def __init__(self) -> None:
        self.asked = 0

    @cached_property
    def price(self) -> int:
        return 5


def test_what_an_instance_has_computed_and_kept_so_far_leaves_it() -> None:
    asked = Counting()
    assert asked.price == 5
    assert of(asked) == of(Counting())


def test_which_members_of_an_enum_were_combined_so_far_leaves_it() -> None:
    class Options(Flag):
        A = 1
        B = 2

    before = of(Options)
    assert (Options(3), of(Options)) == (Options.A | Options.B, before)


@pytest.mark.parametrize(
    "made", [Lock, object, lambda: iter([1]), lambda: (each for each in [1]), lambda: Slotted.__new__(Slotted)],
    ids=["lock", "object", "iterator", "generator", "unset"],
)  # fmt: skip
def test_what_cannot_be_told_is_told_by_its_class(made: Callable[[], object]) -> None:
    assert of(made()) == of(made())


def test_a_chain_of_functions_may_be_long() -> None:
    def made(end: int) -> str:
        names: dict[str, Any] = {"__name__": "__main__", "RawEvent": RawEvent}
        exec("\n".join(f"def f{n}(e): return f{n + 1}(e)" for n in range(1000)), names)  # noqa: S102
        exec(f"def f1000(e): return {end}\ndef evolve(state: int, event: RawEvent) -> int: return f0(event)", names)  # noqa: S102
        return fingerprint(Fold("x", int, names["evolve"], events=(RawEvent,)), int, 1)

    assert (made(1) == made(1), made(1) == made(2)) == (True, False)


PROGRAM = """
import re
from collections import ChainMap, deque
from dataclasses import dataclass
from enum import Enum, Flag
from ipaddress import ip_address
from pathlib import PurePosixPath
from refold import Fold, RawEvent

class Left(Enum):
    A = 1
class Right(Enum):
    A = 1
class One: limit = 1
class Two: limit = 2
class Three: limit = 3
@dataclass(frozen=True)
class Tariff:
    name: str
    of: frozenset
class Plain:
    def __init__(self, **names):
        self.__dict__ |= names
def f(): return One
def g(): return Two

CONSTANTS = (
    {One, Two, Three, f, g, int, str, Left.A, Right.A}, frozenset({Tariff("a", frozenset("abc")), Tariff("b", frozenset("ab"))}),
    {("a", One), ("b", Two)}, re.compile("a"), deque("a"), ip_address("::1"), PurePosixPath("a/b"), ChainMap({"a": 1}),
    Plain(a=Plain(b={"x", "y", "z"})), Plain().__init__, {Tariff("a", frozenset({Tariff("c", frozenset())})): One},
)

def evolve(state: int, event: RawEvent) -> int:
    return state if event.type in CONSTANTS else state + 1

fold = Fold("x", int, evolve, events=(RawEvent,))
"""


def test_every_process_finds_the_same(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(PROGRAM, "utf-8")
    program = (
        "pad = [object() for _ in range({})]; import shop; from refold.fingerprint import fingerprint; "
        "hash(shop.CONSTANTS[6]); print(fingerprint(shop.fold, int, 1))"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", program.format(seed * 999)],
            cwd=tmp_path, env={"PYTHONHASHSEED": str(seed)}, capture_output=True, check=True,
        ).stdout
        for seed in range(6)
    }  # fmt: skip
    assert len(found) == 1
