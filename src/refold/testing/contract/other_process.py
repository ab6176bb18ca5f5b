"""Another process on the same store: handles one deposit for each key that it is given, and tells what came of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

from refold.store import Store
from refold.testing.contract.sample import EVENTS, Deposit, accounts


def main(url: str, keys: Sequence[str]) -> None:
    """Deposit 1 under each key."""
    with Store.open(url, events=EVENTS) as store:
        account = store.bind(accounts)
        for key in keys:
            handled = account.handle("1", Deposit(1), idempotency_key=key)
            told = {"state": handled.state, "position": handled.position, "repeated": handled.repeated}
            sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
