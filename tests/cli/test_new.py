"""Projects: each template becomes one that is clean, passes its tests and runs, and nothing that is there is touched."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from tests.cli.conftest import Run
from tests.frameworks.servers import ROOT, SECONDS, by_uvicorn, environment, ran

from refold.cli.exits import Exit
from refold.cli.new import template_files

CACHE = ROOT / ".mypy_cache" / "projects"  # what they all import is parsed once
TEMPLATES = ("minimal", "fastapi", "django")
NAME = "night-shop"


@pytest.fixture
def made(refold: Run, directory: Path) -> Callable[[str], Path]:
    """The directory of a project that was just made."""

    def make(template: str) -> Path:
        assert refold("new", NAME, "--template", template).code == Exit.OK
        return directory / NAME

    return make


def run(place: Path, *args: str, **variables: str) -> str:
    """As after `pip install --editable .`: the package is on the path."""
    return ran(place, *args, path=(place / "src",), **variables)


def script(place: Path, *args: str) -> str:
    """What `python manage.py ...` says."""
    done = subprocess.run(
        [sys.executable, *args], cwd=place, env=environment(place / "src"), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", timeout=SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_projects_are_clean_and_strictly_typed(refold: Run, directory: Path) -> None:
    for template in TEMPLATES:
        place = directory / f"night-{template}"
        assert refold("new", place.name, "--template", template).code == Exit.OK
        marked = [
            path for path in place.rglob("*.*") if path.is_file() and re.search(r"@[a-z]+@|PACKAGE", path.read_text())
        ]
        assert (template, marked) == (template, [])
        assert run(place, "ruff", "check", "--no-cache") == "All checks passed!\n"
        assert "already formatted" in run(place, "ruff", "format", "--check", "--no-cache")
        typed = run(place, "mypy", f"--cache-dir={CACHE}", str(place))
        assert (template, typed.startswith("Success")) == (template, True), typed


@pytest.mark.parametrize("template", ["minimal", "fastapi"])
def test_a_project_passes_its_tests(made: Callable[[str], Path], template: str) -> None:
    assert re.search(r"\d+ passed", run(made(template), "pytest", PYTEST_DISABLE_PLUGIN_AUTOLOAD="1"))


def test_a_program_runs_and_refold_knows_it(made: Callable[[str], Path]) -> None:
    place = made("minimal")
    told = "withdrawn, left: 70\nrefused: 1000000 asked for, 70 there\nbalances: [('7', 70)]\n"
    assert run(place, "night_shop") == told
    assert run(place, "refold", "state", "account-7", "--store", f"{NAME}.db", "--output", "plain").endswith("\t70\n")
    assert run(place, "refold", "run", "--once", "--store", f"{NAME}.db").startswith("balances\t1\t1\tactive\trunning")


async def deposit(client: httpx.AsyncClient) -> None:
    answer = await client.post("/accounts/7/deposits", json={"amount": 100})
    assert (answer.status_code, answer.json()) == (201, {"balance": 100})
    refused = await client.post("/accounts/7/withdrawals", json={"amount": 101})
    assert (refused.status_code, refused.json()["error"]) == (422, "Refusal")


async def test_a_project_with_fastapi_serves(made: Callable[[str], Path]) -> None:
    place = made("fastapi")
    async with by_uvicorn(place, "night_shop", path=(place / "src",), PORT="0") as client:
        await deposit(client)
        assert (await client.get("/balances")).json() == {"7": 100}


async def test_a_project_with_django_passes_its_tests_and_serves(made: Callable[[str], Path]) -> None:
    place = made("django")
    script(place, "manage.py", "migrate")
    script(place, "manage.py", "refold", "migrate")
    assert "No changes detected" in script(place, "manage.py", "makemigrations", "--check")
    assert "Ran 6 tests" in script(place, "manage.py", "test")
    async with by_uvicorn(place, "uvicorn", "night_shop.asgi:application", path=(place / "src",)) as client:
        await deposit(client)
        await asyncio.to_thread(script, place, "manage.py", "refold", "run", "--once")
        assert (await client.get("/balances")).json() == {"7": 100}
        assert (await client.get("/readyz")).status_code == 200


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_dry_run_tells_what_would_be_made_and_makes_nothing(refold: Run, directory: Path, template: str) -> None:
    done = refold("new", NAME, "--template", template, "--dry-run")
    expected = sorted(f"{NAME}/{path}" for path, _ in template_files(template, "night_shop"))
    assert (done.code, sorted(done.out.splitlines())) == (Exit.OK, expected)
    assert done.err == f"{len(expected)} files would be made; nothing was.\n"
    assert not (directory / NAME).exists()


def test_as_json_it_tells_what_was_made(refold: Run, directory: Path) -> None:
    told = json.loads(refold("new", NAME, "--output", "json").out)
    files = [path.relative_to(directory / NAME).as_posix() for path in (directory / NAME).rglob("*") if path.is_file()]
    assert told == {
        "name": NAME, "package": "night_shop", "template": "minimal", "made": True, "files": sorted(files),
    }  # fmt: skip


def test_what_is_there_is_left_alone(refold: Run, directory: Path) -> None:
    (directory / NAME).mkdir()
    assert refold("new", NAME, "--dry-run").code == Exit.OK  # an empty directory is as good as none
    (directory / NAME / "mine.txt").write_text("mine")
    done = refold("new", NAME)
    assert (done.code, "is there already" in done.err) == (Exit.REFUSED, True)
    assert [path.name for path in (directory / NAME).iterdir()] == ["mine.txt"]
    assert refold("new", "log.csv").code == Exit.USAGE


@pytest.mark.parametrize(
    "name", ["Shop", "1shop", "my shop", "a/b", "..", "class", "json", "refold", "tests", "straße"]
)
def test_a_name_that_can_be_no_package_is_told(refold: Run, directory: Path, name: str) -> None:
    before = sorted(directory.iterdir())
    assert refold("new", name).code == Exit.USAGE
    assert sorted(directory.iterdir()) == before


def test_a_disk_that_does_not_take_it_is_told(refold: Run, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, *_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(Path, "mkdir", full)
    done = refold("new", NAME)
    assert (done.code, "No space left on device" in done.err) == (Exit.USAGE, True)
