"""A fingerprint has in it what the code of a fold reaches through modules and by imports of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

FOLD = """
from refold import Fold, RawEvent
{above}

class Evolving:
    @staticmethod
    def evolve(state: int, event: RawEvent) -> int:
        {inside}

fold = Fold("x", int, Evolving.evolve, events=(RawEvent,))
"""
RULES = "from dataclasses import dataclass\nLIMIT = 7\ndef weight(event): return LIMIT\ndef unused(event): return 0\n"
LAZY = """
def __getattr__(name):
    if name == "weight":
        from shop.pricing.rules import weight
        return weight
    raise AttributeError(name)
"""
FILES = {
    "shop/__init__.py": "",
    "shop/pricing/__init__.py": "import shop\n",
    "shop/pricing/rules.py": RULES,
    "shop/lazy.py": LAZY,
    "plain.py": RULES,
}  # fmt: skip
FUNCTION = """def inner():
            from shop.pricing.rules import weight
            return weight(event)
        return inner()"""
ATTEMPT = """try:
            from nowhere import weight
        except ImportError:
            from plain import weight
        return weight(event)"""
WAYS = {
    "a module of a module": ("import shop.pricing.rules", "return shop.pricing.rules.weight(event)"),
    "a module of a module, in a lambda": (
        "import shop.pricing.rules", "rules = shop.pricing.rules; return sum(map(lambda each: rules.weight(each), [event]))",
    ),
    "a module under another name": ("import shop.pricing.rules as ours", "return ours.weight(event)"),
    "a module that looks for its names": ("import shop.lazy", "return shop.lazy.weight(event)"),
    "an import inside": ("", "from shop.pricing.rules import weight; return weight(event)"),
    "an import inside of a module": ("", "from shop.pricing import rules; return rules.weight(event)"),
    "an import inside of a module of a module": ("", "import shop.pricing.rules; return shop.pricing.rules.weight(event)"),
    "an import inside under another name": ("", "import shop.pricing.rules as ours; return ours.weight(event)"),
    "a name imported inside under another": ("", "from shop.pricing.rules import weight as ours; return ours(event)"),
    "an import in a function inside": ("", FUNCTION),
    "a relative import inside": ("", "from .pricing.rules import weight; return weight(event)"),
    "an import inside of another package": ("", "from plain import weight; return weight(event)"),
    "a constant that is imported inside": ("", "from shop.pricing.rules import LIMIT; return LIMIT"),
    "an import that is not always there": ("", ATTEMPT),
    "an import of what fails": (
        "", "import broken, exiting; from plain import weight, nothing; return weight(event)",
    ),
}  # fmt: skip
BROKEN = {"broken.py": "1 / 0", "exiting.py": "raise SystemExit"}


def told(folder: Path, *, rules: str = RULES, way: str) -> str:
    above, inside = WAYS[way]
    files = FILES | BROKEN | {"shop/folds.py": FOLD.format(above=above, inside=inside)}
    for name, text in (files | {"plain.py": rules, "shop/pricing/rules.py": rules}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    program = "import shop.folds; from refold.fingerprint import fingerprint as f; print(f(shop.folds.fold, int, 1))"
    return subprocess.run(
        [sys.executable, "-B", "-c", program], cwd=folder, capture_output=True, check=True, text=True
    ).stdout


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[Path]:
    return (tmp_path / str(number) for number in range(9))


@pytest.mark.parametrize("way", WAYS)
def test_what_is_reached_through_modules_and_imports_is_in_it(way: str, folders: Iterator[Path]) -> None:
    found = told(next(folders), way=way)
    assert told(next(folders), way=way) == found
    assert (
        told(next(folders), way=way, rules=RULES.replace("unused(event): return 0", "unused(event): return 1")) == found
    )
    assert told(next(folders), way=way, rules=RULES.replace("LIMIT = 7", "LIMIT = 8")) != found
