"""Events are facts: they are immutable, they say what they hold, and they hold no more than what happened."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from refold.architect.finding import Rule, Said
from refold.architect.model import Model
from refold.architect.parts import Field, Message

_MONEY: Final = re.compile(
    r"(?:^|_)(?:price|amount|cost|total|fee|balance|money|salary|tax|discount|payment|refund)(?:$|_)"
)
_BINARY: Final = {"builtins.bytes", "builtins.bytearray", "builtins.memoryview"}


def _fields(model: Model) -> Iterator[tuple[Message, Field]]:
    return ((event, field) for event in model.events for field in event.fields)


def _about(event: Message) -> str:
    return f"event {event.name}"


def _not_frozen(model: Model) -> Iterator[Said]:
    for event in model.events:
        if not event.frozen:
            yield Said(
                _about(event),
                f"the class of {event.name!r} lets its fields be changed: what happened could be made to read otherwise.",
                "Leave the class bare under @event, or make it frozen=True.",
                event.place,
            )


def _mutable(model: Model) -> Iterator[Said]:
    for event, field in _fields(model):
        if field.mutable:
            yield Said(
                _about(event),
                f"field {field.name!r} of {event.name!r} is {field.type}, and a {field.mutable[0]} can be changed in place.",
                "Take tuple for list, frozenset for set, Mapping for dict, and frozen classes.",
                event.place,
            )


def _says_nothing(model: Model) -> Iterator[Said]:
    for event, field in _fields(model):
        if {"Any", "builtins.object"} & {*field.classes}:
            yield Said(
                _about(event),
                f"field {field.name!r} of {event.name!r} is {field.type}: its schema promises nothing to whoever reads it.",
                "Annotate it with what it holds, if need be with a union.",
                event.place,
            )


def _money(model: Model) -> Iterator[Said]:
    for event, field in _fields(model):
        if "builtins.float" in field.classes and _MONEY.search(field.name):
            yield Said(
                _about(event),
                f"field {field.name!r} of {event.name!r} looks like money, and is {field.type}: 0.1 + 0.2 is not 0.3.",
                "Count the smallest unit in an int, or take Decimal.",
                event.place,
            )


def _binary(model: Model) -> Iterator[Said]:
    for event, field in _fields(model):
        if _BINARY & {*field.classes}:
            yield Said(
                _about(event),
                f"field {field.name!r} of {event.name!r} is {field.type}: a third larger in JSON, and kept for ever.",
                "Keep the content elsewhere, and its address and digest in the event.",
                event.place,
            )


def _copies_state(model: Model) -> Iterator[Said]:
    states = {fold.state_class: fold.category for fold in model.folds if not fold.state_class.startswith("builtins.")}
    for event, field in _fields(model):
        for cls in field.classes:
            if cls in states:
                yield Said(
                    _about(event),
                    f"field {field.name!r} of {event.name!r} is a whole {cls.rpartition('.')[2]}, the state of {states[cls]!r}.",
                    "Name what happened, with the values that it brought: the state follows from that.",
                    event.place,
                )


RULES: Final = (
    Rule(
        "ES001", "fact", "The class of an event is frozen.",
        why="A fold, a projection and a process are handed the same object. If one of them changes it, the others read something "
        "that never happened.",
        bad="""
@event("cart.item-added")
@dataclass
class ItemAdded:
    sku: str


items = Fold("cart", initial=int, evolve=lambda count, event: count + 1, events=(ItemAdded,))
app = App(items)
""",
        good="""
@event("cart.item-added")
class ItemAdded:
    sku: str


items = Fold("cart", initial=int, evolve=lambda count, event: count + 1, events=(ItemAdded,))
app = App(items)
""",
        how="Dataclasses, msgspec Structs and pydantic models are asked. Of other classes nothing is said.",
        ignore="Hardly ever.",
        find=_not_frozen,
    ),
    Rule(
        "ES002", "fact", "No field of an event can be changed in place.",
        why="A frozen class keeps its fields, not what lies in them: a list in a frozen event can still be appended to.",
        bad="""
