"""The page of the reference that tells every rule: made from the rules.

python -m tests.architect.page    writes docs/reference/rules.md anew
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from refold.architect.pages import reference

PAGE: Final = Path(__file__).parents[2] / "docs" / "reference" / "rules.md"

if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")
