"""States and what changed between them: merged without an application, folded with one, at any time."""

from __future__ import annotations

import json
from pathlib import Path

import apsw
import pytest
from tests.cli.conftest import Run
from tests.cli.shop import PROGRAM, Outcome

from refold.cli.apps import application
from refold.flows.shortcuts import Saving
from refold.flows.snapshots import checksum_of
from refold.forms import merged


def state(refold: Run, *args: str) -> tuple[int, object]:
    """The version and the state that the command prints as JSON."""
    done = refold("state", *args, "--store", "shop.db", "--output", "json")
    assert (done.code, done.err) == (0, "")
    printed = json.loads(done.out)
    assert list(printed) == ["stream", "version", "state"]
    assert printed["stream"] == args[0]
    return printed["version"], printed["state"]


def test_where_an_app_fails_to_load_is_told(refold: Run, directory: Path) -> None:
    Path(directory, "broken_deep.py").write_text("\n\nrate = 1 / 0\n")
    Path(directory, "broken_app.py").write_text("import broken_deep\n")
    assert refold("state", "cart-c-1", "--store", "shop.db", "--app", "broken_app:app").err == (
        "refold: --app 'broken_app:app': module 'broken_app' cannot be imported: ZeroDivisionError: division by zero "
        f"({directory}/broken_deep.py, line 3).\n"
    )


ONE = {"sku": "b-1", "qty": 2}
TWO = {"sku": "b-2", "qty": 1}
NOW = {"qty": 1, "note": "a [gift]\nfor Bob"}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], (3, NOW)),
        (["--at", "0"], (0, {})),
        (["--at", "1"], (1, ONE)),
        (["--at", "#2"], (2, TWO)),
        (["--at", "2026-01-01"], (0, {})),
        (["--at", "2026-01-01T12:01:00"], (2, TWO)),
        (["--at", "2026-01-01T13:00+01:00"], (1, ONE)),
        (["--at", "2026-01-02"], (3, NOW)),
        (["--valid-at", "2025-12-23"], (0, {})),
        (["--valid-at", "2025-12-24"], (2, TWO)),
        (["--valid-at", "2026-01-01T12:00Z"], (2, ONE)),  # the second event was true before the first
        (["--valid-at", "2026-01-02", "--at", "1"], (1, ONE)),
    ],
)
def test_a_state_is_that_of_the_time_asked_for(refold: Run, options: list[str], expected: tuple[int, object]) -> None:
    assert state(refold, "cart-c-1", *options) == expected


def test_with_an_app_the_state_is_that_of_its_fold(refold: Run) -> None:
    assert state(refold, "cart-c-1", "--at", "2", "--app", "shop:app") == (2, {"items": 3})


def test_a_state_without_a_form_in_json_is_told(refold: Run, directory: Path) -> None:
    (directory / "plain.py").write_text(
        "from refold import App, Fold, RawEvent\nclass Plain: ...\n"
        "app = App(Fold('cart', initial=Plain, evolve=lambda state, event: state, events=(RawEvent,)))\n"
    )
    done = refold("state", "cart-c-1", "--store", "shop.db", "--app", "plain:app")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("refold: a state has no form in JSON, so it can be neither shown nor compared: ")


