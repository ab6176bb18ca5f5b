"""ES042: what changes a state in place is found, however it is reached; what changes a copy is let be."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from refold import App
from refold.architect import review

HEAD = """
import copy
from collections import deque


@event("cart.added")
class Added:
    sku: str


@dataclass
class Line:
    sku: str
    count: int = 1


@dataclass
class Cart:
    skus: list[str] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    by: dict[str, list[str]] = field(default_factory=dict)
    seen: tuple[str, ...] = ()
    closed: bool = False

    def add(self, sku: str) -> None:
        self.skus.append(sku)

    @staticmethod
    def first(skus: Any, sku: str) -> Any:
        skus[0] = sku
        return skus

    @classmethod
    def of(cls, skus: Any) -> Any:
        skus[0] = ""
        return cls(skus)

    @property
    def sorted(self) -> list[str]:
        return sorted(self.skus)


def evolve(cart: Cart, event: Added) -> Cart:
"""
TAIL = """
    return cart


app = App(Fold("cart", initial=Cart, evolve=evolve))
"""


def _program(body: str) -> str:
    return HEAD + "".join(f"    {line}\n" for line in body.splitlines()) + TAIL


NEW = [
    "skus = list(cart.skus); skus.append(event.sku)",
    "skus = sorted(cart.skus); skus.append(event.sku)",
    "skus = set(cart.skus); skus.add(event.sku)",
    "skus = list(filter(None, cart.skus)); skus.append(event.sku)",
    "skus = deque(cart.skus); skus.append(event.sku)",
    "skus = cart.skus[:]; skus.append(event.sku)",
    "skus = cart.skus.copy(); skus.append(event.sku)",
    "skus = [*cart.skus]; skus[0] = event.sku",
    "skus = [each for each in cart.skus if each]; skus.append(event.sku)",
    "skus = cart.skus + [event.sku]; skus.sort()",
    "seen = list(cart.seen); seen[0] = event.sku; del seen[0]",
    "first, *rest = cart.skus; rest.append(event.sku)",
    "match cart.skus:\n    case [first, *rest]:\n        rest.append(event.sku)",
    "counts = cart.counts | {event.sku: 1}; counts['y'] = 2",
    "counts = {**cart.counts}; counts['y'] = 2; counts.update({'x': 1})",
    "counts = dict(cart.counts); counts['y'] = 2",
    "counts = {sku: count for sku, count in cart.counts.items()}; counts.clear()",
    "cart = copy.deepcopy(cart); cart.skus.append(event.sku)",
    "cart = copy.deepcopy(cart); cart.add(event.sku)",
    "cart = copy.deepcopy(cart); cart.lines[0].count = 2",
    "cart = Cart(list(cart.skus)); cart.skus.append(event.sku)",
    "lines = copy.deepcopy(cart.lines); lines[0].count = 2",
    "if event.sku:\n    cart = copy.deepcopy(cart)\n    cart.skus.append(event.sku)",
    "try:\n    cart = copy.deepcopy(cart)\n    cart.skus.append(event.sku)\nfinally:\n    pass",
    "seen = cart.seen; seen += (event.sku,)",
    "cart.sorted.append(event.sku)",
    "new = Cart(); new.add(event.sku)",
    "cart.first([*cart.skus], event.sku); Cart.first([*cart.skus], event.sku)",
    "cart.of([*cart.skus]); Cart.of([*cart.skus])",
    "match copy.deepcopy(cart):\n    case Cart(skus):\n        skus.append(event.sku)",
    "skus = []; skus.append(event.sku); skus.extend(cart.skus); skus += [event.sku]",
    "counts = cart.counts if not event.sku else {}; counts = {**counts}; counts['x'] = 1",
]
GIVEN = [
    "cart.skus.append(event.sku)",
    "cart.skus[0] = event.sku",
    "del cart.skus[0]",
    "cart.skus += [event.sku]",
    "skus = cart.skus; skus += [event.sku]",
    "skus = cart.skus; skus.append(event.sku)",
    "skus = list(cart.skus); skus = cart.skus; skus.append(event.sku)",
    "cart.skus.__setitem__(0, event.sku)",
    "list(cart.lines)[0].count = 2",
    "lines = [*cart.lines]; lines[0].count = 2",
    "for line in cart.lines: line.count = 2",
    "for place, line in enumerate(cart.lines): line.count = 2",
    "for skus in cart.by.values(): skus.append(event.sku)",
    "for sku, skus in cart.by.items(): skus.append(event.sku)",
    "cart.by['a'].append(event.sku)",
    "cart.by.get('a').append(event.sku)",
    "cart.counts.update({'x': 1})",
    "cart.closed = True",
    "cart.__dict__['closed'] = True",
    "setattr(cart, 'closed', True)",
    "object.__setattr__(cart, 'closed', True)",
    "delattr(cart, 'closed')",
    "cart.add(event.sku)",
    "cart.first(cart.skus, event.sku)",
    "cart.of(cart.skus)",
    "match cart:\n    case Cart(skus):\n        skus.append(event.sku)",
    "if event.sku:\n    cart.skus.append(event.sku)",
    "event.sku = 'x'",
]


@pytest.mark.parametrize("body", NEW)
def test_what_is_new_may_be_changed(body: str, app_of: Callable[[str], App]) -> None:
    assert review(app_of(_program(body))) == []


@pytest.mark.parametrize("body", GIVEN)
def test_what_is_given_may_not(body: str, app_of: Callable[[str], App]) -> None:
    assert {each.rule for each in review(app_of(_program(body)))} == {"ES042"}


COLLECTIONS = """
@event("cart.added")
class Added:
    sku: str


def evolve(state: {hint}, event: Added) -> {hint}:
    {body}
    return state


app = App(Fold("cart", initial={initial}, evolve=evolve))
"""


@pytest.mark.parametrize(
    ("initial", "hint", "body"),
    [
        ("list", "list[str]", "state.append(event.sku)"),
        ("list", "list", "state.append(event.sku)"),
        ("set", "set[str]", "state.add(event.sku)"),
        ("dict", "dict[str, int]", "state.update({event.sku: 1})"),
        ("dict", "dict[str, list[str]]", "state['a'].append(event.sku)"),
        ("lambda: []", "list[str]", "state.append(event.sku)"),
    ],
)
def test_a_state_that_is_itself_a_collection_is_left_as_it_was(
    initial: str, hint: str, body: str, app_of: Callable[[str], App]
) -> None:
    (found,) = review(app_of(COLLECTIONS.format(initial=initial, hint=hint, body=body)))
    assert found.rule == "ES042"


def test_an_evolve_that_is_a_method_of_an_object_is_read_with_its_object(app_of: Callable[[str], App]) -> None:
    program = """
@event("cart.added")
class Added:
    sku: str


class Rules:
    def evolve(self, state: list[str], event: Added) -> list[str]:
        state.append(event.sku)
        return state


app = App(Fold("cart", initial=list, evolve=Rules().evolve))
"""
    (found,) = review(app_of(program))
    assert (found.rule, "state.append()" in found.message) == ("ES042", True)
