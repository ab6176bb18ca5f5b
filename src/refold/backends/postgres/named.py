"""Statements with `:name` parameters, as psycopg wants them."""

from __future__ import annotations

from functools import lru_cache

from refold.backends.postgres.session import Bound
from refold.errors import UsageError
from refold.projection import Statement
from refold.sqltext import tokens, touches_transaction


def numbered(statement: Statement) -> Bound:
    """The statement with `%(name)s` for each `:name`, and its values.

    Raises:
        UsageError: it begins or ends a transaction, or changes its settings, which are the store's.
    """
    if touches_transaction(statement.text):
        raise UsageError(f"this SQL may change its own tables only, and no transaction: {statement.text.strip()}")
    if not statement.params:
        return statement.text, ()
    return _translated(statement.text), dict(statement.params)


@lru_cache(maxsize=1_024)
def _translated(text: str) -> str:
    return "".join(
        f"%({piece[1:]})s" if kind == "parameter" else piece.replace("%", "%%") for kind, piece in tokens(text)
    )
