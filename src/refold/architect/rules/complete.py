"""Complete: what is sent has somebody who takes it, what is emitted somebody who reads it, what began comes to an end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from refold.architect.finding import Rule, Said
from refold.architect.model import Model
from refold.architect.parts import Code, Fact, Reacting


def _facts(model: Model, doing: str) -> Iterator[tuple[Code, Fact]]:
    return ((code, fact) for code in model.code for fact in code.facts if fact.doing == doing)


def _not_folded(model: Model) -> Iterator[Said]:
    folds = {fold.category: fold.folds for fold in model.folds}
    for code, fact in _facts(model, "emits"):
        if folds[code.part.name] and fact.what not in folds[code.part.name]:
            yield Said(
                f"decider {code.part.name}",
                f"{code.role} of {code.part.name!r} emits {fact.what!r}, which its evolve does not know: the stream could not be "
                "loaded again.",
                "Name the event in the annotation of evolve, and say what follows from it; maybe nothing.",
                code.place,
            )


def _missed(model: Model) -> Iterator[Said]:
    for code, fact in _facts(model, "misses"):
        if code.role == "evolve":
            yield Said(
                f"{code.part.kind} {code.part.name}",
                f"evolve of {code.part.name!r} has no case for {fact.what!r}: it would give None for a state.",
                "Add the case, or `case _:` with the state as it was.",
                fact.place,
            )


def _nobody_decides(model: Model) -> Iterator[Said]:
    commands = {fold.category: fold.commands for fold in model.folds if fold.kind == "decider"}
    for code, fact in _facts(model, "sends"):
        category, command = fact.detail, fact.what
        about = f"{code.part.kind} {code.part.name}"
        if category and category not in commands:
            yield Said(
                about, f"{code.role} of {code.part.name!r} sends to {category!r}, and the app has no such decider: it would be parked.",
                "Name the decider in the App, too.", fact.place,
            )  # fmt: skip
        elif category and command and commands[category] and command not in commands[category]:
            yield Said(
                about, f"{code.role} of {code.part.name!r} sends {command!r} to {category!r}, whose decide does not take it.",
                "Send it to the decider that takes it, or name it in the annotation of decide.", fact.place,
            )  # fmt: skip


def _nobody_does(model: Model) -> Iterator[Said]:
    effects = {effect.name for effect in model.effects}
    for code, fact in _facts(model, "calls"):
        if fact.what not in effects:
            yield Said(
                f"{code.part.kind} {code.part.name}",
                f"{code.role} of {code.part.name!r} calls effect {fact.what!r}, which the app does not have: it would be parked.",
                "Name the @effect in the App, too.",
                fact.place,
            )


def _comes_back_to_nobody(model: Model) -> Iterator[Said]:
    events = {process.name: process.events for process in model.processes if process.kind == "process"}
    for code, fact in (*_facts(model, "sets"), *_facts(model, "falls back")):
        if code.part.name in events and fact.what not in events[code.part.name]:
            yield Said(
                f"process {code.part.name}",
                f"{code.role} of {code.part.name!r} lets {fact.what!r} come back, which it does not react to.",
                "Name the event in the annotation of react.",
                fact.place,
            )


def _cycles(model: Model) -> Iterator[Said]:
    """Events that lead to commands that lead to the same events, through processes, without a timer between them."""
    steps: dict[tuple[str, str], set[tuple[str, str]]] = {}
    for edge in model.edges:
        if (
            edge.via
            and edge.kind in {"sends", "emits"}
            and {edge.source.kind, edge.target.kind} == {"event", "command"}
        ):
            source, target = (edge.source.kind, edge.source.name), (edge.target.kind, edge.target.name)
            steps.setdefault(source, set()).add(target)
    told: set[frozenset[str]] = set()
    for process in model.processes:
        for name in process.events:
            circle = _circle(steps, ("event", name))
            if circle and frozenset(circle) not in told:
                told.add(frozenset(circle))
                yield Said(
                    f"{process.kind} {process.name}",
                    f"this may go round for ever: {' -> '.join((*circle, circle[0]))}.",
                    "See that a state ends it, or wait in between: after(...), which an operator can cancel.",
                    process.place,
                )


def _circle(steps: Mapping[tuple[str, str], set[tuple[str, str]]], start: tuple[str, str]) -> tuple[str, ...]:
    ways: list[tuple[tuple[str, str], ...]] = [(start,)]
    seen = {start}
    for way in ways:
        for step in sorted(steps.get(way[-1], ())):
            if step == start:
                return tuple(name for _, name in way)
            if step not in seen:
                seen.add(step)
                ways.append((*way, step))
    return ()


def _never_ends(model: Model) -> Iterator[Said]:
    for process in model.processes:
        if process.known and not process.ends and not process.timers:
            yield Said(
                f"process {process.name}",
                f"no reaction of {process.name!r} yields finish(), fail() or a timeout: its instances wait for ever.",
                "Yield finish() where nothing can follow any more, and after(...) where something may never come.",
                process.place,
            )


def _holds_aggregate(model: Model) -> Iterator[Said]:
    states = {fold.state_class: fold.category for fold in model.folds if not fold.state_class.startswith("builtins.")}
    for process in model.processes:
        for field in process.state:
            for cls in {*field.classes} & {*states}:
                yield Said(
                    f"process {process.name}",
                    f"the state of {process.name!r} holds a {cls.rpartition('.')[2]}, the state of {states[cls]!r}: a copy that ages.",
                    "Remember what the events say that the process needs, no more.",
                    process.place,
                )


def _not_undone(model: Model) -> Iterator[Said]:
    for saga in model.processes:
        for name in _without_undo(saga):
            yield Said(
                f"saga {saga.name}",
                f"step {name!r} of {saga.name!r} has no undo, and steps behind it can fail: what it did would stay.",
                "Give it undo=, or make it the pivot, after which the saga only goes forward.",
                saga.place,
            )


def _without_undo(saga: Reacting) -> Iterator[str]:
    for step in saga.steps[:-1]:
        if step.pivot:
            return
        if not step.can_be_undone:
            yield step.name


_ORDER: Final = """
@command("order.place")
class Place: ...


