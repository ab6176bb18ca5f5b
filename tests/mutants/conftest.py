"""Empty stores of each backend, as the proofs of the promises have them."""

from __future__ import annotations

from tests.guarantees.conftest import new_url, url

__all__ = ["new_url", "url"]
