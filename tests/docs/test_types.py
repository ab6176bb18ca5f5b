"""The snippets are typed as a reader's program would be: mypy --strict has nothing to say about them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.docs.pages import DOCS, ROOT, Page, documentation


def test_the_snippets_of_every_page_are_strictly_typed(tmp_path: Path) -> None:
    for program in DOCS.glob("*.py"):
        shutil.copy(program, tmp_path)
    for page in (Page(ROOT / "README.md"), *documentation()):
        (tmp_path / f"{re.sub(r'[^a-z]', '_', page.name.lower())}.py").write_text(_program(page))
    assert _complaints(tmp_path) == "Success"


def test_a_snippet_with_a_wrong_type_is_found(tmp_path: Path) -> None:
    (tmp_path / "page.py").write_text("from refold import StreamName\n\nStreamName(1, 2)\n")
    assert 'incompatible type "int"' in _complaints(tmp_path)


def _program(page: Page) -> str:
    return "\n\n".join(block.text for block in page.blocks if block.kind == "python")


def _complaints(directory: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--cache-dir=.mypy_cache", "."],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )
    return "Success" if done.returncode == 0 else done.stdout + done.stderr
