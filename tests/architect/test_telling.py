"""For which classes of the message code runs: tests of `isinstance`, alone and together, and matches that lead away."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from refold import App
from refold.architect import derive, review

FOLD = """
@event("a.done")
class Done:
    n: int = 0


@event("a.undone")
class Undone: ...


@event("a.ended")
class Ended: ...


Others = Undone | Ended
HOW = {Undone: lambda state, event: state, Ended: lambda state, event: state}


def known(event: Any) -> bool:
    return False


"""
EVOLVE = """def evolve(state: bool, event: Done | Undone | Ended) -> bool:
    %s
    match event:
        case Done():
            return True


app = App(Fold("a", initial=bool, evolve=evolve))
"""
AWAY = [
    "if isinstance(event, Others): return state",
    "if isinstance(event, Undone | Ended): return state",
    "if isinstance(event, (Undone, Ended)): return state",
    "if isinstance(event, Undone) or isinstance(event, Ended): return state",
    "if event.__class__ is Undone or type(event) is Ended: return state",
    "if type(event) in (Undone, Ended): return state",
    "if type(event) is not Done: return state",
    "if not isinstance(event, Done): return state",
    "if isinstance(event, Undone):\n        return state\n    elif isinstance(event, Ended):\n        return state",
    "try:\n        if isinstance(event, Others): return state\n    finally:\n        pass",
    "if not known(event) and isinstance(event, Others): return state",
    "how = HOW.get(type(event))\n    if how: return how(state, event)",
    "for cls, how in HOW.items():\n        if isinstance(event, cls): return how(state, event)",
    "if known(event): return state",
]


@pytest.mark.parametrize("away", AWAY)
def test_what_was_led_away_before_is_in_no_need_of_a_case(away: str, app_of: Callable[[str], App]) -> None:
    assert review(app_of(FOLD + EVOLVE % away)) == []


@pytest.mark.parametrize(
    ("away", "missed"),
    [
        ("if isinstance(event, Undone): return state", ["a.ended"]),
        ("if state: return state", ["a.ended", "a.undone"]),
        ("if isinstance(event, Undone) and isinstance(event, Others): return state", ["a.ended"]),
    ],
)
def test_a_class_that_is_left_is_missed(away: str, missed: list[str], app_of: Callable[[str], App]) -> None:
    found = review(app_of(FOLD + EVOLVE % away))
    assert [(each.rule, name in each.message) for each, name in zip(found, missed, strict=True)] == [
        ("ES054", True) for _ in missed
    ]


def test_a_class_in_a_case_that_cannot_be_found_is_not_said_to_be_missed(app_of: Callable[[str], App]) -> None:
    program = FOLD + EVOLVE.replace("case Done():", "case Done():\n            return state\n        case there():") % (
        "from nowhere_to_be_found import there"
    )
    assert review(app_of(program)) == []


PROCESS = """
@command("mail.send")
class Send: ...


@event("mail.sent")
class Sent: ...


@event("order.placed")
class Placed: ...


def decide(command: Send, state: bool) -> Iterator[Sent]:
    yield Sent()


mails = Decider("mail", initial=bool, evolve=lambda state, event: True, events=(Sent,), decide=decide)


def evolve(seen: bool, event: Placed | Sent) -> bool:
    return True


def react(e: Recorded[Placed | Sent], seen: bool) -> Iterator[Effect]:
    %s


app = App(mails, Process("mailing", bool, react, evolve))
"""
ONE_WAY = {
    "and": """if isinstance(e.data, Placed) and not seen:
        yield mails.send("x", Send())
    elif isinstance(e.data, Sent):
        yield finish()""",
    "match": """match e.data:
        case Sent():
            yield finish()
            return
        case _:
            pass
    yield mails.send("x", Send())""",
    "else": """if isinstance(e.data, Placed):
        pass
    else:
        yield finish()
        return
    yield mails.send("x", Send())""",
    "an expression": """yield mails.send("x", Send()) if isinstance(e.data, Placed) else finish()""",
}


@pytest.mark.parametrize("way", ONE_WAY)
def test_what_is_sent_for_one_event_is_not_sent_for_another(way: str, app_of: Callable[[str], App]) -> None:
    app = app_of(PROCESS % ONE_WAY[way])
    assert review(app) == []
    assert [edge.source.name for edge in derive(app).edges if edge.kind == "sends" and edge.via == "mailing"] == [
        "order.placed"
    ]


def test_arguments_are_known_by_their_names(app_of: Callable[[str], App]) -> None:
    program = PROCESS.replace("Placed | Sent]", "Placed | Due]").replace("Placed | Sent)", "Placed | Due)").replace(
        "def decide", '@event("order.due")\nclass Due: ...\n\n\ndef decide'
    ) % (
        "yield mails.send(command=Send(), id='x')\n    yield after(timeout=Due(), delay=timedelta(1))\n"
        "    yield at(timeout=Due(), moment=e.recorded_at)\n    yield cancel(timeout=Due)\n    yield finish()"
    )
    app = app_of(program)
    assert review(app) == []
    (process,) = derive(app).processes
    assert (process.known, process.timers, process.cancels) == (True, ("order.due",), ("order.due",))
