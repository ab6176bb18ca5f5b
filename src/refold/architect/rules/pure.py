"""Pure code: what is run again must come to the same. Folds, decisions, reactions, upcasters, handlers of projections."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Final

from refold.architect.finding import Rule, Said
from refold.architect.model import Model
from refold.architect.parts import Code

_WORDS: Final = {
    "clock": "reads the clock",
    "chance": "rolls dice",
    "world": "reaches for the world outside",
    "store": "reads a store",
}
_ALL: Final = frozenset(_WORDS)


def _outside(
    is_meant: Callable[[Code], bool], kinds: Collection[str], because: str, do: str
) -> Callable[[Model], Iterator[Said]]:
    def find(model: Model) -> Iterator[Said]:
        for code in filter(is_meant, model.code):
            for fact in code.facts:
                if fact.doing == "looks outside" and fact.what in kinds:
                    yield Said(
                        _about(code), f"{code.role} of {code.part.name!r} {_WORDS[fact.what]}: {fact.detail}. {because}", do,
                        fact.place,
                    )  # fmt: skip

    return find


def _about(code: Code) -> str:
    return f"{code.part.kind} {code.part.name}"


def _is_fold(code: Code) -> bool:
    return code.role in {"evolve", "initial"}


def _is_decision(code: Code) -> bool:
    return code.part.kind == "decider" and not _is_fold(code)


def _is_reaction(code: Code) -> bool:
    return (code.part.kind, code.role) in {
        ("process", "react"), ("process", "key"), ("saga", "code"),
    } or (code.part.kind == "saga" and code.role.split()[0] in {"send", "unsend"})  # fmt: skip


def _is_handler(code: Code) -> bool:
    return code.part.kind == "projection"


def _is_upcaster(code: Code) -> bool:
    return code.role.startswith("upcaster ")


def _changes(model: Model) -> Iterator[Said]:
    for code in model.code:
        if _is_fold(code) or code.role == "decide":
            for fact in code.facts:
                if fact.doing == "changes":
                    yield Said(
                        _about(code),
                        f"{code.role} of {code.part.name!r} changes in place what it is given: {fact.detail}.",
                        "Give a new state: replace(state, ...), (*items, item), {**table, key: value}.",
                        fact.place,
                    )


def _without_key(model: Model) -> Iterator[Said]:
    for code in model.code:
        is_effect = code.role == "effect" or code.role.startswith("act ")
        if is_effect and code.key and code.key in code.unused:
            yield Said(
                _about(code),
                f"{code.role} of {code.part.name!r} does not use its key, and may be called more than once for one request.",
                "Hand the key on, so that the other side can tell a repeat.",
                code.place,
            )


_DECIDER: Final = """
@command("coupon.issue")
class Issue: ...


@event("coupon.issued")
class Issued:
    code: str


def evolve(state: bool, event: Issued) -> bool:
    return True


"""
_PROCESS: Final = """
@command("mail.send")
class Send: ...


@event("mail.sent")
class Sent: ...


@event("order.placed")
class Placed: ...


def decide(command: Send, state: bool) -> Iterator[Sent]:
    yield Sent()


mails = Decider("mail", initial=bool, evolve=lambda state, event: True, events=(Sent,), decide=decide)


"""


RULES: Final = (
    Rule(
        "ES014", "fact", "An upcaster depends on nothing but the data.",
        why="A stored event is upcast each time that it is read. If that comes out otherwise each time, so does the history.",
        bad="""
@upcast("order.placed", 1, to=2)
def with_id(data: dict[str, Any]) -> dict[str, Any]:
    return {**data, "id": str(uuid4())}


@event("order.placed", version=2, upcasters=[with_id])
class Placed:
    id: str


app = App(Fold("order", initial=bool, evolve=lambda state, event: True, events=(Placed,)))
""",
        good="""
@upcast("order.placed", 1, to=2)
def with_id(data: dict[str, Any]) -> dict[str, Any]:
    return {**data, "id": f"order of {data['customer']}"}


@event("order.placed", version=2, upcasters=[with_id])
class Placed:
    id: str


