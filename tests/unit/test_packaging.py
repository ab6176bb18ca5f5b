"""What is shipped: the package and nothing else, all that it needs, declared; and locks that name every byte by its hash."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections import Counter
from collections.abc import Iterator
from email import message_from_bytes
from email.message import Message
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "refold"
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
BROUGHT = {"psycopg-pool": "psycopg", "nkeys": "nats-py", "mcp-types": "mcp", "anyio": "starlette"}
"""What comes with a package, by an extra of it or as a part, and is imported by its own name."""
LOCKS = sorted([*(ROOT / "requirements").glob("*.txt"), *(ROOT / "benchmarks" / "peers").glob("*.txt")])


class Built(NamedTuple):
    """What was built."""

    wheel: dict[str, bytes]
    sdist: set[str]
    metadata: Message


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """A wheel and an sdist, made by the build backend of the lock, from nothing that is fetched."""
    place = tmp_path_factory.mktemp("built")
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(place)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (wheel,), (sdist,) = place.glob("*.whl"), place.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as file:
        content = {name: file.read(name) for name in file.namelist()}
    with tarfile.open(sdist) as packed:
        names = {name.partition("/")[2] for name in packed.getnames()}
    (metadata,) = (text for name, text in content.items() if name.endswith("/METADATA"))
    return Built(content, names, message_from_bytes(metadata))


def sources() -> dict[str, bytes]:
    """Every file of the package."""
    files = (file for file in SOURCE.rglob("*") if file.is_file() and "__pycache__" not in file.parts)
    return {f"refold/{file.relative_to(SOURCE).as_posix()}": file.read_bytes() for file in files}


def test_the_wheel_holds_the_package_byte_for_byte_and_no_more(built: Built) -> None:
    inside = {name: content for name, content in built.wheel.items() if name.startswith("refold/")}
    beside = {name.partition("/")[2] for name in built.wheel if not name.startswith("refold/")}
    licences = {"licenses/LICENSE", "licenses/src/refold/rpc/protocol/LICENSE-umadb"}
    assert (sorted(inside), inside == sources()) == (sorted(sources()), True)
    assert beside == {"METADATA", "WHEEL", "RECORD", "entry_points.txt"} | licences


def test_what_is_no_code_is_there_too(built: Built) -> None:
    names = [name for name in built.wheel if name.startswith("refold/") and not name.endswith(".py")]
    kinds = Counter((name.split("/")[1], name.rpartition(".")[2]) for name in names)
    wanted = [
        ("studio", "html"), ("studio", "js"), ("studio", "css"), ("studio", "svg"), ("backends", "sql"), ("cli", "tmpl"),
        ("rpc", "proto"), ("rpc", "pyi"), ("py.typed", "typed"),
    ]  # fmt: skip
    assert [kind for kind in wanted if not kinds[kind]] == [], kinds


def test_nothing_of_tests_data_or_this_machine_is_in_it(built: Built) -> None:
    names = [
        name for name in (*built.wheel, *built.sdist) if "/cli/templates/" not in name
    ]  # of projects to be, with tests
    folders, kinds = (
        r"tests|docs|examples|benchmarks|requirements|\.venv|\.git|\.ci|data",
        r"db|db-wal|pyc|pem|key|env|log",
    )
    wrong = re.compile(rf"(^|/)({folders})/|\.({kinds})$")
    assert [name for name in names if wrong.search(name)] == []
    assert [name for name, content in built.wheel.items() if str(ROOT).encode() in content] == []


def test_the_sdist_holds_what_a_wheel_is_made_of(built: Built) -> None:
    beside = {name for name in built.sdist if not name.startswith("src/refold/")}
    assert beside <= {"", "PKG-INFO", "README.md", "CHANGELOG.md", "LICENSE", "pyproject.toml", ".gitignore"}
    assert {name.removeprefix("src/") for name in built.sdist if name.startswith("src/refold/")} == set(sources())


def test_the_metadata_says_what_it_is_and_needs(built: Built) -> None:
    told = built.metadata
    assert (told["Name"], told["License-Expression"], told["Requires-Python"]) == ("refold", "Apache-2.0", ">=3.11")
    assert told.get_all("License-File") == PROJECT["license-files"]
    assert set(told.get_all("Provides-Extra", [])) == set(PROJECT["optional-dependencies"])
    needed = {name_of(line) for line in told.get_all("Requires-Dist", []) if "extra ==" not in line}
    assert needed == {name_of(line) for line in PROJECT["dependencies"]}
    entry = next(text for name, text in built.wheel.items() if name.endswith("entry_points.txt"))
    assert entry.decode().split() == ["[console_scripts]", "refold", "=", "refold.cli:main"]


def name_of(requirement: str) -> str:
    """The package that a requirement is of, as names are compared."""
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found
    return re.sub(r"[-_.]+", "-", found[0]).lower()


def imported() -> Iterator[tuple[str, str]]:
    """Every package that a module of ours imports, and where."""
    for file in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module if node.module != "google" else f"google.{each.name}" for each in node.names]
            yield from ((name, file.relative_to(SOURCE).as_posix()) for name in names)


def test_every_package_that_is_imported_is_declared() -> None:
    every = (PROJECT["dependencies"], *PROJECT["optional-dependencies"].values())
    declared = {name_of(line) for lines in every for line in lines}
    known, undeclared = packages_distributions(), set[tuple[str, str]]()
    for name, file in imported():
        top = name.partition(".")[0]
        if top in sys.stdlib_module_names or top == "refold":
            continue
        of = {"protobuf"} if name.startswith("google.protobuf") else {name_of(each) for each in known.get(top, [top])}
        if not any(BROUGHT.get(each, each) in declared or each in declared for each in of):
            undeclared.add((top, file))
    assert undeclared == set()


def loaded_by(code: str) -> set[str]:
    """The packages that a program of this code has loaded at its end."""
    told = "; import sys; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-I", "-c", code + told], capture_output=True, text=True, check=True, timeout=60
    )
    known = packages_distributions()
    return {
        name_of(each)
        for top in done.stdout.split()
        if top not in sys.stdlib_module_names
        for each in known.get(top, [])
    }


def test_who_imports_refold_loads_nothing_but_what_is_always_there() -> None:
    always = {name_of(line) for line in PROJECT["dependencies"]}
    by_them = loaded_by(f"import {', '.join(sorted(always))}")  # what these load by themselves
    loaded = loaded_by(
        "import refold; refold.Store.open('sqlite:///:memory:').close(); from refold import Projection, Process, Saga"
    )
    assert (loaded - by_them - {"refold"}, always <= by_them, "apsw" in loaded) == (set(), True, True)


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_lock_names_every_package_by_version_and_hash_and_no_place(lock: Path) -> None:
    text = lock.read_text("utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    named = re.compile(r"[a-z0-9.-]+==\S+( ; [^#]+?)?(\s+--hash=sha256:[0-9a-f]{64})+\s*")
    wrong = [line[:100] for line in lines if not named.fullmatch(line)]
    places = re.findall(r"https?:|git\+|file:| @ |--(?:extra-)?index-url|--find-links", text)
    assert (wrong, places, bool(lines)) == ([], [], True)
