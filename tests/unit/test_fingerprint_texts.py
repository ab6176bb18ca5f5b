"""What a fingerprint is made of: texts that stay as they are, or every state that was saved would be passed over."""

from __future__ import annotations

import dataclasses
import re
import sys
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from functools import cache, cached_property, partial
from threading import Lock
from types import CodeType, FunctionType, ModuleType
from typing import Any, NewType, Self, TypeVar

import attrs
import msgspec
import pydantic
import pytest

from refold.fingerprint import _Describing, _has_docstring, is_filled
from refold.reach import owners
from refold.testing.contract.sample import Deposited, accounts

T = TypeVar("T")
Number = NewType("Number", int)


class Colour(Enum):
    RED = 1


@dataclasses.dataclass(frozen=True)
class Point:
    x: int
    y: int = 2


@dataclasses.dataclass(frozen=True)
class Unset:
    x: int = dataclasses.field(init=False)


class Box(msgspec.Struct, frozen=True):
    x: int
    y: list[int] = []


@attrs.frozen
class Pair:
    x: int = 3


class Model(pydantic.BaseModel):
    x: int = pydantic.Field(ge=0)


class Plain:
    limit = 5

    @staticmethod
    def static() -> int:
        return 1

    def method(self) -> int:
        return 2

    @classmethod
    def of_class(cls) -> int:
        return 3


class Alias:
    """What `type Alias = tuple[int, ...]` is at run time, in an interpreter that has the statement."""

    __value__ = tuple[int, ...]


def helper(of: int = 7) -> int:
    return of


def both(a: int, b: int) -> int:
    return a + b


def told(value: object, *own: str) -> str:
    return _Describing({__name__, *own}).of(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "NoneType None"),
        (True, "bool True"),
        (1.5, "float 1.5"),
        ("a", "str 'a'"),
        (Decimal("1.0"), "Decimal Decimal('1.0')"),
        (date(2026, 1, 2), "date datetime.date(2026, 1, 2)"),
        ((1, "a"), "tuple(int 1, str 'a')"),
        ([1, 2], "#0"),
        ({"b", "a"}, "#0"),
        (frozenset({2, 1}), "set(int 1, int 2)"),
        ({"a": 1, "b": 2}, "#0"),
        (len, "built-in builtins.len"),
        (int, "builtins.int"),
        (sys, "module sys"),
        (pytest, f"module pytest {pytest.__version__}"),
        (T, "variable T"),
        (list[int], "builtins.list[builtins.int]"),
        (int | None, "union[builtins.int, builtins.NoneType]"),
        (dict[str, int], "builtins.dict[builtins.str, builtins.int]"),
        (msgspec.Meta(ge=0), "msgspec.Meta(ge=0)"),
        (Any, "typing.Any"),
        (Number, "builtins.int"),
        (Alias(), "builtins.tuple[builtins.int, ellipsis Ellipsis]"),
        (Colour.RED, "#0.RED"),
        (Point(1), "#0"),
        (Unset(), "#0"),
        (Box(1), "#0"),
        (Pair(), "#0"),
        (Plain(), "#0"),
        (helper, "#0"),
        (Plain().method, "bound(#0, #1)"),
        (partial(both, 1, b=2), "partial(#0, tuple(int 1), map(str 'b': int 2))"),
        (cache(helper), "around(#0)"),
        (vars(Plain)["static"], "static(#0)"),
        (vars(Plain)["of_class"], "class(#0)"),
        (property(helper), "property(#0)"),
        (cached_property(helper), "property(#0)"),
        (Self, "typing.Self"),
        (sys.modules[__name__], "module "),
    ],
)
def test_a_value_is_told_so_for_ever(value: object, text: str) -> None:
    assert told(value) == text


