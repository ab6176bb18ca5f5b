"""A directory with a small shop in it, and the command line to look at it with."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest
from click.testing import CliRunner
from tests.cli.shop import Outcome, build_shop

from refold.cli.exits import Exit
from refold.cli.program import program

Run: TypeAlias = Callable[..., Outcome]
CaughtUp: TypeAlias = Callable[[str, Exit], None]


@pytest.fixture(autouse=True)
def nothing_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REFOLD_STORE", "REFOLD_APP", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("NO_COLOR", "1")


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What many tests begin with: made once, and copied for each of them."""
    shelf = tmp_path_factory.mktemp("shelf")
    (shelf / "shop").mkdir()
    build_shop(shelf / "shop")
    return shelf


@pytest.fixture
def directory(shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The shop's; what is imported from there is forgotten afterwards, since others have a module of that name, too."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", list(sys.path))
    shutil.copytree(shelf / "shop", tmp_path, dirs_exist_ok=True)
    yield tmp_path
    for name, module in tuple(sys.modules.items()):
        if str(getattr(module, "__file__", "") or "").startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def refold(directory: Path) -> Run:
    """Runs `refold` with these arguments in the directory of the shop."""

    def run(*args: str) -> Outcome:
        result = CliRunner().invoke(program, args)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Outcome(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture
def caught_up(refold: Run, directory: Path, shelf: Path) -> CaughtUp:
    """Makes the shop's store one in which an app has done all that there is to do, ending as told."""

    def run(app: str, ending: Exit) -> None:
        kept = shelf / f"{app} {ending}.db"
        if not kept.exists():
            assert refold("run", "--once", "--app", app, "--store", "shop.db").code == ending
            assert not Path("shop.db-wal").exists(), "a part of the store stands beside it"
            shutil.copy("shop.db", kept)
        shutil.copy(kept, "shop.db")

    return run