app = App(Fold("order", initial=bool, evolve=lambda state, event: True, events=(Placed,)))
""",
        how="Its source and that of its helpers names a clock, randomness, a network, a file, a database or a store.",
        ignore="Hardly ever.",
        find=_outside(_is_upcaster, _ALL, "Each read would come out otherwise.", "Derive the value from the data, or give a constant."),
    ),
    Rule(
        "ES021", "fact", "A handler of a projection reaches for nothing outside.",
        why="Its statements are undone if the step fails, and run again when the read model is built anew. What it does besides is "
        "not undone, and is done again.",
        bad="""
@event("order.placed")
class Placed: ...


orders = Projection("orders")


@orders.on(Placed)
def placed(e: Recorded[Placed]) -> Iterator[Statement]:
    urlopen("https://example.org/placed")
    yield sql("insert into orders values (:id)", id=e.stream.id)


app = App(orders)
""",
        good="""
@event("order.placed")
class Placed: ...


orders = Projection("orders")


@orders.on(Placed)
def placed(e: Recorded[Placed]) -> Iterator[Statement]:
    yield sql("insert into orders values (:id)", id=e.stream.id)


app = App(orders)
""",
        how="Its source and that of its helpers names a network, a file, a process, another database or a store.",
        ignore="Hardly ever: let a process ask an @effect, or publish the event.",
        find=_outside(_is_handler, {"world", "store"}, "That is not undone with the step, and done again by a rebuild.", "Let a process call an @effect."),
    ),
    Rule(
        "ES022", "heuristic", "What is done outside is done under its key.",
        why="An effect runs at least once: after a crash nobody knows whether it had run. Only the other side can tell a repeat, "
        "by the key.",
        bad="""
@command("card.charge")
class Charge:
    cents: int


@effect("card.charge")
def charge(request: Charge, key: str) -> None:
    print("charged", request.cents)


app = App(charge)
""",
        good="""
@command("card.charge")
class Charge:
    cents: int


@effect("card.charge")
def charge(request: Charge, key: str) -> None:
    print("charged", request.cents, "under", key)


app = App(charge)
""",
        how="The last parameter of an @effect, or of a step of a saga, is used nowhere in it.",
        ignore="Where doing it twice is the same as once, such as setting a value.",
        find=_without_key,
    ),
    Rule(
        "ES024", "heuristic", "A handler of a projection depends on its event alone.",
        why="A read model that is built anew has other rows, so nobody can verify it by building it again.",
        bad="""
@event("order.placed")
class Placed: ...


orders = Projection("orders")


@orders.on(Placed)
def placed(e: Recorded[Placed]) -> Iterator[Statement]:
    yield sql("insert into orders values (:id, :at)", id=e.stream.id, at=datetime.now(UTC).isoformat())


app = App(orders)
""",
        good="""
@event("order.placed")
class Placed: ...


orders = Projection("orders")


@orders.on(Placed)
def placed(e: Recorded[Placed]) -> Iterator[Statement]:
    yield sql("insert into orders values (:id, :at)", id=e.stream.id, at=e.recorded_at.isoformat())


app = App(orders)
""",
        how="Its source and that of its helpers names a clock or randomness.",
        ignore="Where the row is to say when it was written.",
        find=_outside(_is_handler, {"clock", "chance"}, "A rebuild gives other rows.", "Take e.recorded_at, e.valid_at, or a field of the event."),
    ),
    Rule(
        "ES040", "fact", "A fold depends on its events alone.",
        why="States are folded again and again, and saved: the same events must give the same state, today and in ten years.",
        bad="""
@event("order.placed")
class Placed: ...


def evolve(placed_at: str, event: Placed) -> str:
    return datetime.now(UTC).isoformat()


app = App(Fold("order", initial=str, evolve=evolve))
""",
        good="""
@event("order.placed")
class Placed:
    at: str


def evolve(placed_at: str, event: Placed) -> str:
    return event.at


app = App(Fold("order", initial=str, evolve=evolve))
""",
        how="The source of evolve and initial and of their helpers names a clock, randomness, a network, a file or a store.",
        ignore="Hardly ever.",
        find=_outside(_is_fold, _ALL, "The same events would give another state.", "Put the value into the event, when it is decided."),
    ),
    Rule(
        "ES041", "fact", "A decision depends on its command and the state alone.",
        why="decide runs again when another writer was first, and for redecide and what-if. Then the same must come of it.",
        bad=_DECIDER + """def decide(command: Issue, state: bool) -> Iterator[Issued]:
    yield Issued(str(uuid4()))


