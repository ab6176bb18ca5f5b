"""The programs of the front page run as they stand, and so do the tests that they hold."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize(
    ("program", "says"),
    [
        ("hello.py", ["[('b-1', 2), ('b-2', 1)]", "Cart(items=(ItemAdded(sku='b-1', qty=2),), is_open=True)"]),
        ("hello2.py", ["Cart(items=(ItemAdded(sku='b-1', qty=2),), is_open=False)"]),
    ],
)
def test_a_program_says_what_it_should(program: str, says: list[str], tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, EXAMPLES / program], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.stdout.splitlines(), done.stderr) == (says, "")


@pytest.mark.parametrize(("program", "tests"), [("hello.py", 2), ("hello2.py", 1)])
def test_its_own_tests_pass(program: str, tests: int, tmp_path: Path) -> None:
    """With none of the plugins installed here: most of them no reader has, and they take longer to load than all else."""
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "-c", os.devnull]
    command += ["--rootdir", str(tmp_path), str(EXAMPLES / program)]
    environment = {**os.environ, "PYTHONPATH": str(EXAMPLES), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment)
    assert f"{tests} passed" in done.stdout, done.stdout
