"""Statements with `:name` parameters, as psycopg wants them."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from refold.backends.postgres.session import Bound
from refold.errors import UsageError
from refold.projection import Statement

# What is skipped whole comes first: strings, quoted names, dollar-quoted bodies, comments, casts.
_TOKEN: Final = re.compile(
    r"""'(?:[^']|'')*' | "(?:[^"]|"")*" | (\$\w*\$).*?\1 | --[^\n]* | /\*.*?\*/ | :: | :(?P<name>[A-Za-z_]\w*) | %""",
    re.VERBOSE | re.DOTALL,
)


_TRANSACTION: Final = re.compile(
    r"(?:^|;)\s*(?:begin|start|commit|end|rollback|abort|savepoint|release|prepare|set)\b", re.IGNORECASE
)


def numbered(statement: Statement) -> Bound:
    """The statement with `%(name)s` for each `:name`, and its values.

    Raises:
        UsageError: it begins or ends a transaction, or changes its settings, which are the store's.
    """
    if _TRANSACTION.search(_bare(statement.text)):
        raise UsageError(f"this SQL may change its own tables only, and no transaction: {statement.text.strip()}")
    if not statement.params:
        return statement.text, ()
    return _translated(statement.text), dict(statement.params)


@lru_cache(maxsize=1_024)
def _bare(text: str) -> str:
    """The text without strings, quoted names and comments."""
    return _TOKEN.sub(lambda found: found[0] if found["name"] or found[0] in ("::", "%") else " ", text)


@lru_cache(maxsize=1_024)
def _translated(text: str) -> str:
    return _TOKEN.sub(lambda found: f"%({found['name']})s" if found["name"] else found[0].replace("%", "%%"), text)
