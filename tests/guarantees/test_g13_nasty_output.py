"""G13 for who looks: nasty names and values come out of the command line, of HTTP and of the Studio exactly, and stay text.

A terminal must be given nothing that it obeys: no control character but the end of a line and a tab, and none that turns the
direction of text. JSON must say exactly what was written. A page must gain no element and no attribute.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import sys
import unicodedata
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from click.testing import CliRunner
from tests.faults.nasty import NASTY
from tests.guarantees.telling import tell
from tests.guarantees.test_g13_nasty_names import NAMES
from tests.studio.test_hostile import elements

from refold import AsyncStore, NewEvent, RawEvent, Store
from refold.cli import saying
from refold.cli.program import program
from refold.http import anyone, api
from refold.messages import Metadata
from refold.studio import studio

pytestmark = [pytest.mark.guarantee("G12"), pytest.mark.guarantee("G13")]

MARKS = {"\u061c", "\u200e", "\u200f"}
"""Characters without a look that turn no more than themselves: texts of some languages need them."""
OBEYED = {*MARKS, *map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A))}
"""Characters that turn the direction of what stands behind them."""
VALUES = [text for text in NASTY if text.isprintable() or not any("\ud800" <= char <= "\udfff" for char in text)]
"""Those that may be values."""


def events() -> Iterator[tuple[str, NewEvent[RawEvent]]]:
    """Streams and events in which each text stands wherever it may."""
    for number, text in enumerate(NAMES):
        known, stream = Metadata(text, None, text, free=kept(text)), f"n-{text}" if len(text) < 199 else f"n-{number}"
        data = RawEvent(text, {text: text, "list": [text]})
        yield stream, NewEvent(data, tags=frozenset({text}), metadata=known)
    for text in VALUES:
        yield "values-1", NewEvent(RawEvent("value", {text: text, "list": [{text: [text]}]}), metadata=kept(text))
    short = [text for text in VALUES if len(text) < 1_000]
    for each in ({}, {text: text for text in short}, {text: [text] for text in short}):
        yield "all-1", NewEvent(RawEvent("all", each), metadata=kept(*short))


def kept(*texts: str) -> dict[str, str]:
    """As metadata: keys that begin with `$` are Refold's own."""
    return {text: text for text in texts if not text.startswith("$")}


WRITTEN = list(events())


def obeyed(text: str) -> set[str]:
    """The characters of an output that a terminal would obey."""
    return {char for char in text if (unicodedata.category(char) == "Cc" and char not in "\n\t") or char in OBEYED}


# The command line ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with all of them."""
    path = tmp_path_factory.mktemp("nasty") / "store.db"
    with Store.open(f"sqlite:///{path}", events=[RawEvent]) as store:
        for stream, event in WRITTEN:
            store.append(stream, [event])
    return path


class Terminal(io.TextIOWrapper):
    """A stream that says it is one."""

    def isatty(self) -> bool:
        return True


def shown(path: Path, *arguments: str, terminal: bool = True, monkeypatch: pytest.MonkeyPatch) -> str:
    """What a command writes, to a terminal or elsewhere."""
    out = io.BytesIO()
    with monkeypatch.context() as patch:
        patch.setenv("COLUMNS", "300")
        patch.setenv("TERM", "dumb")  # so that what is obeyed is not ours
        patch.setattr(sys, "stdout", Terminal(out, "utf-8") if terminal else io.TextIOWrapper(out, "utf-8"))
        program.main([*arguments, "--store", str(path)], standalone_mode=False)
        sys.stdout.flush()
        return out.getvalue().decode()


LISTS = {
    "show": ("show", "values-1"),
    "tail": ("tail", "--from", "1"),
    "streams": ("streams",),
    "one": ("show", f"#{len(WRITTEN) - 50}"),
    "stats": ("stats",),
    "trace": ("trace", "a\u200fb"),
    "whole": ("show", "all-1@2"),
    "state": ("state", "all-1"),
    "diff": ("diff", "all-1", "1", "3"),
    "whatif": ("whatif", "all-1", "--drop", "2"),
}


