"""What is read out of code: through helpers, names, tables and branches; and what cannot be told is not guessed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from refold import App
from refold.architect import derive, review

HEAD = """
@command("a.do")
class Do: ...


@command("a.undo")
class Undo: ...


@event("a.done")
class Done: ...


@event("a.undone")
class Undone: ...


def evolve(state: bool, event: Done | Undone) -> bool:
    return isinstance(event, Done)


"""
TAIL = """
app = App(Decider("a", initial=bool, evolve=evolve, decide=decide))
"""
WAYS = {
    "match": """
def decide(command: Do | Undo, state: bool):
    match command:
        case Do():
            yield Done()
        case Undo() if state:
            yield Undone()
""",
    "isinstance": """
def decide(command: Do | Undo, state: bool):
    if isinstance(command, Do):
        return [Done()]
    return [Undone()]
""",
    "not isinstance": """
def decide(command: Do | Undo, state: bool):
    if not isinstance(command, Do):
        return [Undone()]
    events = []
    events.append(Done())
    return events
""",
    "a helper, under another name": """
def helped(asked):
    match asked:
        case Do():
            yield Done()
        case _:
            yield Undone()


other = helped


def decide(command: Do | Undo, state: bool):
    yield from other(command)
""",
    "a table": """
def done(command, state):
    return (Done(),)


def undone(command, state):
    return (Undone(),)


TABLE = {Do: done, Undo: undone}


def decide(command: Do | Undo, state: bool):
    return TABLE[type(command)](command, state)
""",
    "single dispatch": """
from functools import singledispatch


@singledispatch
def decide(command: Do | Undo, state: bool):
    raise TypeError


@decide.register
def _(command: Do, state: bool):
    yield Done()


@decide.register
def _(command: Undo, state: bool):
    yield Undone()
""",
}


@pytest.mark.parametrize("way", WAYS)
def test_which_command_emits_which_event_is_told(way: str, app_of: Callable[[str], App]) -> None:
    model = derive(app_of(HEAD + WAYS[way] + TAIL))
    assert model.folds[0].known
    assert [(edge.source.name, edge.target.name) for edge in model.edges if edge.kind == "emits" and edge.via] == [
        ("a.do", "a.done"), ("a.undo", "a.undone"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "decide",
    [
        "def decide(command: Do | Undo, state: bool):\n    yield command.anything\n",
        "table: Any = {}\n\n\ndef decide(command: Do | Undo, state: bool):\n    return table.get(command)\n",
        "exec('def decide(command, state): return [Done()]')\n",
    ],
)
def test_what_cannot_be_told_is_not_guessed(decide: str, app_of: Callable[[str], App]) -> None:
    app = app_of(HEAD + decide + TAIL)
    assert (derive(app).folds[0].known, derive(app).folds[0].emits, review(app)) == (False, (), [])


def test_code_is_read_and_not_run(app_of: Callable[[str], App]) -> None:
    program = HEAD + "def decide(command: Do | Undo, state: bool):\n    raise SystemExit\n    yield Done()\n" + TAIL
    assert derive(app_of(program)).folds[0].emits == ("a.done",)


CLOCK = HEAD + "def decide(command: Do | Undo, state: bool):\n    {}\n    yield Done()\n" + TAIL


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("datetime.now(UTC)", "datetime.now()"),
        ("import time as t; t.time()", "time.time()"),
        ("import random; random.choice([1])", "random.choice()"),
        ("import secrets; secrets.token_hex()", "secrets.token_hex()"),
        ("from pathlib import Path; Path('x').read_text()", "Path.read_text()"),
        ("open('x')", "open()"),
        ("import os; os.environ['X']", "os.environ"),
        ("import subprocess; subprocess.run([])", "subprocess.run()"),
    ],
)
def test_what_lies_outside_is_known_by_what_it_is_and_not_by_its_name(
    line: str, named: str, app_of: Callable[[str], App]
) -> None:
    (found,) = review(app_of(CLOCK.format(line)))
    assert (found.rule, named in found.message) == ("ES041", True)


@pytest.mark.parametrize(
    "line", ["import random; random.Random(7).random()", "datetime(2024, 1, 1, tzinfo=UTC)", "now = 1", "timedelta(1)"]
)
def test_what_is_the_same_each_time_is_let_be(line: str, app_of: Callable[[str], App]) -> None:
    assert review(app_of(CLOCK.format(line))) == []


IGNORED = CLOCK.replace("    {}\n", "    datetime.now(UTC){}\n")


@pytest.mark.parametrize(
    ("comment", "rules"),
    [
        ("", ["ES041"]),
        ("  # refold: ignore[ES041] reason=the clock of a test", []),
        ("  # refold: ignore[ES040, ES041] reason=both", []),
        ("  # refold: ignore[ES040] reason=another rule", ["ES041"]),
        ("  # refold: ignore[ES041]", ["ES000", "ES041"]),
        ("  # refold: ignore[ES041] reason=", ["ES000", "ES041"]),
    ],
)
def test_a_comment_silences_a_rule_if_it_gives_a_reason(
    comment: str, rules: list[str], app_of: Callable[[str], App]
) -> None:
    assert [each.rule for each in review(app_of(IGNORED.format(comment)))] == rules


@pytest.mark.parametrize("where", ["def decide(command: Do | Undo, state: bool):"])
def test_a_comment_at_the_definition_silences_it_in_all_of_it(where: str, app_of: Callable[[str], App]) -> None:
    program = IGNORED.format("").replace(where, f"{where}  # refold: ignore[ES041] reason=a test")
    assert review(app_of(program)) == []