@event("order.placed")
class Placed: ...


@event("order.cancelled")
class Cancelled: ...


"""
_MAIL: Final = """
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
_REACT: Final = """def react(e: Recorded[Placed], seen: bool) -> Iterator[Effect]:
    yield mails.send(e.stream.id, Send())
    yield finish()


mailing = Process("mailing", bool, react, lambda seen, event: True)
"""
_FOLD: Final = """def decide(command: Place, placed: bool) -> Iterator[Placed]:
    yield Placed()


"""
_TIMED: Final = """
@event("order.placed")
class Placed: ...


@event("order.overdue")
class Overdue: ...


"""
_BACK_AND_FORTH: Final = """
@command("order.send-back")
class SendBack: ...


@event("order.sent-back")
class SentBack: ...


def decide(command: SendBack, state: bool) -> Iterator[SentBack]:
    yield SentBack()


orders = Decider("order", initial=bool, evolve=lambda state, event: True, events=(SentBack,), decide=decide)


"""
_CALLED: Final = """
@command("mail.send")
class Send: ...


@event("order.placed")
class Placed: ...


@effect("mail")
def mail(request: Send, key: str) -> None:
    print("under", key)


def react(e: Recorded[Placed], seen: bool) -> Iterator[Effect]:
    yield mail.send(Send())
    yield finish()


mailing = Process("mailing", bool, react, lambda seen, event: True)
"""
_STEPS: Final = """
@event("order.placed")
class Placed: ...


def reserve(event: Placed, key: str) -> None:
    print("reserved under", key)


def release(event: Placed, key: str) -> None:
    print("released under", key)


def charge(event: Placed, key: str) -> None:
    print("charged under", key)


"""
_STATE: Final = """
@event("order.placed")
class Placed:
    sku: str


@dataclass(frozen=True)
class Order:
    sku: str = ""


def placed(order: Order, event: Placed) -> Order:
    return Order(event.sku)


def react(e: Recorded[Placed], seen: Seen) -> Iterator[Effect]:
    yield finish()


"""

