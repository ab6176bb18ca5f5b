"""Tables on a terminal: whatever its width, each column shows what it is about; the widest give way first."""

from __future__ import annotations

import pytest

from refold.cli.tables import print_table

NAMES = ("process", "id", "state", "stuck")
ROWS = [
    [(text, text, "") for text in row]
    for row in (
        ("dunning", "1/10023", "running", "payment.request to payment is parked after 3 attempts: PaymentRefused: no"),
        ("dunning", "1/10024", "running", ""),
    )
]


@pytest.mark.parametrize(
    ("columns", "first"),
    [
        (50, "dunning   1/10023   running   payment.request to …"),
        (30, "dunn…   1/10…   runn…   paym…"),
        (120, f"dunning   1/10023   running   {ROWS[0][3][1]}"),
    ],
)
def test_the_widest_column_gives_way(
    columns: int, first: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    print_table(NAMES, ROWS)
    assert capsys.readouterr().out.splitlines()[2].rstrip() == first
