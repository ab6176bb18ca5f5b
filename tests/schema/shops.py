"""A shop as a program, its history in a lock, and the same program after a change."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Final

from refold.app import App
from refold.schema.lock import Lock
from refold.schema.present import Present, present
from refold.schema.writing import taken_in

Edits = Sequence[tuple[str, str]]

SHOP: Final = '''
from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Annotated, Literal
from uuid import UUID

import attrs
import msgspec
import pydantic

from refold import App, Decider, Fold, Projection, command, event
from refold.upcasting import default, move, rename, upcast

CARRIER = "post"


class Size(Enum):
    SMALL = "small"
    LARGE = "large"


class Reason(Enum):
    BROKEN = "broken"
    LATE = "late"


@dataclass(frozen=True)
class Line:
    sku: str
    qty: int
    note: str | None = None


class Card(msgspec.Struct, frozen=True, tag="card"):
    digits: str


class Cash(msgspec.Struct, frozen=True, tag="cash"):
    given: int


def by_customer(e):
    return [f"customer:{e.customer}"]


@event("order.placed", tags=by_customer)
class Placed:
    customer: str
    total: Annotated[int, msgspec.Meta(ge=0, extra_json_schema={"unit": "cent"})]
    lines: list[Line]
    size: Size
    coupon: str | None
    rate: float
    at: datetime
    pair: tuple[int, str]
    prices: dict[str, int] = field(default_factory=dict)
    paid_by: Card | Cash | None = None
    kind: Literal["shop", "web"] = "shop"
    retries: int = 3


@upcast("order.shipped", 1, to=2)
def with_carrier(data):
    """Once there was one carrier."""
    return {**data, "carrier": CARRIER}


@event("order.shipped", version=2, upcasters=[with_carrier])
class Shipped:
    parcels: int
    carrier: str


@event("order.refunded", public=True, tags=("order",))
class Refunded:
    order: str
    reason: Reason
    amount: int = 0


@event("order.noted")
class Noted(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(frozen=True)
    text: str
    stars: int = 5


@event("order.closed")
@attrs.frozen
class Closed:
    by: str


@event("order.reviewed", upcasters=[move("order.rated", to="order.reviewed")])
class Reviewed:
    grade: int


@command("order.place")
class Place:
    customer: str


@dataclass(frozen=True)
class Order:
    total: int = 0


def evolve(order: Order, event: Placed | Shipped | Refunded | Noted | Closed | Reviewed) -> Order:
    return order


def decide(command: Place, order: Order):
    yield Closed("ada")


app = App(Decider("order", initial=Order, evolve=evolve, decide=decide))
'''
FIRST: Final = (
    ('"order.shipped", version=2, upcasters=[with_carrier]', '"order.shipped"'),
    ("    parcels: int\n    carrier: str\n", "    parcels: int\n"),
    ('"order.reviewed", upcasters=[move("order.rated", to="order.reviewed")]', '"order.rated"'),
)
"""What the shop was once: shipped without a carrier, and rated where it is reviewed now."""

_number = count()


def edited(text: str, edits: Edits) -> str:
    """The program after a change, each part of which must be possible."""
    for old, new in edits:
        assert old in text, f"not in the program: {old!r}"
        text = text.replace(old, new)
    return text


def load(text: str, directory: Path) -> App:
    """The application of a program, imported as a module of its own."""
    name = f"schema_shop_{next(_number)}"
    path = directory / f"{name}.py"
    path.write_text(text, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    app = module.app
    assert isinstance(app, App)
    return app


def now(directory: Path, edits: Edits = ()) -> Present:
    """The shop as it is, or after a change."""
    return present(load(edited(SHOP, edits), directory))


def history_of(directory: Path) -> Lock:
    """The lock of the shop: of what it was, and then of what it is."""
    first = taken_in(Lock(), now(directory, FIRST))
    return taken_in(first, now(directory))
