"""A copy of the repository in which every mutant of some rooms is planted, asleep until it is named."""

from __future__ import annotations

import difflib
import importlib
import json
import re
import shutil
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
_CAST: Final = re.compile(r"""\bcast\((?:None|"[^"]*"|'[^']*'), """)
COPIED: Final = ("src", "tests", "examples", "pyproject.toml")


def copied(tree: Path) -> None:
    """Make the copy."""
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir(parents=True)
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, tree / name)


def planted(tree: Path, room: str) -> dict[str, str]:
    """Put the mutants of a room into the copy; their names, and what each of them changes.

    What that makes is kept, as making it takes longer than the tests.
    """
    file, module = tree / "src" / "refold" / f"{room}.py", f"refold.{room.replace('/', '.')}"
    source = file.read_bytes()
    made = tree.with_name("planted") / f"{module}-{sha256(source).hexdigest()[:16]}.json"
    if not made.exists():
        made.parent.mkdir(exist_ok=True)
        made.write_text(json.dumps(_mutated(file, source.decode())), "utf-8")
    code, changes = json.loads(made.read_text("utf-8"))
    file.write_text(code, "utf-8")
    return {f"{module}.{name}": change for name, change in changes.items()}


def _mutated(file: Path, source: str) -> tuple[str, dict[str, str]]:
    mutation: Any = importlib.import_module("mutmut.mutation.file_mutation")  # in requirements/mutation.txt alone
    mutated = mutation.mutate_file_contents(str(file), source)
    lines, spans = mutated.code.splitlines(), mutated.line_span_by_function_name
    changes = {name: _change(lines, spans, name) for name in mutated.mutant_names}
    return mutated.code, {name: change for name, change in changes.items() if not _is_of_a_cast(change)}


def _is_of_a_cast(change: str) -> bool:
    """Whether it is the type in a `cast` that is another: only a type checker reads it."""
    lines = change.splitlines()
    before, after = ([_CAST.sub("cast(", line[1:]) for line in lines if line[0] == sign] for sign in "-+")
    return before == after


def _change(lines: list[str], spans: Mapping[str, Any], name: str) -> str:
    """What a mutant changes: the lines of its function that differ, as a diff."""
    original = f"{name.rpartition('__mutmut_')[0]}__mutmut_orig"
    before, after = (_text(lines, spans[each]) for each in (original, name))
    differing = difflib.unified_diff(before, [line.replace(name, original) for line in after], lineterm="", n=0)
    return "\n".join(line for line in differing if not line.startswith(("---", "+++", "@@")))


def _text(lines: list[str], span: Any) -> list[str]:
    return lines[span.start - 1 : span.end]
