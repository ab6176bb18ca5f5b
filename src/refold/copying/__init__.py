"""Copies of stores, as values: what a transform sees, what a copy is compared by, and what came of comparing."""