@pytest.mark.parametrize("output", ["table", "plain", "json", "jsonl", "csv"])
@pytest.mark.parametrize("command", LISTS)
def test_a_terminal_is_given_nothing_that_it_obeys_from_sqlite(
    path: Path, command: str, output: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    flat = ["--list"] if (command, output) == ("trace", "csv") else []
    text = shown(path, *LISTS[command], *flat, "--output", output, monkeypatch=monkeypatch)
    assert (obeyed(text), text.count("\n") > 0) == (set(), True)


@pytest.mark.parametrize("format", ["jsonl", "csv", "cloudevents"])
def test_an_export_to_a_terminal_is_nothing_that_it_obeys_from_sqlite(
    path: Path, format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert obeyed(shown(path, "export", "-", "--format", format, monkeypatch=monkeypatch)) == set()


@pytest.mark.parametrize("terminal", [True, False])
def test_json_of_each_nasty_text_says_exactly_what_was_written_to_sqlite(
    path: Path, terminal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = [(stream, event.data.type, event.data.data) for stream, event in WRITTEN]
    for arguments in (("tail", "--from", "1", "--output", "jsonl"), ("export", "-")):
        lines = shown(path, *arguments, terminal=terminal, monkeypatch=monkeypatch).split("\n")
        found = [json.loads(line) for line in lines if line]
        assert [(each["stream"], each["type"], each["data"]) for each in found] == expected
    told = json.loads(
        shown(path, "tail", "--from", "1", "--output", "json", terminal=terminal, monkeypatch=monkeypatch)
    )
    assert [each["data"] for each in told["data"]] == [data for _, _, data in expected]


def test_each_nasty_name_is_found_by_the_command_line_in_sqlite(path: Path) -> None:
    for stream, event in WRITTEN[: len(NAMES)]:
        done = CliRunner().invoke(program, ["show", "--store", str(path), "--output", "jsonl", "--", stream])
        assert (done.exit_code, [json.loads(line)["data"] for line in done.stdout.splitlines()]) == (
            0,
            [event.data.data],
        )


def test_what_is_told_of_a_backup_is_nothing_that_a_terminal_obeys_on_sqlite(path: Path, tmp_path: Path) -> None:
    nasty = [text for text in NASTY if Path(text).name == text and text.strip(".") and usable(text)]
    store, said = tmp_path / "store\x1b]0;x\x07\u202e.db", ""
    shutil.copy(path, store)
    tenants = Path(f"{store}.tenants")
    tenants.mkdir()
    for text in nasty:
        for each in tenants.iterdir():
            each.unlink()
        (tenants / f"{text}.db").touch()
        backup = tmp_path / f"{text}.backup"
        for command in (
            ["backup", "--dry-run", str(backup), "--store", str(store)],
            ["backup", str(backup), "--store", str(store)],
            ["restore", "--dry-run", str(backup), "--store", f"{tmp_path}/{text}.new"],
            ["doctor", "--store", f"{store}?keys=sqlite:///{tenants}/{text}.db"],
        ):
            if "?" in text:
                continue
            done = CliRunner().invoke(program, command)
            assert (obeyed(done.output), done.exception is None or isinstance(done.exception, SystemExit)) == (
                set(),
                True,
            )
            said += done.output
    assert said.count("NOT in it: the stores of tenants") > len(nasty) // 2


def usable(text: str) -> bool:
    """Whether it may be part of the name of a file here."""
    try:
        return 0 < len(os.fsencode(text)) < 200 and "\0" not in text
    except UnicodeEncodeError:
        return False


def test_every_sentence_of_the_command_line_goes_through_one_place() -> None:
    """Beside those that colour what they tell, whose pieces are made visible each by itself."""
    folder = Path(saying.__file__).parent
    echoes = {
        file.stem
        for file in folder.glob("*.py")
        if re.search(r"click\.s?echo\(|(?<![.])\bprint\(", file.read_text("utf-8"))
    }
    writes = {file.stem for file in folder.glob("*.py") if "sys.stdout.write" in file.read_text("utf-8")}
    assert (echoes, writes) == ({"saying", "doctor", "findings", "review"}, {"saying"})


@pytest.mark.parametrize("command", ["show", "tail", "export"])
def test_what_is_no_name_is_told_with_nothing_that_a_terminal_obeys_on_sqlite(path: Path, command: str) -> None:
    for text in (
        set(NASTY) - set(NAMES) - {text for text in NASTY if "\ud800" <= text[-1:] <= "\udfff" or "\x00" in text}
    ):
        options = {
            "show": ["--", f"note-{text}"],
            "tail": ["--category", text],
            "export": ["--stream", f"a-{text}", "-"],
        }
        done = CliRunner().invoke(program, [command, "--store", str(path), *options[command]])
        assert obeyed(done.output) == set(), text
        assert done.exception is None or isinstance(done.exception, SystemExit), text


# HTTP and the Studio ---------------------------------------------------------------------------------


@pytest.fixture
async def store() -> AsyncIterator[AsyncStore]:
    async with await AsyncStore.open("sqlite:///:memory:", events=[RawEvent]) as store:
        yield store


def client(app: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url="http://shop")


async def test_each_nasty_text_goes_in_and_out_over_http_exactly_or_is_refused_on_sqlite(store: AsyncStore) -> None:
    refused = 0
    async with client(api(store, authorize=anyone)) as asked:
        for text in NASTY:
            path, before = f"/streams/{quote(f'n-{text}', safe='', errors='surrogatepass')}", await store.head()
            body = json.dumps(
                {"events": [{"type": text, "data": {text: text}, "tags": [text], "metadata": {text: text}}]}
            )
            done = await asked.post(path, content=body, headers={"Content-Type": "application/json"})
            if done.status_code != 201:
                assert (400 <= done.status_code < 500, await store.head()) == (True, before), (text, done.text)
                refused += 1
                continue
            (told,) = (await asked.get(path)).json()["data"]
            assert (told["stream"], told["type"], told["data"], told["tags"]) == (
                f"n-{text}",
                text,
                {text: text},
                [text],
            )
    assert 0 < refused < len(NASTY)
    tell("G13", "sqlite", over="http", nasty=len(NASTY), refused=refused, equal=len(NASTY) - refused)


async def test_each_nasty_text_stays_text_on_the_pages_of_the_studio_on_sqlite(store: AsyncStore) -> None:
    for stream, event in WRITTEN:
        await store.append(stream, [event])
    good = NewEvent(
        RawEvent("good", {"good": "good", "list": ["good"]}),
        tags=frozenset({"good"}),
        metadata=Metadata("good", None, "good", free={"good": "good"}),
    )
    await store.append("n-good", [good])
    async with client(studio(store, hosts=["shop"])) as asked:

        async def page(path: str) -> set[tuple[str, tuple[str, ...]]]:
            answer = await asked.get(path, headers={"Accept": "text/html"})
            assert (answer.status_code, obeyed(answer.text) - MARKS - {"\r"}) == (200, set()), path
            return elements(answer.text)

        allowed = await page("/streams/n-good") | await page(f"/events/{len(WRITTEN) + 1}") | await page("/events")
        for number, (stream, _) in enumerate(WRITTEN[: len(NAMES)], 1):
            found = await page(f"/streams/{quote(stream, safe='')}") | await page(f"/events/{number}")
            assert found <= allowed, stream
        for number in range(len(NAMES) + 1, len(WRITTEN) + 1, 3):
            assert await page(f"/events/{number}") <= allowed, WRITTEN[number - 1]
