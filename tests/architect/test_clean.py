"""The applications of this repository are reviewed, and nothing is to be said of them; a rule that cried wolf would show here."""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from examples import hello
from examples.concerts.evenings import evenings
from examples.concerts.rules import concerts
from examples.courses import enrolment, uniqueness, validity
from examples.fines.office import office
from examples.fines.process import fines
from examples.fines.shadow import STANDING
from examples.fulfilment import choreography, orchestration
from examples.fulfilment.orders import orders
from examples.fulfilment.outside import World
from examples.fulfilment.stock import stock
from examples.git_time_machine.app import app as git

from refold import App, schedules
from refold.architect import derive, review
from refold.architect.parts import Edge, Node, Sent
from refold.cli.new import rendered, template_files, write
from refold.demo.app import app as shop

APPS = {
    "shop": shop,
    "hello": App(hello.carts, hello.sold, hello.abandonment),
    "concerts": App(concerts, evenings),
    "enrolment": App(enrolment.course_room, enrolment.courses_of_student),
    "uniqueness": App(uniqueness.name_use, uniqueness.placing),
    "validity": App(validity.prices, validity.sign_ups),
    "fines": App(office, fines, STANDING),
    "process": App(orders, stock, choreography.fulfilment, *choreography.effects(World())),
    "saga": App(orders, stock, orchestration.fulfilment(World())),
    "git": git,
}


@pytest.mark.parametrize("name", APPS)
def test_nothing_is_to_be_said_of_the_examples(name: str) -> None:
    assert review(APPS[name]) == []


def test_nothing_is_to_be_said_of_a_part_of_refold_itself() -> None:
    assert review(App(hello.carts, schedules)) == []


@pytest.mark.parametrize("name", APPS)
def test_all_of_their_code_can_be_told(name: str) -> None:
    model = derive(APPS[name])
    assert [each for each in model.folds if not each.known] == []
    assert [each for each in model.processes if not each.known] == []


@pytest.mark.parametrize("template", ["minimal", "fastapi"])
def test_nothing_is_to_be_said_of_a_new_project(template: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = f"reviewed_{template}"
    files = template_files(template, package)
    write(tmp_path / "made", {path: rendered(text, package, package) for path, text in files})
    monkeypatch.syspath_prepend(tmp_path / "made" / "src")
    spec = spec_from_file_location(f"{package}.app", tmp_path / "made" / "src" / package / "app.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        assert review(module.app) == []
    finally:
        for name in [each for each in sys.modules if each.partition(".")[0] == package]:
            del sys.modules[name]


def test_what_the_shop_does_is_read_out_of_its_code() -> None:
    model = derive(shop)
    (fulfilment,) = model.processes
    assert fulfilment.sends == (
        Sent("order", "order.cancel"), Sent("order", "order.confirm-payment"), Sent("payment", "payment.refund"),
        Sent("payment", "payment.request"), Sent("stock", "stock.pick"), Sent("stock", "stock.release"),
        Sent("stock", "stock.reserve"),
    )  # fmt: skip
    assert (fulfilment.timers, fulfilment.cancels, fulfilment.ends) == (
        ("payment.none-to-come", "payment.overdue"),
        ("payment.overdue",),
        True,
    )
    assert [edge for edge in model.edges if edge.source == Node("command", "stock.reserve") and edge.via] == [
        Edge("emits", Node("command", "stock.reserve"), Node("event", "stock.reserved"), "stock"),
        Edge("emits", Node("command", "stock.reserve"), Node("event", "stock.short"), "stock"),
    ]
    assert [edge.target.name for edge in model.edges if edge.source == Node("event", "payment.received") and edge.via] == [
        "payment.too-late", "order.confirm-payment", "payment.refund",
    ]  # fmt: skip