@pytest.mark.parametrize(
    ("value", "texts"),
    [
        ([1, [2]], ["list(int 1, #1)", "list(int 2)"]),
        ({"b", "a"}, ["set(str 'a', str 'b')"]),
        ({"a": 1, "b": 2}, ["map(str 'a': int 1, str 'b': int 2)"]),
        (OrderedDict(a=1), ["collections.OrderedDict() map(str 'a': int 1)"]),
        (defaultdict(int), ["collections.defaultdict(str 'default_factory': builtins.int) map()"]),
        (Point(1), ["#1(x=int 1, y=int 2)"]),
        (Unset(), ["#1(x=NoneType None)"]),
        (Box(1), ["#1(x=int 1, y=#2)"]),
        (Pair(), ["#1(x=int 3)"]),
        (Plain(), ["#1()"]),
        (Fraction(1, 2), ["some fractions.Fraction: fractions.Fraction, tuple(int 1, int 2)"]),
        (re.compile("a"), ["some re.Pattern: re._compile, tuple(str 'a', int 32)"]),
        (iter([1]), ["some builtins.list_iterator"]),
        (Lock(), ["_thread.lock()"]),
    ],
)
def test_what_has_an_identity_is_told_once_by_what_it_holds(value: object, texts: list[str]) -> None:
    assert defined(value)[: len(texts)] == texts


def test_what_is_in_itself_is_told_by_its_number() -> None:
    inside: list[object] = []
    inside.append({"of": inside})
    assert defined(inside) == ["list(#1)", "map(str 'of': #0)"]


def defined(value: object) -> list[str]:
    describing = _Describing({__name__})
    describing.of(value)
    return describing.definitions


def test_a_class_is_told_by_its_bases_its_fields_and_its_own_attributes() -> None:
    bases = "tuple(builtins.object)"
    assert defined(Colour)[0].startswith("Colour: tuple(enum.Enum); tuple(); tuple(tuple(str 'RED', int 1))")
    assert defined(Point)[0].startswith(
        f"Point: {bases}; tuple(tuple(str 'x', builtins.int), tuple(str 'y', builtins.int)); "
        "tuple(str 'x', bool True, bool False, NoneType None, NoneType None); "
        "tuple(str 'y', bool True, bool False, tuple(str 'default', int 2), NoneType None)"
    )
    assert "tuple(str 'y', str 'y', NoneType None, tuple(str 'default', builtins.list))" in defined(Box)[0]
    assert "tuple(str 'x', int 3, NoneType None, NoneType None)" in defined(Pair)[0]
    assert "map(str 'minimum': int 0, str 'title': str 'X', str 'type': str 'integer')" in defined(Model)
    assert (
        defined(Plain)[0]
        == f"Plain: {bases}; tuple(); limit = int 5; static = static(#1); method = #2; of_class = class(#3)"
    )


@pytest.mark.parametrize("cls", [Point, Pair])
def test_the_methods_that_a_decorator_writes_are_not_told(cls: type[Any]) -> None:
    assert [name for name in ("__init__", "__eq__", "__hash__") if f"{name} = " in defined(cls)[0]] == []


def test_a_function_is_told_by_its_defaults_and_its_code_and_once() -> None:
    describing = _Describing({__name__})
    assert (describing.of(helper), describing.of(helper), len(describing.definitions)) == ("#0", "#0", 1)
    assert describing.definitions[0].startswith("helper: tuple(tuple(int 7), tuple(), tuple()); ")


def test_no_number_is_given_to_two_that_live_one_after_the_other() -> None:
    def another() -> Callable[[], int]:
        return lambda: 1

    describing = _Describing({__name__})
    numbers = [describing.of(another()) for _ in range(9)]
    assert numbers == [f"#{number}" for number in range(9)]


def test_a_closure_is_told_by_what_it_holds_as_far_as_that_is_there() -> None:
    def made(of: int) -> Callable[[], int]:
        def inner() -> int:
            return of + (later if of > 100 else 0)

        if of == 5:
            return inner
        later = 6
        return inner

    full, half = made(4), made(5)
    assert [is_filled(cell) for cell in full.__closure__ or ()] == [True, True]
    assert [is_filled(cell) for cell in half.__closure__ or ()] == [False, True]
    assert "tuple(int 6, int 4)" in defined(full)[0]
    assert "tuple(int 5)" in defined(half)[0]


