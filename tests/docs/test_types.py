"""The snippets are typed as a reader's program would be: mypy --strict has nothing to say about them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.docs.pages import DOCS, ROOT, Page, documentation

CACHE = ROOT / ".mypy_cache" / "typing-tests"  # what the pages import is parsed once, and not for each of them


def test_the_snippets_of_every_page_are_strictly_typed(tmp_path: Path) -> None:
    for page in (Page(ROOT / "README.md"), *documentation()):
        for path, program in _programs(page, re.sub(r"[^a-z]", "_", page.name.lower())).items():
            (tmp_path / path).parent.mkdir(exist_ok=True)
            (tmp_path / path).write_text(program)
    complaints = {place.name: _typed(place) for place in tmp_path.iterdir()}
    assert {place: said for place, said in complaints.items() if said != "Success"} == {}


def _typed(place: Path) -> str:
    for program in DOCS.glob("*.py"):
        shutil.copy(program, place)
    return _complaints(place)


def test_a_snippet_with_a_wrong_type_is_found(tmp_path: Path) -> None:
    (tmp_path / "page.py").write_text("from refold import StreamName\n\nStreamName(1, 2)\n")
    assert 'incompatible type "int"' in _complaints(tmp_path)


def _programs(page: Page, name: str) -> dict[str, str]:
    """A page is one program, unless it imports a file that it writes: then each of its files is one, beside the rest."""
    blocks = [
        (block.words[1] if block.words[1:] else "", block.text) for block in page.blocks if block.kind == "python"
    ]
    files = {file for file, _ in blocks if file.endswith(".py")}
    if not any(f"from {file[:-3]} import" in text for _, text in blocks for file in files):
        return {f"pages/{name}.py": "\n\n".join(text for _, text in blocks)}
    rest = f"{name}.py"
    homes = [(file if file in files else rest, text) for file, text in blocks]
    return {f"{name}/{home}": "\n\n".join(text for of, text in homes if of == home) for home in (*files, rest)}


def _complaints(directory: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", f"--cache-dir={CACHE}", str(directory)],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )
    return "Success" if done.returncode == 0 else done.stdout + done.stderr
