"""None of these changes means anything to history, and none is found. Most do not even change the lock."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.schema.shops import Edits, now

from refold.schema.checking import check
from refold.schema.lock import Lock, to_text
from refold.schema.writing import taken_in

UNCHANGED: dict[str, Edits] = {
    "nothing is changed": [],
    "fields change places": [("    parcels: int\n    carrier: str\n", "    carrier: str\n    parcels: int\n")],
    "a docstring is written": [("class Placed:\n", 'class Placed:\n    """Somebody wants something."""\n\n')],
    "a docstring of an upcaster is another": [("Once there was one carrier.", "In the old days.")],
    "a comment is written": [("    parcels: int\n", "    parcels: int  # at least one\n")],
    "a comment stands in an upcaster": [("    return {**data,", "    # as it was\n    return {**data,")],
    "an upcaster is laid out otherwise": [
        ('{**data, "carrier": CARRIER}', "{\n        **data,\n        'carrier': CARRIER,\n    }")
    ],
    "an upcaster is annotated": [
        ("def with_carrier(data):", "def with_carrier(data: dict[str, object]) -> dict[str, object]:")
    ],
    "an upcaster has another name": [("with_carrier", "carried")],
    "the function of the tags has another name": [("by_customer", "tags_of_placed")],
    "the function of the tags is a lambda": [
        ("tags=by_customer", 'tags=lambda e: [f"customer:{e.customer}"]'),
        ("def by_customer(e):", "def not_used(e):"),
    ],
    "a class has another name": [("class Placed:", "class OrderPlaced:"), ("event: Placed", "event: OrderPlaced")],
    "a class in a list has another name": [("class Line:", "class Item:"), ("list[Line]", "list[Item]")],
    "an enum has another name": [("Size", "Format")],
    "a member of an enum has another name": [("SMALL =", "TINY =")],
    "members of an enum change places": [
        ('    SMALL = "small"\n    LARGE = "large"\n', '    LARGE = "large"\n    SMALL = "small"\n')
    ],
    "classes change places": [
        ('class Size(Enum):\n    SMALL = "small"\n    LARGE = "large"\n\n\n', ""),
        ("class Reason(Enum):", 'class Size(Enum):\n    SMALL = "small"\n    LARGE = "large"\n\n\nclass Reason(Enum):'),
    ],
    "a method is added": [
        ("    carrier: str\n\n", "    carrier: str\n\n    def is_many(self):\n        return self.parcels > 1\n\n")
    ],
    "a property is added": [
        ("    by: str\n", "    by: str\n\n    @property\n    def who(self):\n        return self.by\n")
    ],
    "`X | None` is `Optional[X]`": [
        ("coupon: str | None", "coupon: Optional[str]"),
        ("Literal\n", "Literal, Optional\n"),
    ],
    "`X | None` is `None | X`": [("coupon: str | None", "coupon: None | str")],
    "a union is `Union`": [("Card | Cash | None", "Union[Cash, Card, None]"), ("Literal\n", "Literal, Union\n")],
    "`list` is `List`": [("list[Line]", "List[Line]"), ("Literal\n", "List, Literal\n")],
    "`list` is `Sequence`": [
        ("list[Line]", "Sequence[Line]"),
        ("from dataclasses", "from collections.abc import Sequence\nfrom dataclasses"),
    ],
    "`dict` is `Mapping`": [
        ("dict[str, int]", "Mapping[str, int]"),
        ("from dataclasses", "from collections.abc import Mapping\nfrom dataclasses"),
    ],
    "a type has an alias": [("parcels: int", "parcels: Count"), ('CARRIER = "post"', 'CARRIER = "post"\nCount = int')],
    "a type is a NewType": [
        ("parcels: int", "parcels: Count"),
        ('CARRIER = "post"', 'CARRIER = "post"\nCount = NewType("Count", int)'),
        ("Literal\n", "Literal, NewType\n"),
    ],
    "literals change places": [('Literal["shop", "web"]', 'Literal["web", "shop"]')],
    "a title and a description are told": [("Meta(ge=0, ", 'Meta(ge=0, title="Total", description="of all lines", ')],
    "a dataclass is a Struct": [("class Shipped:", "class Shipped(msgspec.Struct, frozen=True):")],
    "a dataclass is a pydantic model": [("class Shipped:", "class Shipped(pydantic.BaseModel):")],
    "a pydantic model is a dataclass": [
        ("class Noted(pydantic.BaseModel):\n    model_config = pydantic.ConfigDict(frozen=True)\n", "class Noted:\n")
    ],
    "an attrs class is a dataclass": [("@attrs.frozen\n", "")],
    "a class in a list is a Struct": [
        ("@dataclass(frozen=True)\nclass Line:", "class Line(msgspec.Struct, frozen=True):"),
    ],
    "fields come from a base class": [
        ("class Closed:\n    by: str\n", "class Closed(Done):\n    pass\n"),
        ('@event("order.closed")', '@attrs.frozen\nclass Done:\n    by: str\n\n\n@event("order.closed")'),
    ],
    "a state has a method": [
        ("    total: int = 0\n", "    total: int = 0\n\n    def is_free(self):\n        return not self.total\n")
    ],
    "a fold works otherwise": [("    return order\n", "    return Order(order.total + 1)\n")],
    "a decision is another": [('yield Closed("ada")', 'yield Closed("bob")')],
    "a fold is a lambda": [("initial=Order", "initial=lambda: Order()")],
    "a projection reads the events": [
        ("app = App(", 'seen = Projection("seen")\nseen.on(Placed)(lambda e: [])\napp = App(seen, ')
    ],
}
WIDENED: dict[str, Edits] = {
    "a field with a default is added": [
        ("    retries: int = 3\n", '    retries: int = 3\n    currency: str = "EUR"\n')
    ],
    "a field that may be null is added to a public event": [
        ("amount: int = 0\n", "amount: int = 0\n    remark: str | None = None\n")
    ],
    "a class in a list gets a field with a default": [
        ("note: str | None = None", "note: str | None = None\n    weight: int = 0")
    ],
    "a field may be null": [("    by: str\n", "    by: str | None\n")],
    "a field has a default now": [("    by: str\n", '    by: str = ""\n')],
    "an enum has one member more": [('LARGE = "large"', 'LARGE = "large"\n    HUGE = "huge"')],
    "a literal more is allowed": [('Literal["shop", "web"]', 'Literal["shop", "web", "fair"]')],
    "an enum is any text now": [("size: Size", "size: str")],
    "a bound is lower": [("Meta(ge=0", "Meta(ge=-1")],
    "a unit is told": [
        ("    parcels: int\n", '    parcels: Annotated[int, msgspec.Meta(extra_json_schema={"unit": "piece"})]\n')
    ],
    "a union has one option more": [
        ("Card | Cash | None", "Card | Cash | Gift | None"),
        ("class Cash(", 'class Gift(msgspec.Struct, frozen=True, tag="gift"):\n    code: str\n\n\nclass Cash('),
    ],
    "a new event": [
        ('@event("order.closed")', '@event("order.lost")\nclass Lost:\n    where: str\n\n\n@event("order.closed")'),
        (" | Closed", " | Closed | Lost"),
    ],
    "a new version with its upcaster": [
        (
            '@event("order.closed")',
            '@event("order.closed", version=2, upcasters=[upcast("order.closed", 1, to=2)(rename(by="actor"))])',
        ),
        ("    by: str\n", "    actor: str\n"),
    ],
    "an event is public now": [('"order.closed"', '"order.closed", public=True')],
    "a command gets a field": [("class Place:\n    customer: str", "class Place:\n    customer: str\n    total: int")],
    "a state gets a field": [
        ("class Order:\n    total: int = 0", "class Order:\n    total: int = 0\n    lines: int = 0")
    ],
}


@pytest.mark.parametrize("change", [*UNCHANGED, *WIDENED])
def test_a_harmless_change_gives_no_finding(change: str, history: Lock, tmp_path: Path) -> None:
    edits = (UNCHANGED | WIDENED)[change]
    assert check(history, now(tmp_path, edits)).findings == ()


@pytest.mark.parametrize("change", UNCHANGED)
def test_what_means_the_same_locks_the_same(change: str, history: Lock, tmp_path: Path) -> None:
    assert to_text(taken_in(history, now(tmp_path, UNCHANGED[change]))) == to_text(history)


@pytest.mark.parametrize("change", WIDENED)
def test_what_adds_is_noted_until_it_is_locked(change: str, history: Lock, tmp_path: Path) -> None:
    after = now(tmp_path, WIDENED[change])
    assert to_text(taken_in(history, after)) != to_text(history)
    assert check(taken_in(history, after), after).notes == ()


def test_there_are_thirty_of_them() -> None:
    assert len(UNCHANGED) >= 30
