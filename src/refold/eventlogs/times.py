"""Points in time as event logs write them."""

from __future__ import annotations

from datetime import UTC, datetime


def moment(text: str) -> datetime:
    """The time in UTC: ISO 8601, or with slashes in the date as in `2011/10/11 13:45:40.276`. Without a zone it is UTC.

    Raises:
        ValueError: it is neither, or UTC has no such year.
    """
    if text[4:8:3] == "//":
        text = f"{text[:4]}-{text[5:7]}-{text[8:]}"
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        return time.replace(tzinfo=UTC)
    try:
        return time.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(str(error)) from error
