"""What type checkers say of the programs that people read first, and of the mistakes that they should find in them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GOOD = (ROOT / "examples/hello.py", ROOT / "examples/hello2.py")
BAD = ROOT / "tests/typing/typing_bad.py"
Checker = Callable[..., dict[str, set[int]]]
MARKED = {f"E{number}" for number in range(1, 17)}


def marks() -> Mapping[int, str]:
    """The line of each marked mistake."""
    lines = enumerate(BAD.read_text("utf-8").splitlines(), start=1)
    return {number: mark[1] for number, line in lines if (mark := re.search(r"# (E\d+) ", line))}


def mypy(folder: Path, *files: Path) -> dict[str, set[int]]:
    """The lines of the errors of `mypy --strict`, by file name."""
    config = folder / "mypy.ini"
    config.write_text(f"[mypy]\nstrict = true\nmypy_path = {ROOT / 'src'}:{ROOT / 'examples'}\n", "utf-8")
    cache = ROOT / ".mypy_cache" / "typing-tests"
    command = [sys.executable, "-m", "mypy", "--config-file", config, "--cache-dir", cache, "--no-error-summary", *files]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, cwd=folder)
    assert done.returncode in {0, 1}, done.stdout + done.stderr
    found: dict[str, set[int]] = {}
    for name, line in re.findall(r"^([^:\n]+):(\d+): error:", done.stdout, re.MULTILINE):
        found.setdefault(Path(name).name, set()).add(int(line))
    return found


def pyright(folder: Path, *files: Path) -> dict[str, set[int]]:
    """The lines of the errors of pyright in strict mode, by file name."""
    config = folder / "pyrightconfig.json"
    paths = [str(ROOT / "src"), str(ROOT / "examples")]
    checked = [os.path.relpath(file, folder) for file in files]
    config.write_text(json.dumps({"typeCheckingMode": "strict", "extraPaths": paths, "include": checked}), "utf-8")
    command = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, "--project", config, "--outputjson"]
    environment = {"PYRIGHT_PYTHON_IGNORE_WARNINGS": "1", **os.environ}
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, cwd=folder, env=environment)
    told = json.loads(done.stdout)
    assert told["summary"]["filesAnalyzed"] == len(files), done.stderr
    found: dict[str, set[int]] = {}
    for each in told["generalDiagnostics"]:
        if each["severity"] == "error":
            found.setdefault(Path(each["file"]).name, set()).add(each["range"]["start"]["line"] + 1)
    return found


@pytest.mark.parametrize("checker", [mypy, pyright], ids=["mypy", "pyright"])
def test_a_strict_checker_finds_every_mistake_that_is_marked_and_nothing_else(checker: Checker, tmp_path: Path) -> None:
    found = checker(tmp_path, *GOOD, BAD)
    at = marks()
    assert set(at.values()) == MARKED
    told = found.pop(BAD.name)
    assert found == {}
    assert sorted(at[line] for line in told & set(at)) == sorted(at.values()), "a marked mistake was not found"
    assert told - set(at) == set(), "an error stands where no mistake is marked"
