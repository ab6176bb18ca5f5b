"""Hostile calls: whatever is sent, it is refused in good form, nothing is written, and the server goes on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from tests.grpc.serving import METHODS, Raw, raw, served, umadb

from refold import RawEvent, Store
from refold.rpc.protocol import umadb_pb2 as pb
from refold.rpc.statuses import DETAILS

pytestmark = pytest.mark.guarantee("G27")


@pytest.fixture
def url(tmp_path: object) -> str:
    return f"sqlite:///{tmp_path}/shop.db"


@pytest.fixture
def caller(store: Store, url: str) -> Iterator[Raw]:
    store.append("heap-1", [RawEvent("stone", {"number": 1})])
    with served(url) as server, raw(server) as found:
        yield found


@pytest.mark.parametrize("method", METHODS)
def test_what_is_no_message_is_said_to_be_none(caller: Raw, method: str) -> None:
    for made in (b"\xff", b"\x0a\xff\xff\xff\xff\x0f", b"\x0a\x05abc", b"\x0b" * 1_000):
        assert caller.call(method, made) == ("INVALID_ARGUMENT", [])


def test_other_services_and_methods_are_not_there(caller: Raw) -> None:
    asked = [("umadb.v1.DCB", "Drop"), ("umadb.v2.DCB", "Head"), ("grpc.reflection.v1.ServerReflection", "x")]
    assert [caller.call(method, service=service)[0] for service, method in asked] == ["UNIMPLEMENTED"] * 3


def test_the_status_says_in_its_details_what_kind_of_error_it_is(caller: Raw) -> None:
    with pytest.raises(grpc.RpcError) as error:
        caller.channel.unary_unary("/umadb.v1.DCB/GetTrackingInfo")(b"")
    trailers: Any = error.value.trailing_metadata()
    told = pb.ErrorResponse.FromString(dict(trailers)[DETAILS])
    said = "'' is not a tracking source: it is empty."
    assert (told.error_type, told.message) == (pb.ErrorResponse.INVALID_ARGUMENT, said)
    assert (error.value.code(), error.value.details()) == (grpc.StatusCode.INVALID_ARGUMENT, said)


def test_a_long_reason_is_cut_short(store: Store, url: str) -> None:
    query = umadb.Query([umadb.QueryItem(tags=[f"{each}{'x' * 190}"]) for each in range(500)])
    with served(url) as server:
        client = server.client()
        client.append([umadb.Event("stone", b"{}", [f"7{'x' * 190}"])])
        with pytest.raises(umadb.IntegrityError) as error:
            client.append([umadb.Event("stone", b"{}")], umadb.AppendCondition(query))
    assert 1_000 <= len(str(error.value)) < 1_100


def test_what_goes_wrong_in_the_server_is_not_told_to_the_client(
    caller: Raw, store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("the secret way of things")

    monkeypatch.setattr("refold.rpc.reading.told", broken)
    with pytest.raises(grpc.RpcError) as error:
        list(caller.channel.unary_stream("/umadb.v1.DCB/Read")(b""))
    assert error.value.code() == grpc.StatusCode.INTERNAL
    assert "secret" not in str(error.value)
    assert "the secret way of things" in caplog.text