@event("cart.placed")
class Placed:
    skus: list[str]


placed = Fold("cart", initial=bool, evolve=lambda state, event: True, events=(Placed,))
app = App(placed)
""",
        good="""
@event("cart.placed")
class Placed:
    skus: tuple[str, ...]


placed = Fold("cart", initial=bool, evolve=lambda state, event: True, events=(Placed,))
app = App(placed)
""",
        how="The annotations are read, with what stands in them: lists, dicts, sets, bytearrays and records that are not frozen.",
        ignore="Hardly ever: tuple, frozenset and Mapping are stored in the same way.",
        find=_mutable,
    ),
    Rule(
        "ES003", "heuristic", "A field of an event says what it holds.",
        why="The schema of a field that is Any allows everything, so nobody can rely on anything, and no check of a change can help.",
        bad="""
@event("form.sent")
class Sent:
    answers: Any


sent = Fold("form", initial=int, evolve=lambda count, event: count + 1, events=(Sent,))
app = App(sent)
""",
        good="""
@event("form.sent")
class Sent:
    answers: Mapping[str, str | int]


sent = Fold("form", initial=int, evolve=lambda count, event: count + 1, events=(Sent,))
app = App(sent)
""",
        how="The annotations are read: Any and object.",
        ignore="Where the content is somebody else's and is only handed on, such as the body of a webhook.",
        find=_says_nothing,
    ),
    Rule(
        "ES005", "heuristic", "An event does not carry the state of a fold.",
        why="A copy of a state says how things were, not what happened. It grows with the state, and its schema changes with it.",
        bad="""
@dataclass(frozen=True)
class Cart:
    skus: tuple[str, ...] = ()


@event("cart.placed")
class Placed:
    cart: Cart


def evolve(cart: Cart, event: Placed) -> Cart:
    return event.cart


carts = Fold("cart", initial=Cart, evolve=evolve)
app = App(carts)
""",
        good="""
@dataclass(frozen=True)
class Cart:
    skus: tuple[str, ...] = ()


@event("cart.placed")
class Placed:
    skus: tuple[str, ...]


def evolve(cart: Cart, event: Placed) -> Cart:
    return Cart(event.skus)


carts = Fold("cart", initial=Cart, evolve=evolve)
app = App(carts)
""",
        how="A class that a field's annotation names is the state of one of the application's folds.",
        ignore="Where an event opens a new period when books are closed: it must carry the state over.",
        find=_copies_state,
    ),
    Rule(
        "ES007", "heuristic", "Money is no float.",
        why="Binary fractions cannot hold most prices. Sums of them are wrong by amounts that somebody will look for.",
        bad="""
@event("order.placed")
class Placed:
    total: float


placed = Fold("order", initial=bool, evolve=lambda state, event: True, events=(Placed,))
app = App(placed)
""",
        good="""
@event("order.placed")
class Placed:
    cents: int


placed = Fold("order", initial=bool, evolve=lambda state, event: True, events=(Placed,))
app = App(placed)
""",
        how="A field is a float, and a word of its name is price, amount, cost, total, fee, balance, tax or the like.",
        ignore="Where the number is no money, such as the total of a measurement.",
        find=_money,
    ),
    Rule(
        "ES031", "heuristic", "An event holds no binary content.",
        why="Whoever reads the stream, for whatever reason, reads the content with it, as Base64, for as long as the store lives.",
        bad="""
@event("photo.uploaded")
class Uploaded:
    content: bytes


photos = Fold("photo", initial=bool, evolve=lambda state, event: True, events=(Uploaded,))
app = App(photos)
""",
        good="""
@event("photo.uploaded")
class Uploaded:
    address: str
    sha256: str


photos = Fold("photo", initial=bool, evolve=lambda state, event: True, events=(Uploaded,))
app = App(photos)
""",
        how="The annotations are read: bytes, bytearray, memoryview.",
        ignore="Where it is short and of a fixed length, such as a digest.",
        find=_binary,
    ),
)  # fmt: skip
