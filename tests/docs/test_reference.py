"""The reference lists what exists: no name is missing, none is invented."""

from __future__ import annotations

import inspect
import re
from collections import Counter
from dataclasses import fields
from itertools import pairwise
from pathlib import Path

import apsw
import pytest
from tests.docs.pages import DOCS, ROOT, Page

import refold
from refold import (
    Limits,
    Metadata,
    RawEvent,
    Recorded,
    Store,
    UsageError,
    architect,
    errors,
    http,
    rpc,
    telemetry,
    testing,
)
from refold.backends.sqlite import Location
from refold.cli.program import COMMANDS
from refold.flows.processes.journal import ENTRIES, TimedOut
from refold.messages import spec_of
from refold.testing import contract

REFERENCE = DOCS / "reference"
SOURCE = ROOT / "src" / "refold"


def test_every_error_has_its_row() -> None:
    page = Page(REFERENCE / "errors.md")
    raised = [name for name, value in vars(errors).items() if _is_error(value)]
    assert sorted(page.column()) == sorted(raised)


def test_what_to_do_is_said_of_every_error() -> None:
    rows = [[cell.text for cell in row] for row in Page(REFERENCE / "errors.md").rows]
    assert [name for name, means, do in rows if not (means and do)] == ["Refused", "Unreadable"]  # bases of a family


def _is_error(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, errors.RefoldError)


def test_every_public_name_has_its_row() -> None:
    named = Counter(name for name in Page(REFERENCE / "api.md").column() if "." not in name)
    assert named == Counter([
        *refold.__all__, *architect.__all__, *http.__all__, *rpc.__all__, *telemetry.__all__, *testing.__all__, *contract.__all__,
    ])  # fmt: skip


def test_every_method_of_a_store_has_its_row() -> None:
    named = [name for name in Page(REFERENCE / "api.md").column() if name.startswith("Store.")]
    assert sorted(named) == sorted(f"Store.{name}" for name in vars(Store) if not name.startswith("_"))


def test_every_limit_is_listed_with_its_default() -> None:
    assert _defaults("Limits") == {field.name: str(field.default) for field in fields(Limits)}


def test_every_setting_of_a_url_is_listed_with_its_default() -> None:
    settings = {field.name: field.default for field in fields(Location) if field.name != "path"}
    assert _defaults("Settings of SQLite") == {
        name: f"{value:g}" if isinstance(value, float) else value for name, value in settings.items()
    }


def test_every_option_of_open_is_listed() -> None:
    assert ["url", *_defaults("Options of open")] == list(inspect.signature(Store.open).parameters)


def test_every_environment_variable_is_listed() -> None:
    read = {name for path in SOURCE.rglob("*.py") for name in re.findall(r"\bREFOLD_[A-Z]+\b", path.read_text("utf-8"))}
    assert set(_defaults("Environment variables")) == read


def test_every_attribute_and_figure_of_ours_is_listed() -> None:
    page = Page(DOCS / "how-to" / "observe-with-opentelemetry.md")
    told = {
        name
        for path in (SOURCE / "figures.py", *(SOURCE / "telemetry").glob("*.py"))
        for name in re.findall(r'"((?:refold|messaging\.\w+)\.[a-z._]+)"', path.read_text("utf-8"))
        if not name.endswith((".name", ".type", ".template", ".id", ".role", ".message_count"))
    }
    assert {name for name in page.column() if "." in name} == told - {"refold.projection.version", "refold.telemetry"}


def _defaults(heading: str) -> dict[str, str]:
    return {name: default for name, default, *_ in Page(REFERENCE / "settings.md").table(heading)}


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///shop.db",
        "sqlite:///:memory:",
        "memory://",
        "sqlite:///shop.db?durability=best-effort&busy_timeout=10",
    ],
)
def test_a_url_of_the_settings_page_opens(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert url in (REFERENCE / "settings.md").read_text("utf-8")
    monkeypatch.chdir(tmp_path)
    with Store.open(url) as store:
        assert store.head() == 0


@pytest.mark.parametrize("text", ["colour=red", "mode=rx", "busy_timeout=soon"])
def test_an_unknown_setting_is_refused_as_the_page_says(text: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        Store.open(f"sqlite:///{tmp_path}/shop.db?{text}")


def test_every_field_of_the_envelope_is_listed() -> None:
    page = Page(REFERENCE / "names.md")
    reserved = ("$command", "$asked", "$cause", "$undoes", "$redoes")
    assert page.column() == (*Recorded.__struct_fields__, *Metadata.__struct_fields__, *reserved)


def test_the_reserved_keys_are_those_of_the_source() -> None:
    text = "".join((SOURCE / name).read_text("utf-8") for name in ("flows/prepare.py", "commands.py", "marks.py"))
    assert set(re.findall(r'"(\$[a-z]+)"', text)) == {"$command", "$asked", "$cause", "$undoes", "$redoes"}


def test_every_table_and_column_of_the_file_is_listed(tmp_path: Path) -> None:
    with Store.open(f"sqlite:///{tmp_path}/shop.db", events=[RawEvent]):
        pass
    db = apsw.Connection(f"{tmp_path}/shop.db")
    stored = {name: _columns(db, name) for (name,) in db.execute("select name from sqlite_master where type = 'table'")}
    page = Page(REFERENCE / "storage-format.md")
    rows = page.table("Tables")
    listed = {"events": [row[0] for row in rows if len(row) == 2]}
    listed |= {row[0]: row[2].split(", ") for row in rows if len(row) == 3}
    assert listed == stored


def _columns(db: apsw.Connection, table: str) -> list[object]:
    return [row[1] for row in db.execute(f"pragma table_xinfo({table})")]


def test_every_entry_of_a_journal_is_listed_with_its_fields() -> None:
    rows = Page(REFERENCE / "storage-format.md").table("Journals of processes")
    told = {name: names.split(", ") for name, names, _ in rows}
    assert told == {spec_of(cls).name: [*cls.__annotations__] for cls in (*ENTRIES, TimedOut)}


def test_every_command_has_its_heading() -> None:
    headings = [part.heading for part in Page(REFERENCE / "cli.md").prose]
    assert [name for name in COMMANDS if not any(name in heading.split() for heading in headings)] == []


def test_the_decisions_are_numbered_without_holes_and_told_in_four_parts() -> None:
    pages = sorted((DOCS / "explanation" / "adr").glob("0*.md"))
    numbers = [int(path.name[:4]) for path in pages]
    assert all(b == a + 1 for a, b in pairwise(numbers))
    assert {path.name: _parts(path) for path in pages} == {
        path.name: ["Context", "Decision", "Consequences", "What would change our mind"] for path in pages
    }


def _parts(path: Path) -> list[str]:
    return re.findall(r"^## (.+)$", path.read_text("utf-8"), re.MULTILINE)