RULES: Final = (
    Rule(
        "ES050", "fact", "What a decider emits, its fold knows.",
        why="A stream with an event that its fold has no class for cannot be loaded: no further command can be decided.",
        bad=_ORDER + _FOLD + """app = App(Decider("order", initial=bool, evolve=lambda s, e: True, events=(Cancelled,), decide=decide))
""",
        good=_ORDER + _FOLD + """app = App(Decider("order", initial=bool, evolve=lambda s, e: True, events=(Placed, Cancelled), decide=decide))
""",
        how="What decide and inverses yield is read from their source, and compared with the classes of evolve.",
        ignore="Hardly ever.",
        find=_not_folded,
    ),
    Rule(
        "ES053", "heuristic", "Reactions do not go round in a circle.",
        why="An event that leads to a command that leads to the same event goes on as long as nothing in a state stops it.",
        bad=_BACK_AND_FORTH + """def react(e: Recorded[SentBack], seen: bool) -> Iterator[Effect]:
    yield orders.send(e.stream.id, SendBack())
    yield finish()


app = App(orders, Process("returns", bool, react, lambda seen, event: True))
""",
        good=_BACK_AND_FORTH + """def react(e: Recorded[SentBack], seen: bool) -> Iterator[Effect]:
    yield finish()


app = App(orders, Process("returns", bool, react, lambda seen, event: True))
""",
        how="Edges event -> command of processes and command -> event of deciders are followed, each as far as the case it stands in.",
        ignore="Where the decider's state ends it, such as a count of attempts.",
        find=_cycles,
    ),
    Rule(
        "ES054", "fact", "evolve has a case for each of its events.",
        why="A match without a case that fits gives None, and the next event is folded into that.",
        bad=_ORDER + """def evolve(placed: bool, event: Placed | Cancelled) -> bool:
    match event:
        case Placed():
            return True


app = App(Fold("order", initial=bool, evolve=evolve))
""",
        good=_ORDER + """def evolve(placed: bool, event: Placed | Cancelled) -> bool:
    match event:
        case Placed():
            return True
        case Cancelled():
            return False


app = App(Fold("order", initial=bool, evolve=evolve))
""",
        how="evolve ends with a match on its event, and a class of its annotation is in no case, and did not lead away before.",
        ignore="Hardly ever.",
        find=_missed,
    ),
    Rule(
        "ES055", "fact", "A command that is sent has a decider that takes it.",
        why="A command for nobody is parked, and the process waits for what never comes.",
        bad=_MAIL + _REACT + "app = App(mailing)\n",
        good=_MAIL + _REACT + "app = App(mails, mailing)\n",
        how="What processes and sagas send is read from their source, and compared with the app's deciders.",
        ignore="Where another application on the same store runs the decider.",
        find=_nobody_decides,
    ),
    Rule(
        "ES056", "fact", "An effect that is called is there.",
        why="A call of an effect that nobody runs is parked, and the process waits for what never comes.",
        bad=_CALLED + "app = App(mailing)\n",
        good=_CALLED + "app = App(mailing, mail)\n",
        how="What processes call is read from their source, and compared with the app's effects.",
        ignore="Where another application on the same store runs the effect.",
        find=_nobody_does,
    ),
    Rule(
        "ES057", "fact", "A timeout or a fallback comes back to a process that reacts to it.",
        why="An event that a process sends to itself and does not react to cannot be told to anybody: the reaction is refused.",
        bad=_TIMED + """def react(e: Recorded[Placed], seen: bool) -> Iterator[Effect]:
    yield after(timedelta(days=1), Overdue())
    yield finish()


app = App(Process("waiting", bool, react, lambda seen, event: True))
""",
        good=_TIMED + """def react(e: Recorded[Placed | Overdue], seen: bool) -> Iterator[Effect]:
    if isinstance(e.data, Placed):
        yield after(timedelta(days=1), Overdue())
    else:
        yield finish()


app = App(Process("waiting", bool, react, lambda seen, event: True))
""",
        how="What after, at and otherwise are given is read from the source, and compared with the classes of react.",
        ignore="Hardly ever.",
        find=_comes_back_to_nobody,
    ),
    Rule(
        "ES100", "heuristic", "A process has an end, or a timeout.",
        why="An instance that never ends is loaded with each event of its key, for ever, and looks like one that is stuck.",
        bad=_MAIL + """def react(e: Recorded[Placed], seen: bool) -> Iterator[Effect]:
    yield mails.send(e.stream.id, Send())


app = App(mails, Process("mailing", bool, react, lambda seen, event: True))
""",
        good=_MAIL + _REACT + "app = App(mails, mailing)\n",
        how="All that react yields can be told from its source, and finish(), fail() and timeouts are not among it.",
        ignore="Where a process is to go on for ever, such as one that watches a customer.",
        find=_never_ends,
    ),
    Rule(
        "ES101", "heuristic", "A process holds no copy of an aggregate.",
        why="The copy ages as soon as the aggregate goes on. The process decides by what was, and the decider by what is.",
        bad=_STATE.replace("def react", "@dataclass(frozen=True)\nclass Seen:\n    order: Order = Order()\n\n\ndef react") + """def evolve(seen: Seen, event: Placed) -> Seen:
    return Seen(Order(event.sku))


app = App(Fold("order", initial=Order, evolve=placed), Process("fulfilment", Seen, react, evolve))
""",
        good=_STATE.replace("def react", "@dataclass(frozen=True)\nclass Seen:\n    sku: str = \"\"\n\n\ndef react") + """def evolve(seen: Seen, event: Placed) -> Seen:
    return Seen(event.sku)


app = App(Fold("order", initial=Order, evolve=placed), Process("fulfilment", Seen, react, evolve))
""",
        how="A class that a field of the process's state names is the state of one of the application's folds.",
        ignore="Where the class is a plain value that both happen to use.",
        find=_holds_aggregate,
    ),
    Rule(
        "ES102", "heuristic", "A step of a saga can be undone, up to the pivot.",
        why="When a later step fails, what was done before is undone in reverse. What has no undo stays as it is.",
        bad=_STEPS + 'app = App(Saga("fulfilment", Placed).step(reserve).step(charge))\n',
        good=_STEPS + 'app = App(Saga("fulfilment", Placed).step(reserve, undo=release).step(charge))\n',
        how="The declared steps before the last one, and before the pivot, are looked at.",
        ignore="Where there is nothing to undo, such as a question.",
        find=_not_undone,
    ),
)  # fmt: skip
