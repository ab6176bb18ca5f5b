"""The contract that every backend keeps, as test classes: give it a place, and it says what does not hold.

    from refold.testing.contract import Place, StoreContract

    class TestMyBackend(StoreContract):
        @pytest.fixture
        def place(self, tmp_path):
            return Place(f"mine:///{tmp_path}/store", durable=True, sql=False)

Every test is written once and runs on both faces, `Store` and `AsyncStore`. It needs pytest and pytest-asyncio; failures
read best with `pytest_plugins = ["refold.testing.pytest_plugin"]` in `conftest.py`.
"""

from __future__ import annotations

from refold.testing.contract.appending import Appending
from refold.testing.contract.asking import Asking
from refold.testing.contract.auditing import Auditing
from refold.testing.contract.base import Contract, Place, Stores
from refold.testing.contract.bounding import Bounding
from refold.testing.contract.closing import ClosingBooks
from refold.testing.contract.comparing import Comparing
from refold.testing.contract.conditions import Conditions
from refold.testing.contract.copying import Copying
from refold.testing.contract.data import Data
from refold.testing.contract.deciding import Deciding
from refold.testing.contract.envelope import Envelope
from refold.testing.contract.forgetting import Forgetting
from refold.testing.contract.hiding import HidingJournals
from refold.testing.contract.histories import Histories
from refold.testing.contract.inlining import Inlining
from refold.testing.contract.keys import Keys
from refold.testing.contract.limits import Limited
from refold.testing.contract.living import Living
from refold.testing.contract.mixing import Mixing
from refold.testing.contract.names import Names
from refold.testing.contract.operating import Operating
from refold.testing.contract.parking import Parking
from refold.testing.contract.projecting import Projecting
from refold.testing.contract.publishing import Publishing
from refold.testing.contract.racing import Racing
from refold.testing.contract.reacting import Reacting
from refold.testing.contract.reading import Reading
from refold.testing.contract.rebuilding import Rebuilding
from refold.testing.contract.receiving import Receiving
from refold.testing.contract.redeciding import Redeciding
from refold.testing.contract.repeating import Repeating
from refold.testing.contract.rows import TableRows
from refold.testing.contract.running import RunningProjections
from refold.testing.contract.scheduling import Scheduling
from refold.testing.contract.sending import Sending
from refold.testing.contract.snapshotting import Snapshotting
from refold.testing.contract.subscribing import Subscribing
from refold.testing.contract.surveying import Surveying
from refold.testing.contract.timing import Timing
from refold.testing.contract.together import Together
from refold.testing.contract.traveling import Traveling
from refold.testing.contract.undoing import Undoing
from refold.testing.contract.undoing_reactions import UndoingReactions
from refold.testing.contract.upcasting import Upcasting, UpcastModels
from refold.testing.contract.waiting import Waiting

__all__ = ["Contract", "Place", "StoreContract", "Stores"]


class StoreContract(
    Appending,
    Asking,
    Auditing,
    Bounding,
    ClosingBooks,
    Comparing,
    Conditions,
    Copying,
    Data,
    Deciding,
    Envelope,
    Forgetting,
    HidingJournals,
    Histories,
    Inlining,
    Keys,
    Limited,
    Living,
    Mixing,
    Names,
    Operating,
    Parking,
    Projecting,
    Publishing,
    Racing,
    Reacting,
    Reading,
    Rebuilding,
    Receiving,
    Redeciding,
    Repeating,
    RunningProjections,
    Scheduling,
    Sending,
    Snapshotting,
    Subscribing,
    Surveying,
    TableRows,
    Timing,
    Together,
    Traveling,
    Undoing,
    UndoingReactions,
    UpcastModels,
    Upcasting,
    Waiting,
):
    """All of it."""
