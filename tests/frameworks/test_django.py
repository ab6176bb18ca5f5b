"""Django: one store by the settings, stories and actors from requests, errors as problems, a health check, the commands."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management.base import CommandError  # type: ignore[import-untyped] # Django has no types
from django.test import RequestFactory, override_settings  # type: ignore[import-untyped] # as above
from examples.concerts.evenings import evenings
from examples.concerts.rules import Announce, concerts
from tests.http.test_problems import ERRORS, made
from tests.integrations import django_shop

from refold import Store, StoreUnreachable, UsageError
from refold.frameworks.django import close, store, store_of
from refold.frameworks.django.configured import configured, refusals
from refold.frameworks.django.health import ready
from refold.frameworks.django.management.commands.refold import Command
from refold.frameworks.django.middleware import Problems
from refold.problems import headers_of, problem_of

assert django_shop.MODELS  # whose settings are those of this process
REFUSAL = "examples.concerts.rules:Refusal"
MASS = Announce("Mass in B minor", 3)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/concerts.db?durability=best-effort"


@pytest.fixture(autouse=True)
def settings(url: str) -> Iterator[None]:
    with override_settings(REFOLD={"STORE": url, "APP": "examples.concerts.rules:app", "REFUSALS": [REFUSAL]}):
        yield
        close()


def request(user: object = None, **headers: str) -> Any:
    found: Any = RequestFactory().get("/", headers=headers)
    found.user = user
    return found


def test_the_store_is_opened_once_and_all_threads_share_it() -> None:
    found: list[Store] = []
    threads = [threading.Thread(target=lambda: found.append(store())) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert {id(each) for each in found} == {id(store())}
    close()
    assert store() is not found[0]


def test_a_request_gives_its_story_and_who_is_logged_in() -> None:
    ada = SimpleNamespace(is_authenticated=True, get_username=lambda: "ada")
    nobody = SimpleNamespace(is_authenticated=False, get_username=lambda: "")
    store_of(request(ada, x_correlation_id="request 7")).bind(concerts).handle("a", MASS)
    store_of(request(nobody)).bind(concerts).handle("b", MASS)
    first, second = [event.metadata for event in store().read()]
    assert (first.actor, first.correlation_id) == ("ada", "request 7")
    assert (second.actor, second.correlation_id == second.causation_id) == (None, True)


def answer(error: Exception) -> Any:
    return Problems(lambda _: None).process_exception(request(), error)


def test_every_error_is_told_by_the_table() -> None:
    for error in map(made, ERRORS):
        problem, told = problem_of(error), answer(error)
        assert (told.status_code, json.loads(told.content)["type"]) == (problem.status, problem.type)
        assert told.headers.get("Retry-After") == headers_of(problem).get("Retry-After")
        assert told.headers["Content-Type"] == "application/problem+json"


def test_a_refusal_is_told_in_its_words_and_anything_else_is_left_to_django() -> None:
    (refusal,) = refusals()
    told = answer(refusal("the hall is full"))
    assert (told.status_code, json.loads(told.content)["detail"]) == (422, "the hall is full")
    assert answer(ValueError("the password is 1234")) is None


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (None, "name no store"),
        ({"APP": "shop:app"}, "STORE"),
        ({"STORE": "memory://", "STORES": "x"}, "STORES"),
        ({"STORE": 7}, "STORE"),
    ],
)
def test_settings_that_cannot_be_are_told(given: object, complaint: str) -> None:
    with override_settings(REFOLD=given), pytest.raises(UsageError, match=complaint):
        configured()


@pytest.mark.parametrize("name", ["examples.concerts.rules", "examples.concerts.rules:Nothing", "nowhere:X", "os:path"])
def test_a_refusal_that_is_no_exception_is_told(name: str) -> None:
    with override_settings(REFOLD={"STORE": "memory://", "REFUSALS": [name]}), pytest.raises(UsageError, match=name):
        Problems(lambda _: None)


def test_it_is_ready_until_a_read_model_is_stuck_or_the_store_is_away(tmp_path: Path) -> None:
    def told() -> tuple[int, str, str]:
        found: Any = ready(request())
        return (found.status_code, *json.loads(found.content).values())

    store().catch_up(evenings)
    assert told() == (200, "ok", "")

    store().model(evenings).pause("by hand")
    store().bind(concerts).handle("a", MASS)
    assert told() == (503, "stuck", "evenings")

    with override_settings(REFOLD={"STORE": f"sqlite:///{tmp_path}/nowhere/x.db"}):
        assert told()[:2] == (503, "away")
    with override_settings(REFOLD={"STORE": "memory://"}):
        assert told() == (200, "ok", "")
        store().close()
        assert told()[:2] == (503, "away")


def test_a_store_that_has_no_read_models_is_asked_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_: Store) -> None:
        raise StoreUnreachable("no server answers")

    monkeypatch.setattr(Store, "head", away)
    with override_settings(REFOLD={"STORE": "memory://"}):
        found: Any = ready(request())
    assert (found.status_code, json.loads(found.content)) == (503, {"status": "away", "what": "no server answers"})


@pytest.fixture
def manage(monkeypatch: pytest.MonkeyPatch, url: str) -> Callable[..., None]:
    """Runs `manage.py refold ...`, on an environment of its own."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("REFOLD_")}
    monkeypatch.setattr("os.environ", ours)
    return lambda *words: Command().handle(words=words)


def test_the_command_works_on_the_store_of_the_settings(
    manage: Callable[..., None], capsys: pytest.CaptureFixture[str], url: str
) -> None:
    store().bind(concerts).handle("mass", MASS)
    manage("streams")
    assert capsys.readouterr().out.startswith("concert-mass\t1\t1\t")
    with pytest.raises(CommandError, match="refold show concert-tosca ended with 3"):
        manage("show", "concert-tosca")


def test_what_is_given_counts_more_than_the_settings(
    manage: Callable[..., None], capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store.open(f"sqlite:///{tmp_path}/other.db") as other:
        other.bind(concerts).handle("tosca", MASS)
    manage("streams", "--store", f"{tmp_path}/other.db")
    assert capsys.readouterr().out.startswith("concert-tosca\t")
    monkeypatch.setitem(os.environ, "REFOLD_STORE", f"{tmp_path}/other.db")
    manage("streams")
    assert capsys.readouterr().out.startswith("concert-tosca\t")


def test_from_a_shell_all_words_are_meant_for_refold(
    manage: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        Command().run_from_argv(["manage.py", "refold", "run", "--help"])
    assert (ended.value.code, capsys.readouterr().out.startswith("Usage: manage.py refold run")) == (0, True)
