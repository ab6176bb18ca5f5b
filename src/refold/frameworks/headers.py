"""Headers by which clients name their requests, and the story that a request belongs to."""

from __future__ import annotations

from typing import Final

from refold.messages import NAME_LIMIT

KEY: Final = "Idempotency-Key"
PRINTABLE: Final = r"^[\x21-\x7e][\x20-\x7e]{0,149}$"
"""What a key may be: 1 to 150 characters of ASCII."""
CORRELATION: Final = "X-Correlation-ID"
LONGEST: Final = NAME_LIMIT
"""Characters that a correlation id has at most."""
