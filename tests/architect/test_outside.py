"""What code looks at outside is found wherever it stands: in a state, in a default, in an assertion."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from refold import App
from refold.architect import review

HEAD = """
import os
import os.path
import time
from functools import cached_property, partial

from msgspec import Struct
from msgspec import field as made


@event("a.done")
class Done:
    n: int = 0


@dataclass(frozen=True)
class State:
    n: int = 0

    @property
    def age(self) -> float:
        return time.time() - self.n

    @cached_property
    def host(self) -> str:
        return open("/etc/hostname").read()


@dataclass(frozen=True)
class Stamped:
    n: int = 0
    at: float = field(default_factory=time.time)


class Struck(Struct):
    n: int = 0
    at: float = made(default_factory=time.time)


class Built:
    def __init__(self, at: float | None = None) -> None:
        self.at = at or time.time()


@dataclass(frozen=True)
class Checked:
    n: int = 0

    def __post_init__(self) -> None:
        assert time.time() > self.n


def helped(n: int, *, now: Any = time.time) -> int:
    return int(now())


class Rates:
    @property
    def now(self) -> float:
        return time.time()


rates, fixed = Rates(), partial(helped, 1)


"""
FOLD = """
def evolve(state: %(state)s, event: Done%(more)s) -> %(state)s:
    %(body)s
    return state


app = App(Fold("a", initial=%(state)s, evolve=evolve))
"""


def _program(body: str = "pass", state: str = "State", more: str = "") -> str:
    return HEAD + FOLD % {"body": body, "state": state, "more": more}


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ("state.age", "time.time()"),
        ("state.host", "open()"),
        ("rates.now", "time.time()"),
        ("helped(1)", "time.time()"),
        ("fixed()", "time.time()"),
        ("assert time.time() > 0", "time.time()"),
        ("assert event.n, time.time()", "time.time()"),
        ("try: pass\n    except* ValueError: time.time()", "time.time()"),
        ("Stamped()", "time.time()"),
        ("Struck(1)", "time.time()"),
        ("Built()", "time.time()"),
        ("Checked()", "time.time()"),
        ("os.path.exists('x')", "os.path.exists()"),
        ("os.path.getmtime('x')", "os.path.getmtime()"),
        ("os.listdir('x')", "os.listdir()"),
        ("os.remove('x')", "os.remove()"),
        ("os.makedirs('x')", "os.makedirs()"),
        ("os.getenv('X')", "os.getenv()"),
    ],
)
def test_it_is_found_wherever_it_stands(body: str, named: str, app_of: Callable[[str], App]) -> None:
    (found,) = review(app_of(_program(body)))
    assert (found.rule, named in found.message) == ("ES040", True)


@pytest.mark.parametrize("state", ["Stamped", "Struck", "Built", "Checked"])
def test_an_initial_state_that_is_made_otherwise_each_time_is_found(state: str, app_of: Callable[[str], App]) -> None:
    (found,) = review(app_of(_program(state=state)))
    assert (found.rule, found.message.startswith("initial of 'a' reads the clock: time.time().")) == ("ES040", True)


def test_a_clock_that_is_a_default_is_found(app_of: Callable[[str], App]) -> None:
    (found,) = review(app_of(_program("now()", more=", now: Any = time.time")))
    assert found.rule == "ES040"


@pytest.mark.parametrize(
    "body",
    [
        "helped(1, now=lambda: 3)",
        "helped(1, **{'now': lambda: 3})",
        "helped(*[1], **event.more)",
        "Stamped(1, 2.0)",
        "Stamped(at=2.0)",
        "Struck(1, 2.0)",
        "os.path.join('a', 'b')",
        "os.path.basename('a')",
        "from psycopg.types.json import Jsonb; Jsonb({})",
        "from psycopg.sql import SQL; SQL('select 1')",
    ],
)
def test_what_is_given_or_only_makes_a_value_is_let_be(body: str, app_of: Callable[[str], App]) -> None:
    assert review(app_of(_program(body))) == []