def living(program: str, module: str | None, **names: object) -> FunctionType:
    """The function `f` of a program, as though it stood in a module."""
    found = {"__name__": module, **names}
    exec(program, found)  # noqa: S102 - the programs below
    function = found["f"]
    assert isinstance(function, FunctionType)
    return function


def of_module(name: str, place: str, **names: object) -> ModuleType:
    module = ModuleType(name)
    vars(module).update({"__file__": place, **names})
    return module


def test_what_a_function_takes_from_a_module_of_the_application_is_told_and_from_another_only_its_name() -> None:
    rates = of_module("rates", "/app/rates.py", VAT=19, OTHER=7)
    program = "def f(): return rates.VAT, sys.version, rates.unknown"
    found = _Describing({"rates", "app"})
    found.of(living(program, "app", rates=rates, sys=sys))
    assert found.definitions[0].partition("; rates = ")[2] == "module ; .VAT = int 19; sys = module sys"


def test_what_others_made_is_told_by_its_name_and_release() -> None:
    assert told(pytest.approx) == f"{pytest.approx.__module__}.approx {pytest.__version__}"
    assert told(msgspec.Struct) == f"msgspec.Struct {msgspec.__version__}"


@pytest.mark.parametrize(
    ("place", "release", "own", "text"),
    [
        ("/usr/lib/python3.11/site-packages/shop/parts.py", "1.2", "", "shop.parts.f 1.2"),
        ("/usr/lib/python3/dist-packages/shop/parts.py", "1.2", "", "shop.parts.f 1.2"),
        ("/usr/lib/python3/dist-packages/shop/parts.py", (1, 2), "", "shop.parts.f"),
        ("/usr/lib/python3/dist-packages/shop/parts.py", "1.2", "shop", "#0"),
        ("/usr/lib/python3/dist-packages/shop/parts.py", "1.2", "shop.parts", "#0"),
        ("/home/me/shop/parts.py", "1.2", "", "#0"),
        (None, "1.2", "", "#0"),
    ],
)
def test_a_function_is_told_by_its_name_if_its_module_was_installed_and_is_not_the_applications(
    place: str, release: object, own: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "shop", of_module("shop", place, __version__=release))
    monkeypatch.setitem(sys.modules, "shop.parts", of_module("shop.parts", place))
    assert _Describing({own}).of(living("def f(): ...", "shop.parts")) == text


def test_what_stands_in_no_module_is_told_by_its_name() -> None:
    assert told(living("def f(): ...", None)) == "None.f"


def test_msgspec_is_told_by_its_name_wherever_it_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(msgspec, "__file__", "/var/task/msgspec/__init__.py")
    assert told(msgspec.Struct) == f"msgspec.Struct {msgspec.__version__}"


def code(**changed: Any) -> CodeType:
    return helper.__code__.replace(**changed)


@pytest.mark.parametrize(
    ("version", "flagged", "first", "name", "found"),
    [
        ((3, 13), 0, ("text",), "f", True),
        ((3, 13), 0, (None, "text"), "f", False),
        ((3, 13), 0, (), "f", False),
        ((3, 13), 0, ("text",), "<lambda>", False),
        ((3, 13), 0x4000000, (None,), "f", False),
        ((3, 14), 0x4000000, (None,), "f", True),
        ((3, 14), 0, ("text",), "f", False),
        ((3, 15), 0x4000000, ("text",), "f", True),
    ],
)  # fmt: skip
def test_where_a_docstring_stands_depends_on_the_interpreter(
    version: tuple[int, int], flagged: int, first: tuple[object, ...], name: str, found: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    of_function = code(co_flags=helper.__code__.co_flags | flagged, co_consts=first, co_name=name)
    with monkeypatch.context() as another:
        another.setattr(sys, "version_info", version)
        has = _has_docstring(of_function)
    assert has is found


def test_the_application_owns_the_packages_of_its_parts() -> None:
    assert list(owners(helper, int, accounts.evolve)) == [
        "__main__",
        __name__.partition(".")[0],
        accounts.evolve.__module__,
    ]
    assert list(owners(Deposited)) == ["__main__", "refold.testing.contract.sample"]
    assert list(owners("".upper, (5).__add__)) == ["__main__", "", ""]  # which stand in none
