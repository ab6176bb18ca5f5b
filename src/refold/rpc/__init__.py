"""The store over gRPC, in the protocol of UmaDB: its clients work against it as they are. `refold serve --grpc` runs it."""

from __future__ import annotations

from importlib.util import find_spec

from refold.errors import MissingExtra


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # not even what it stands in
        return False


for _package, _module in (("grpcio", "grpc"), ("protobuf", "google.protobuf"), ("starlette", "starlette")):
    if not _is_there(_module):
        raise MissingExtra(_package, "grpc")

from refold.http.quotas import Quotas  # noqa: E402 - what is imported from here on imports them
from refold.http.serving import Place  # noqa: E402
from refold.rpc.serving import listening, serve  # noqa: E402

__all__ = ["Place", "Quotas", "listening", "serve"]
