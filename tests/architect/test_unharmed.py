"""Reading runs nothing, ends, and is over soon, whatever the code is that is read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from refold import App
from refold.architect import derive, reading, review
from refold.architect.frames import Frame

PROGRAM = """
import builtins
from functools import cached_property, partial, lru_cache


@event("a.done")
class Done:
    n: int = 0


def ran(*args: Any) -> Any:
    raise SystemExit("code of the application ran")


class Lazy:
    @cached_property
    def cached(self) -> Any:
        return ran()

    @property
    def computed(self) -> Any:
        return ran()

    __eq__ = __hash__ = __bool__ = __len__ = __iter__ = __getitem__ = __call__ = ran


class Proxy:
    @property
    def __class__(self) -> Any:
        return ran()

    def __getattr__(self, name: str) -> Any:
        return ran()


class Everything(Proxy):
    def __getattribute__(self, name: str) -> Any:
        return ran()


class OfClass(type):
    def __getattr__(cls, name: str) -> Any:
        return ran()

    def __eq__(cls, other: object) -> Any:
        return ran()

    def __hash__(cls) -> int:
        return id(cls)


class Odd(metaclass=OfClass): ...


class Descriptor:
    def __get__(self, thing: Any, cls: Any = None) -> Any:
        return ran()


class Described:
    there = Descriptor()
    method = lru_cache(ran)
    part = partial(ran)


lazy, other, proxy, everything, described = Lazy(), Lazy(), Proxy(), Everything(), Described()
endless: list[Any] = [1]
endless.append(endless)
TABLE = {lambda: 1: 1, "a": lazy, proxy: proxy}


def evolve(state: int, event: Done) -> int:
    %s
    return state


app = App(Fold("a", initial=int, evolve=evolve))
"""
CODE = [
    "lazy.cached",
    "lazy.computed",
    "lazy.cached.more()[0]",
    "lazy if event.n else other",
    "x = lazy; x = other; x == lazy",
    "[each for each in lazy]; lazy[0]; lazy[:]; bool(lazy); lazy in [other]",
    "lazy(); lazy(event)",
    "proxy.anything; proxy.anything(); proxy(); proxy[0]",
    "proxy if event.n else lazy",
    "(proxy, everything)[event.n]; [proxy, everything]; TABLE[proxy]; TABLE['a']; TABLE[[1]]; TABLE[event.n]()",
    "everything.anything; everything(); everything[0]; x = everything; x += [1]",
    "isinstance(event, proxy); isinstance(event, (Odd, proxy)); type(event) is proxy",
    "Odd.there; Odd(); isinstance(event, Odd); Odd == Odd",
    "described.there; Described.there; described.method; described.part",
    "endless[0]; [*endless]; endless if event.n else [1]",
    "for each in endless: each.n = 1",
    "x = " + " + ".join(["event.n"] * 900),
    "partial(proxy, 1)(2); partial(evolve, 1)(2)",
]


@pytest.mark.parametrize("code", CODE, ids=range(len(CODE)))
def test_none_of_the_objects_is_asked_anything(code: str, app_of: Callable[[str], App]) -> None:
    assert review(app_of(PROGRAM % code)) == []


HELPED = """
@event("a.done")
class Done:
    n: int = 0


def helper_0(n):
    return datetime.now(UTC)


%s


def evolve(state: int, event: Done) -> int:
    return helper_%s(event.n)


app = App(Fold("a", initial=int, evolve=evolve))
"""


def test_a_helper_is_read_once_for_the_same_arguments(
    app_of: Callable[[str], App], monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def frame(function: Any, *others: Any) -> Frame:
        read.append(function.__name__)
        return Frame(function, *others)

    monkeypatch.setattr(reading, "Frame", frame)
    helpers = "\n\n\n".join(f"def helper_{level}(n):\n" + f"    helper_{level - 1}(n)\n" * 3 for level in range(1, 8))
    (found,) = review(app_of(HELPED % (helpers, 7)))
    assert found.rule == "ES040"
    assert read == ["int", "evolve", *(f"helper_{level}" for level in range(7, -1, -1))]


def test_helpers_that_call_each_other_are_read_to_the_end(app_of: Callable[[str], App]) -> None:
    helpers = """
def helper_1(n):
    helper_2(n)
    helper_2(n)


def helper_2(n):
    helper_1(n)
    helper_0(n)


def helper_3(n):
    return helper_1(n), helper_2(n)
"""
    (found,) = review(app_of(HELPED % (helpers, 3)))
    assert found.rule == "ES040"


def test_what_raises_while_it_is_read_cannot_be_told(
    app_of: Callable[[str], App], monkeypatch: pytest.MonkeyPatch
) -> None:
    app = app_of("""
@command("a.do")
class Do: ...


@event("a.done")
class Done: ...


def odd(state: bool) -> bool:
    return lambda: state


def decide(command: Do, state: bool) -> Iterator[Done]:
    datetime.now(UTC)
    if odd(state):
        yield Done()


app = App(Decider("a", initial=bool, evolve=lambda state, event: True, events=(Done,), decide=decide))
""")

    def raises(*_: object) -> None:
        raise ValueError

    monkeypatch.setattr("refold.architect.expressions.Local", raises)
    (fold,) = derive(app).folds
    assert (fold.known, fold.emits, [each.rule for each in review(app)]) == (False, ("a.done",), ["ES041"])
