"""Telling: one line of figures for each promise that was put to the proof."""

from __future__ import annotations


def tell(promise: str, backend: str, **figures: object) -> None:
    """Print it; `pytest -s`, and the report of a test that failed, show it."""
    print(f"\nGUARANTEE {promise} {backend}", *(f"{name}={value}" for name, value in figures.items()))
