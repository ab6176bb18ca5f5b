"""Boundaries: names of the business, tables of one's own, no personal data where they cannot be taken out again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from refold.architect.finding import Rule, Said
from refold.architect.model import Model
from refold.sqltext import Token, tokens

_CRUD: Final = {"created-or-updated", "updated", "modified", "edited", "saved", "changed"}
_PERSONAL: Final = re.compile(
    r"(?:^|_)(?:e_?mail|mail|phone|mobile|first_?name|last_?name|full_?name|surname|birth_?(?:day|date)|date_of_birth|ssn|"
    r"passport|iban|street|ip_address)(?:$|_)"
)
_BEFORE_TABLE: Final = {"from", "join", "into", "update", "table", "using"}
_BEFORE_NONE: Final = {"update": {"do", "for", "key", "on"}, "from": {"distinct"}}
"""What stands before them where no table follows: do update set, for update of, is distinct from."""


def _crud(model: Model) -> Iterator[Said]:
    for event in model.events:
        head, _, verb = event.name.rpartition(".")
        for category in event.categories:
            bare = verb if head in {category, f"{category}s"} else verb.removeprefix(f"{category}-")
            if bare in _CRUD and (head == category or bare != verb):
                yield Said(
                    f"event {event.name}",
                    f"{event.name!r} says that something of a {category} is other than before, and not what happened.",
                    "Name what was done, and why it matters: address-corrected, price-raised.",
                    event.place,
                )


def _foreign_tables(model: Model) -> Iterator[Said]:
    owners = {table: each.name for each in model.projections for table in each.tables}
    own = {each.name: each.tables for each in model.projections}
    for code in model.code:
        if code.part.kind != "projection":
            continue
        for fact in code.facts:
            for table in dict.fromkeys(_tables(fact.detail)) if fact.doing == "sql" else ():
                if table in owners and table not in own[code.part.name]:
                    yield Said(
                        f"projection {code.part.name}",
                        f"{code.role} of {code.part.name!r} names table {table!r} of projection {owners[table]!r}, which is somewhere "
                        "else in time, and is dropped when that one is built anew.",
                        "Keep what is needed in a table of its own, from the same events.",
                        fact.place,
                    )


def _tables(text: str) -> Iterator[str]:
    words = [Token("other", ""), *(token for token in tokens(text) if token.kind not in {"space", "comment"})]
    selects = [
        True
    ]  # whether what is in these parentheses, outermost first, is a statement: not so in extract(day from n)
    for before, word, name in zip(words, words[1:], words[2:], strict=False):
        said = word.text.lower()
        if said == "(":
            selects.append(False)
        elif said == ")" and selects[1:]:
            selects.pop()
        elif said in {"select", "delete"}:
            selects[-1] = True
        is_told = said in _BEFORE_TABLE and before.text.lower() not in _BEFORE_NONE.get(said, ())
        if is_told and word.kind == "name" and name.names is not None and (said != "from" or selects[-1]):
            yield name.names


def _unmarked(model: Model) -> Iterator[Said]:
    for event in model.events:
        for field in event.fields:
            if _PERSONAL.search(field.name) and not (field.personal or event.public or field.name in event.tags):
                yield Said(
                    f"event {event.name}",
                    f"field {field.name!r} of {event.name!r} looks personal, and stands there for ever, in every copy and backup.",
                    'Write Personal[...] for its type, and @event(..., subject="...") for whose it is: so it can be forgotten.',
                    event.place,
                )


def _personal(model: Model) -> Iterator[Said]:
    for event in model.events:
        for field in event.fields:
            if not _PERSONAL.search(field.name):
                continue
            where = "the tags" if field.name in event.tags else "what is published" if event.public else ""
            if where:
                yield Said(
                    f"event {event.name}",
                    f"field {field.name!r} of {event.name!r} looks personal, and is in {where}: it cannot be taken back there.",
                    "Tag, and publish, an id that means nothing by itself.",
                    event.place,
                )


_TWO: Final = """
@event("order.placed")
class Placed: ...


orders = Projection("orders", schema="create table orders (id text)")
report = Projection("report", schema="create table placed (id text)")


@orders.on(Placed)
def note(e: Recorded[Placed]) -> Iterator[Statement]:
    yield sql("insert into orders values (:id)", id=e.stream.id)


"""

_FORGETTABLE: Final = """
@event("account.opened", subject="customer")
class Opened:
    customer: str
    email: Personal[str]


app = App(Fold("account", initial=bool, evolve=lambda state, event: True, events=(Opened,)))
"""


RULES: Final = (
    Rule(
        "ES073", "fact", "A projection names no table of another one.",
        why="Each projection is at a position of its own. What it reads from another's table depends on which of the two was faster, "
        "and a rebuild comes to other rows.",
        bad=_TWO + """@report.on(Placed)
def count(e: Recorded[Placed]) -> Iterator[Statement]:
    yield sql("insert into placed select id from orders where id = :id", id=e.stream.id)


app = App(orders, report)
""",
        good=_TWO + """@report.on(Placed)
def count(e: Recorded[Placed]) -> Iterator[Statement]:
    yield sql("insert into placed values (:id)", id=e.stream.id)


app = App(orders, report)
""",
        how="The SQL that handlers hand to sql and ask is read, where it is written out; names after from, join, into, update, using.",
        ignore="Where both are kept inline, in one order, and are only ever built anew together.",
        find=_foreign_tables,
    ),
    Rule(
        "ES080", "heuristic", "The name of an event says what happened.",
        why="That a customer was updated tells nobody anything: every reader must find out by itself what is different, and why.",
        bad="""
@event("customer.updated")
class Updated:
    town: str


app = App(Fold("customer", initial=bool, evolve=lambda state, event: True, events=(Updated,)))
""",
        good="""
@event("customer.moved")
class Moved:
    town: str


app = App(Fold("customer", initial=bool, evolve=lambda state, event: True, events=(Moved,)))
""",
        how="The name is that of the fold's category, and updated, modified, edited, saved or changed. Of created nothing is said.",
        ignore="Where a file, or a record of somebody else's, is indeed just saved.",
        find=_crud,
    ),
    Rule(
        "ES120", "heuristic", "Personal data can be forgotten.",
        why="Events are kept for ever, and people may ask that their data are not. What is sealed by a key goes with the key.",
        bad="""
@event("account.opened")
class Opened:
    customer: str
    email: str


app = App(Fold("account", initial=bool, evolve=lambda state, event: True, events=(Opened,)))
""",
        good=_FORGETTABLE,
        how="A word of a field's name is email, phone, street, iban, birthday or the like, and its type is not Personal.",
        ignore="Where it is nobody's in person, such as the phone of a company, or the law has it kept.",
        find=_unmarked,
    ),
    Rule(
        "ES121", "heuristic", "No personal data in tags and in public events.",
        why="Tags are indexed and shown, and public events are copied by others. What stands there cannot be taken back.",
        bad="""
@event("account.opened", tags=("email",))
class Opened:
    email: str


app = App(Fold("account", initial=bool, evolve=lambda state, event: True, events=(Opened,)))
""",
        good=_FORGETTABLE,
        how="A word of a field's name is email, phone, street, iban, birthday or the like, and the field is a tag, or the event public.",
        ignore="Where the value is a digest or a token, or the law lets it stand.",
        find=_personal,
    ),
)  # fmt: skip
