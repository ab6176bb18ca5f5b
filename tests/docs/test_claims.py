"""The pages speak of what exists: every name in code is real."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator

import pytest
from tests.docs.pages import ROOT, Page, documentation

import refold
from refold import AsyncStore, Store, architect, http, studio
from refold.cli.program import COMMANDS
from refold.eventlogs.flat import OWN, PREFIX

PAGES = (Page(ROOT / "README.md"), *documentation())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_name_in_code_is_real(page: Page) -> None:
    assert [code for part in page.prose for code in part.code if any(_unreal(code))] == []


def _unreal(code: str) -> Iterator[str]:
    for command in re.findall(r"^refold ([a-z-]+)", code):
        if command not in COMMANDS:
            yield command
    for method in re.findall(r"^[Ss]tore\.(\w+)", code):
        if not hasattr(Store, method) or not hasattr(AsyncStore, method):
            yield method
    for path in re.findall(r"^refold((?:\.\w+)+)$", code):
        if f"refold{path}" not in TOLD | EXPORTED | LOGGERS and not _exists(f"refold{path}"):
            yield path
    for path in re.findall(r"^refold/[\w/]+\.py$", code):
        if not (ROOT / "src" / path).is_file():
            yield path
    if re.fullmatch(r"[A-Z]\w+[a-z]\w*", code) and code not in KNOWN:
        yield code


KNOWN = {
    *refold.__all__,
    *http.__all__,
    *studio.__all__,
    *architect.__all__,
    *("Backend", "Grouping", "Appended", "Conflicted", "AlreadyAsked"),
    *("ManualClock", "Simulated", "SimulationFailed", "StoreContract", "Contract", "Place", "Stores"),
    *("SessionTarget", "AsyncSessionTarget", "DjangoTarget"),
    *(
        "Webhook",
        "NatsBroker",
        "RabbitBroker",
        "KafkaBroker",
        "RedisBroker",
        "FastStream",
    ),  # of integrations, and FastStream's
    *("TestCase", "TransactionTestCase"),  # of Django
    *("IdempotencyKey", "RequestStore", "RefoldPlugin", "Problems"),  # of frameworks
    *("NotEnough", "Withdrawn", "Corrected", "None", "RuntimeError", "Decimal"),  # of the examples, and Python's
}


TOLD = {
    name
    for path in (ROOT / "src" / "refold" / "figures.py", *(ROOT / "src" / "refold" / "telemetry").glob("*.py"))
    for name in re.findall(r'"(refold\.[a-z._]+)"', path.read_text("utf-8"))
}
"""The attributes and figures that OpenTelemetry is given."""


LOGGERS = {
    name
    for path in (ROOT / "src" / "refold").rglob("*.py")
    for name in re.findall(r'getLogger\("(refold\.[a-z._]+)"\)', path.read_text("utf-8"))
}
EXPORTED = {f"{PREFIX}{name}" for name in (*OWN, "data", "recorded_at", "stream", "tags", "keys")}
"""The attributes of events in XES and OCEL; tests/eventlogs holds the page that lists them to what is written."""


def _exists(name: str) -> bool:
    module, _, attribute = name.rpartition(".")
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        return hasattr(importlib.import_module(module), attribute)
    return True


@pytest.mark.parametrize("code", ["refold fly", "store.fly", "refold.flying", "refold/fly.py", "FlownAway"])
def test_a_name_that_is_not_real_is_found(code: str) -> None:
    assert list(_unreal(code)) != []