app = App(Decider("coupon", initial=bool, evolve=evolve, decide=decide))
""",
        good=_DECIDER.replace("class Issue: ...", "class Issue:\n    code: str") + """def decide(command: Issue, state: bool) -> Iterator[Issued]:
    yield Issued(command.code)


app = App(Decider("coupon", initial=bool, evolve=evolve, decide=decide))
""",
        how="The source of decide and of its helpers, of inverses and of opening= names a clock, randomness, a network, a file or a database.",
        ignore="Hardly ever: put the time, or the new id, into the command.",
        find=_outside(_is_decision, {"clock", "chance", "world"}, "It may run more than once.", "Put the value into the command."),
    ),
    Rule(
        "ES042", "fact", "A fold gives a new state, and leaves the old one as it was.",
        why="The old state may be kept elsewhere: in a cache, for a decision that is taken again, for a difference of two.",
        bad="""
@event("cart.item-added")
class ItemAdded:
    sku: str


@dataclass
class Cart:
    skus: list[str] = field(default_factory=list)


def evolve(cart: Cart, event: ItemAdded) -> Cart:
    cart.skus.append(event.sku)
    return cart


app = App(Fold("cart", initial=Cart, evolve=evolve))
""",
        good="""
@event("cart.item-added")
class ItemAdded:
    sku: str


@dataclass(frozen=True)
class Cart:
    skus: tuple[str, ...] = ()


def evolve(cart: Cart, event: ItemAdded) -> Cart:
    return Cart((*cart.skus, event.sku))


app = App(Fold("cart", initial=Cart, evolve=evolve))
""",
        how="evolve or decide assigns to a field or an item of what it is given, or calls append, update, pop and the like on it. "
        "Copies may be changed: list(...), sorted, slices, displays, deepcopy.",
        ignore="Where copying was measured to be too slow, and nothing but plain loads use the fold.",
        find=_changes,
    ),
    Rule(
        "ES044", "fact", "A process depends on what it has seen alone.",
        why="A reaction runs again after a crash, and the code of a saga with every result that comes: the same must come of it.",
        bad=_PROCESS + """def react(e: Recorded[Placed], seen: bool) -> Iterator[Effect]:
    yield mails.send(str(uuid4()), Send())
    yield finish()


app = App(mails, Process("mailing", bool, react, lambda seen, event: True))
""",
        good=_PROCESS + """def react(e: Recorded[Placed], seen: bool) -> Iterator[Effect]:
    yield mails.send(e.stream.id, Send())
    yield finish()


app = App(mails, Process("mailing", bool, react, lambda seen, event: True))
""",
        how="The source of react, key, the code of a saga, and of their helpers names a clock, randomness, the world or a store.",
        ignore="Hardly ever: take e.recorded_at; in a saga s.now(), s.uuid(name), s.step(name, function).",
        find=_outside(_is_reaction, _ALL, "It may run more than once.", "Take it from the event; ask the world by an @effect or a step."),
    ),
    Rule(
        "ES070", "fact", "A decision reads no store and no read model.",
        why="A read model lags behind, and nothing guards what was read there: the decision may rest on what is no longer so.",
        bad="store = Store.open(\"memory://\")\n\n" + _DECIDER + """def decide(command: Issue, state: bool) -> Iterator[Issued]:
    if not store.query("select 1 from coupons"):
        yield Issued("welcome")


app = App(Decider("coupon", initial=bool, evolve=evolve, decide=decide))
""",
        good=_DECIDER + """def decide(command: Issue, state: bool) -> Iterator[Issued]:
    if not state:
        yield Issued("welcome")


app = App(Decider("coupon", initial=bool, evolve=evolve, decide=decide))
""",
        how="The source of decide and of its helpers calls a method of a store or a read model.",
        ignore="Hardly ever: fold what is to be known, or compose folds with store.decide.",
        find=_outside(_is_decision, {"store"}, "Nothing guards what it reads there.", "Fold it, or compose(...) folds for store.decide."),
    ),
)  # fmt: skip
