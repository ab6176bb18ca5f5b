"""Commit: an append, and in the same transaction the read models that are kept inline."""

from __future__ import annotations

from msgspec.structs import replace

from refold.flows.prepare import Runtime
from refold.ports import Append, Appended, AppendResult, Backend


async def commit(backend: Backend, runtime: Runtime, append: Append) -> AppendResult:
    """Append; where read models are kept inline, they are up to date with it, or nothing is written."""
    append = replace(append, same=runtime.codec.same)
    if runtime.inline is None:
        return await backend.append(append)
    return await backend.within(lambda inside: _with_read_models(inside, runtime, append))


async def _with_read_models(inside: Backend, runtime: Runtime, append: Append) -> AppendResult:
    result = await inside.append(append)
    if runtime.inline is not None and isinstance(result, Appended) and result.positions and not result.repeated:
        await runtime.inline.keep_up(inside, runtime, result.positions[0] - 1, result.positions[-1])
    return result