def test_the_app_may_be_named_by_the_environment_or_the_project(
    refold: Run, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (directory / "pyproject.toml").write_text('[tool.refold]\napp = "shop:app"\n')
    assert state(refold, "cart-c-1", "--at", "2") == (2, {"items": 3})

    (directory / "pyproject.toml").unlink()
    monkeypatch.setenv("REFOLD_APP", "shop:app")
    assert state(refold, "cart-c-1", "--at", "2") == (2, {"items": 3})


def test_a_category_that_the_app_has_no_fold_for_is_merged_and_said_so(refold: Run) -> None:
    done = refold("state", "order-1", "--store", "shop.db", "--app", "shop:app", "--output", "jsonl")
    assert done == (
        0,
        '{"stream":"order-1","version":2,"state":{"total":30}}\n',
        "refold: the app has no fold for category 'order' (it has: cart), so the data of the events are merged.\n",
    )


@pytest.mark.parametrize(
    ("app", "error"),
    [
        ("shop", "--app 'shop': write MODULE:NAME, as in --app shop:app."),
        ("shop:nothing", "--app 'shop:nothing': there is no such name in it. Write nothing = App(...) in shop."),
        ("shop:not_an_app", "--app 'shop:not_an_app': it is int, not refold.App. Write not_an_app = App(...) in shop."),
        (
            "shpo:app",
            "--app 'shpo:app': module 'shpo' cannot be imported: ModuleNotFoundError: No module named 'shpo'.",
        ),
    ],
)
def test_an_app_that_cannot_be_loaded_is_told(refold: Run, app: str, error: str) -> None:
    assert refold("state", "cart-c-1", "--store", "shop.db", "--app", app) == (2, "", f"refold: {error}\n")


def test_a_state_is_one_value_a_line_in_a_pipe(refold: Run) -> None:
    assert refold("state", "cart-c-1", "--store", "shop.db") == (
        0,
        '/stream\tcart-c-1\n/version\t3\n/state/qty\t1\n/state/note\t"a [gift]\\nfor Bob"\n',
        "",
    )


def test_a_state_is_shown_to_people(refold: Run) -> None:
    assert refold("state", "cart-c-1", "--at", "1", "--store", "shop.db", "--output", "table").out == (
        'cart-c-1  version 1, position 1\n{\n  "sku": "b-1",\n  "qty": 2\n}\n'
    )


@pytest.mark.parametrize(
    ("options", "code", "error"),
    [
        (["cart-c-11"], 3, "refold: there is no stream 'cart-c-11': did you mean 'cart-c-1'?\n"),
        (["cart-c-1", "--at", "4"], 3, "refold: stream 'cart-c-1' has no version 4: it is at version 3.\n"),
    ],
)
def test_a_state_that_is_not_there_is_not_found(refold: Run, options: list[str], code: int, error: str) -> None:
    assert refold("state", *options, "--store", "shop.db") == (code, "", error)


@pytest.mark.parametrize("options", [["--at", "soon"], ["--valid-at", "3"], ["--at", "2026-13-01"]])
def test_a_time_that_is_none_is_a_usage_error(refold: Run, options: list[str]) -> None:
    code, out, err = refold("state", "cart-c-1", *options, "--store", "shop.db")
    assert (code, out, "no time" in err or "not a time" in err) == (2, "", True)


# diff -------------------------------------------------------------------------


def diff(refold: Run, *args: str) -> Outcome:
    return refold("diff", "cart-c-1", *args, "--store", "shop.db")


def test_a_diff_is_a_json_patch_with_the_old_values(refold: Run) -> None:
    assert json.loads(diff(refold, "1", "3", "--output", "json").out) == {
        "schema": 1,
        "data": [
            {"op": "replace", "path": "/qty", "value": 1, "old": 2},
            {"op": "remove", "path": "/sku", "old": "b-1"},
            {"op": "add", "path": "/note", "value": "a [gift]\nfor Bob"},
        ],
        "next": None,
    }


def test_a_diff_is_shown_to_people(refold: Run) -> None:
    assert diff(refold, "1", "3", "--output", "table").out == (
        'cart-c-1  version 1 → 3\n~ /qty   2 → 1\n- /sku   b-1\n+ /note  "a [gift]\\nfor Bob"\n'
    )


def test_a_diff_is_between_any_two_times(refold: Run) -> None:
    assert diff(refold, "2026-01-01T12:00", "2026-01-01T12:01").out == "replace\t/qty\t2\t1\nreplace\t/sku\tb-1\tb-2\n"


def test_where_nothing_changed_a_diff_is_empty(refold: Run) -> None:
    assert diff(refold, "2", "2") == (0, "", "")
    assert diff(refold, "2", "2", "--output", "table").out == "cart-c-1  version 2 → 2\nnothing changed.\n"


def test_a_time_ago_is_an_argument_and_no_option(refold: Run) -> None:
    assert diff(refold, "-9999d", "-1h", "--app", "shop:app") == (0, "replace\t/items\t0\t3\n", "")
    assert diff(refold, "2", "-1h", "--app", "shop:app") == (0, "", "")
    assert diff(refold, "-1x", "2").code == 2
    assert "no time" in diff(refold, "-99999999999999w", "2").err


def test_a_diff_of_an_app_is_of_its_states(refold: Run) -> None:
    assert diff(refold, "0", "3", "--app", "shop:app").out == "replace\t/items\t0\t3\n"


# Saved states ------------------------------------------------------------------

SAVING = PROGRAM.replace(
    'app = App(Decider("cart", initial=Cart, evolve=evolve, decide=decide, inverses=(take_out,)), carts, notes)',
    'cart = Decider("cart", initial=Cart, evolve=evolve, decide=decide, inverses=(take_out,))\n'
    "app = App(cart, carts, notes, snapshots={cart: Snapshots(every=1, version=3)})",
).replace("    App, CannotUndo", "    App, Snapshots, CannotUndo")


@pytest.fixture
def saving(refold: Run, directory: Path) -> Run:
    """The shop whose app saves states; that of version 2 was saved, and is not what the events give."""
    (directory / "saving.py").write_text(SAVING)
    assert refold("snapshots", "create", "cart-c-1", "--at", "2", "--app", "saving:app", "--store", "shop.db").code == 0
    app = application("saving:app")
    assert app is not None
    ((cart, policy),) = app.snapshots.items()
    state = b'{"items":70}'
    checksum = checksum_of(Saving(cart, policy).fingerprint, "cart-c-1", 2, 2, state)
    db = apsw.Connection(str(directory / "shop.db"))
    db.execute("update refold_snapshots set state = ?, checksum = ?", (state, checksum))
    assert db.changes() == 1
    db.close()
    return refold


APP = ("--app", "saving:app")


def test_a_state_begins_with_a_saved_one_unless_it_is_not_to_be_trusted(saving: Run) -> None:
    assert state(saving, "cart-c-1", *APP) == (3, {"items": 70})
    assert state(saving, "cart-c-1", *APP, "--at", "1") == (1, {"items": 2})
    assert state(saving, "cart-c-1", *APP, "--no-snapshots") == (3, {"items": 3})
    assert saving("state", "cart-c-1", *APP, "--store", "shop.db", "--output", "table").out.splitlines()[0] == (
        "cart-c-1  version 3, position 3, from the one saved at version 2"
    )


def test_so_does_a_diff(saving: Run) -> None:
    assert diff(saving, "1", "3", *APP).out == "replace\t/items\t2\t70\n"
    assert diff(saving, "1", "3", *APP, "--no-snapshots").out == "replace\t/items\t2\t3\n"


def test_looking_saves_nothing(saving: Run, directory: Path) -> None:
    state(saving, "cart-c-1", *APP)
    diff(saving, "1", "3", *APP)
    db = apsw.Connection(str(directory / "shop.db"))
    assert list(db.execute("select version from refold_snapshots")) == [(2,)]
    db.close()


def test_where_the_app_saves_none_it_folds_them_all(refold: Run) -> None:
    assert state(refold, "cart-c-1", "--app", "shop:app") == (3, {"items": 3})


# The rules --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merging_is_that_of_rfc_7396(target: object, patch: object, result: object) -> None:
    assert merged(target, patch) == result
