"""Write: what processes append to journals, and what it means where that is refused."""

from __future__ import annotations

from refold.errors import IdReused, OutcomeUnknown, ProjectionStopped, StoreError, UsageError
from refold.flows.commit import commit
from refold.flows.prepare import Runtime
from refold.ports import Append, Appended, Backend, Unclaimed


async def written(inside: Backend, runtime: Runtime, append: Append) -> Appended:
    """Append, and bring along the read models that are kept inline.

    Raises:
        StoreError, OutcomeUnknown, Unclaimed: that passes.
        IdReused: something else has one of the ids.
        UsageError: that does not pass by itself; a read model refused it.
    """
    try:
        result = await commit(inside, runtime, append)
    except (StoreError, OutcomeUnknown, Unclaimed, IdReused):
        raise
    except ProjectionStopped as error:
        raise StoreError(str(error)) from error
    except Exception as error:
        whose = "" if runtime.inline is None else "a read model that is kept inline refused it: "
        raise UsageError(f"{whose}{type(error).__name__}: {error}") from error
    assert isinstance(result, Appended)  # noqa: S101 - nothing was expected
    return result


async def claimed(inside: Backend, runtime: Runtime, append: Append) -> None:
    """Append what has ids that follow from committed data: what is there already under one of them, somebody else has done.

    Raises:
        Unclaimed: it is.
        StoreError, OutcomeUnknown, UsageError: as `written`.
    """
    try:
        await written(inside, runtime, append)
    except IdReused:
        raise Unclaimed from None
