"""Each of these changes would read history wrongly or not at all, and each is found, where it is, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.schema.shops import Edits, now

from refold.schema.checking import check
from refold.schema.lock import Lock

NEEDS, BREAKS = "needs an upcaster", "breaks"
PLACED, REFUNDED = "order.placed@1", "order.refunded@1"

FAULTS: dict[str, tuple[Edits, set[tuple[str, str, str]]]] = {
    "a field is renamed": (
        [("    customer: str\n    total", "    buyer: str\n    total")],
        {(NEEDS, PLACED, "customer")},
    ),
    "a field is dropped": ([("    coupon: str | None\n", "")], {(NEEDS, PLACED, "coupon")}),
    "a field without a default is added": (
        [("    pair: tuple[int, str]", "    currency: str\n    pair: tuple[int, str]")],
        {(NEEDS, PLACED, "currency")},
    ),
    "a default is taken away": ([("stars: int = 5", "stars: int")], {(NEEDS, "order.noted@1", "stars")}),
    "a default is another": ([("retries: int = 3", "retries: int = 4")], {(NEEDS, PLACED, "retries")}),
    "a default of a pydantic model is another": (
        [("stars: int = 5", "stars: int = 4")],
        {(NEEDS, "order.noted@1", "stars")},
    ),
    "text becomes a number": ([("    by: str", "    by: int")], {(NEEDS, "order.closed@1", "by")}),
    "a number becomes text": (
        [("grade: int", "grade: str")],
        {(NEEDS, "order.rated@1", ""), (NEEDS, "order.reviewed@1", "grade")},
    ),
    "a fraction becomes whole": ([("rate: float", "rate: int")], {(NEEDS, PLACED, "rate")}),
    "a whole number becomes a fraction": ([("retries: int = 3", "retries: float = 3")], {(NEEDS, PLACED, "retries")}),
    "a time becomes a date": (
        [("at: datetime", "at: date"), ("import datetime", "import date, datetime")],
        {(NEEDS, PLACED, "at")},
    ),
    "text becomes an enum": ([("    by: str", "    by: Size")], {(NEEDS, "order.closed@1", "by")}),
    "text becomes a UUID": ([("    by: str", "    by: UUID")], {(NEEDS, "order.closed@1", "by")}),
    "a member of an enum is gone": ([('    LARGE = "large"\n', "")], {(NEEDS, PLACED, "size")}),
    "a member of an enum has another value": ([('LARGE = "large"', 'LARGE = "big"')], {(NEEDS, PLACED, "size")}),
    "a literal is gone": ([('Literal["shop", "web"]', 'Literal["shop"]')], {(NEEDS, PLACED, "kind")}),
    "null is no longer allowed": ([("coupon: str | None", "coupon: str")], {(NEEDS, PLACED, "coupon")}),
    "a field of a class in a list is renamed": (
        [("    sku: str\n", "    article: str\n")],
        {(NEEDS, PLACED, "lines[].sku")},
    ),
    "a class in a list gets a field without a default": (
        [("    qty: int\n", "    qty: int\n    weight: int\n")],
        {(NEEDS, PLACED, "lines[].weight")},
    ),
    "a list becomes one": ([("lines: list[Line]", "lines: Line")], {(NEEDS, PLACED, "lines")}),
    "values of a dict are of another type": (
        [("prices: dict[str, int]", "prices: dict[str, str]")],
        {(NEEDS, PLACED, "prices{}")},
    ),
    "a tuple is longer": ([("pair: tuple[int, str]", "pair: tuple[int, str, int]")], {(NEEDS, PLACED, "pair")}),
    "an option of a union is gone": ([("Card | Cash | None", "Card | None")], {(NEEDS, PLACED, "paid_by")}),
    "a tag of a union is another": ([('tag="cash"', 'tag="coins"')], {(NEEDS, PLACED, "paid_by")}),
    "the unit is another": ([('{"unit": "cent"}', '{"unit": "euro"}')], {(NEEDS, PLACED, "total")}),
    "a number has a higher bound": ([("Meta(ge=0", "Meta(ge=1")], {(NEEDS, PLACED, "total")}),
    "the tags are derived otherwise": ([('f"customer:{', 'f"buyer:{')], {(BREAKS, PLACED, "(tags)")}),
    "the tags are of another field": ([('tags=("order",)', 'tags=("amount",)')], {(BREAKS, REFUNDED, "(tags)")}),
    "the event has another name": ([('"order.closed"', '"order.done"')], {(BREAKS, "order.closed@1", "(class)")}),
    "the class is gone": (
        [(" | Closed", ""), ('@event("order.closed")\n', "")],
        {(BREAKS, "order.closed@1", "(class)")},
    ),
    "the version is lowered": (
        [('"order.shipped", version=2, upcasters=[with_carrier]', '"order.shipped", version=1')],
        {(BREAKS, "order.shipped@2", "(version)"), (NEEDS, "order.shipped@1", "carrier")},
    ),
    "a version without an upcaster": (
        [('event("order.closed")', 'event("order.closed", version=2)')],
        {(NEEDS, "order.closed@1", "(version)")},
    ),
    "the upcaster is gone": ([(", upcasters=[with_carrier]", "")], {(NEEDS, "order.shipped@1", "(version)")}),
    "a step is missing": (
        [("version=2, upcasters=[with_carrier]", "version=3, upcasters=[with_carrier]")],
        {(NEEDS, "order.shipped@1", "(version)"), (NEEDS, "order.shipped@2", "(version)")},
    ),
    "the upcaster gives another value": (
        [('"carrier": CARRIER}', '"carrier": "train"}')],
        {(BREAKS, "order.shipped@1", "(upcaster)")},
    ),
    "a constant of the upcaster is another": (
        [('CARRIER = "post"', 'CARRIER = "train"')],
        {(BREAKS, "order.shipped@1", "(upcaster)")},
    ),
    "the upcaster forgets a field": (
        [('{**data, "carrier": CARRIER}', "dict(data)")],
        {(BREAKS, "order.shipped@1", "(upcaster)"), (NEEDS, "order.shipped@1", "")},
    ),
    "the upcaster reads what was never there": (
        [('"carrier": CARRIER}', '"carrier": data["by"]}')],
        {(BREAKS, "order.shipped@1", "(upcaster)"), (NEEDS, "order.shipped@1", "")},
    ),
    "two upcasters lead on from one version": (
        [
            (
                "upcasters=[with_carrier]",
                'upcasters=[with_carrier, upcast("order.shipped", 1, to=2)(default(carrier="none"))]',
            )
        ],
        {(BREAKS, "order.shipped@1", "(upcaster)")},
    ),
    "upcasters lead in a circle": (
        [
            (
                'move("order.rated", to="order.reviewed")',
                'move("order.rated", to="order.lost"), move("order.lost", to="order.rated")',
            ),
        ],
        {(BREAKS, "order.rated@1", "(upcaster)"), (BREAKS, "order.rated", "(upcaster)")},
    ),
    "the old name is forgotten": (
        [(', upcasters=[move("order.rated", to="order.reviewed")]', "")],
        {(BREAKS, "order.rated@1", "(class)")},
    ),
    "a public event may hold what others do not know": (
        [('    LATE = "late"\n', '    LATE = "late"\n    LOST = "lost"\n')],
        {(BREAKS, REFUNDED, "reason")},
    ),
    "a public event may leave out what others need": (
        [("    order: str\n    reason: Reason\n", '    reason: Reason\n    order: str = ""\n')],
        {(BREAKS, REFUNDED, "order")},
    ),
    "a public event is hidden": ([("public=True, ", "")], {(BREAKS, REFUNDED, "(public)")}),
    "a new version of a public event is not for those who know the old": (
        [
            ('"order.refunded", public=True', '"order.refunded", version=2, upcasters=[cents], public=True'),
            ("amount: int = 0", "cents: int = 0"),
            ("    order: str\n    reason", "    reason"),
            ('tags=("order",)', 'tags=("reason",)'),
            (
                '@event("order.refunded"',
                (
                    '@upcast("order.refunded", 1, to=2)\ndef cents(data):\n'
                    '    return {"cents": data.get("amount", 0), "reason": data["reason"]}\n\n\n@event("order.refunded"'
                ),
            ),
        ],
        {(BREAKS, REFUNDED, "order"), (BREAKS, REFUNDED, "(tags)")},
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_where_it_is(fault: str, history: Lock, tmp_path: Path) -> None:
    edits, expected = FAULTS[fault]
    report = check(history, now(tmp_path, edits))
    assert {(str(each.verdict), each.event, each.field) for each in report.findings} == expected, report.findings


def test_there_are_thirty_of_them() -> None:
    assert len(FAULTS) >= 30


@pytest.mark.parametrize("fault", FAULTS)
def test_every_finding_says_what_to_do_and_by_which_rule(fault: str, history: Lock, tmp_path: Path) -> None:
    report = check(history, now(tmp_path, FAULTS[fault][0]))
    assert [each for each in report.findings if not (each.what and each.do and each.rule.startswith("ES01"))] == []
