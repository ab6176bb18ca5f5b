"""Who may do what over gRPC: every method refuses whom it must; the tokens are those of HTTP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest
from tests.grpc.serving import EVERYWHERE, METHODS, SECURE, TLS, Raw, Served, issue, raw, served, token, umadb

from refold import NewEvent, RawEvent, Store, UsageError
from refold.http.quotas import Quotas
from refold.http.tokens import TOKEN, RevokeToken, RotateToken, hashed, new_secret, written
from refold.rpc.protocol import umadb_pb2 as pb

STONE = pb.Event(event_type="stone", data=b"{}")
ASKED = {
    "Append": pb.AppendRequest(events=[STONE]),
    "Head": pb.HeadRequest(),
    "GetTrackingInfo": pb.TrackingRequest(source="s"),
    "Read": pb.ReadRequest(),
    "Subscribe": pb.SubscribeRequest(after=2**64 - 1),
}
IF_NOTHING = pb.AppendCondition(fail_if_events_match=pb.Query(items=[pb.QueryItem(tags=["x"])]))


@pytest.fixture
def url(tmp_path: object) -> str:
    return f"sqlite:///{tmp_path}/shop.db"


@pytest.fixture
def caller(store: Store, url: str) -> Iterator[Raw]:
    """Of a server whose store has a token."""
    token(url, "admin")
    with served(url) as server, raw(server) as found:
        yield found


def ask(caller: Raw, method: str, *given: str, body: bytes | None = None) -> str:
    metadata = [("authorization", each) for each in given]
    return caller.call(method, ASKED[method].SerializeToString() if body is None else body, metadata)[0]


@pytest.mark.parametrize("method", METHODS)
def test_no_method_lets_in_who_has_no_scope_for_it(caller: Raw, url: str, method: str) -> None:
    scope, others = ("append", ["read", "admin"]) if method == "Append" else ("read", ["append", "admin"])
    bad = ["", "Bearer", f"Bearer {written('0' * 16, new_secret())}", "Basic YTpi", "refold_x"]
    assert [ask(caller, method), *(ask(caller, method, each) for each in bad)] == ["UNAUTHENTICATED"] * 6
    good, wrong = f"Bearer {token(url, scope)}", f"Bearer {token(url, *others)}"
    assert ask(caller, method, wrong) == "PERMISSION_DENIED"
    assert ask(caller, method, good) == "OK"
    assert ask(caller, method, good, good) == "UNAUTHENTICATED"  # which of the two?


@pytest.mark.parametrize("method", [each for each in METHODS if each != "Append"])
def test_who_reads_some_categories_finds_nothing_by_queries(caller: Raw, url: str, method: str) -> None:
    assert ask(caller, method, f"Bearer {token(url, 'read:dcb')}") == "PERMISSION_DENIED"


def test_a_scope_holds_for_categories_that_begin_so(caller: Raw, url: str) -> None:
    given = f"Bearer {token(url, 'append:dcb')}"
    elsewhere = pb.Event(event_type="stone", metadata=[pb.MetadataEntry(key="$stream", value="heap-1")])
    own = pb.Event(event_type="stone", metadata=[pb.MetadataEntry(key="$stream", value="$token-1")])
    asked = [[STONE], [elsewhere], [own]]
    told = [ask(caller, "Append", given, body=pb.AppendRequest(events=each).SerializeToString()) for each in asked]
    assert told == ["OK", "PERMISSION_DENIED", "PERMISSION_DENIED"]


def test_a_condition_tells_of_what_may_not_be_read(caller: Raw, url: str) -> None:
    body = pb.AppendRequest(events=[STONE], condition=IF_NOTHING).SerializeToString()
    assert ask(caller, "Append", f"Bearer {token(url, 'append')}", body=body) == "PERMISSION_DENIED"
    assert ask(caller, "Append", f"Bearer {token(url, 'append', 'read')}", body=body) == "OK"


def test_nobody_writes_to_what_is_refolds_own(caller: Raw, url: str, store: Store) -> None:
    given = f"Bearer {token(url, 'read', 'append', 'admin')}"
    own = pb.Event(event_type="stone", metadata=[pb.MetadataEntry(key="$stream", value="$token-1")])
    assert ask(caller, "Append", given, body=pb.AppendRequest(events=[own]).SerializeToString()) == "INVALID_ARGUMENT"
    _, answers = caller.call("Read", b"", [("authorization", given)])
    assert [pb.ReadResponse.FromString(each) for each in answers] == [pb.ReadResponse()]


def test_what_is_revoked_or_rotated_away_is_refused_at_once(caller: Raw, url: str, store: Store) -> None:
    id, given = asyncio.run(issue(url, "read"))
    secret = new_secret()
    before = ask(caller, "Head", f"Bearer {given}")
    store.bind(TOKEN).handle(id, RotateToken(hashed(secret), next(iter(store.read(category="$token"))).recorded_at))
    rotated = [ask(caller, "Head", f"Bearer {each}") for each in (given, written(id, secret))]
    store.bind(TOKEN).handle(id, RevokeToken("it was in a log"))
    assert (before, rotated) == ("OK", ["UNAUTHENTICATED", "OK"])
    assert ask(caller, "Head", f"Bearer {written(id, secret)}") == "UNAUTHENTICATED"


def test_a_token_of_a_tenant_sees_the_store_of_the_tenant(caller: Raw, url: str, store: Store) -> None:
    given = [("authorization", f"Bearer {token(url, 'read', 'append', tenant='t')}")]
    store.append("heap-1", [NewEvent(RawEvent("stone", {}))])
    assert caller.call("Append", ASKED["Append"].SerializeToString(), given)[0] == "OK"
    _, answers = caller.call("Read", b"", given)
    assert [len(pb.ReadResponse.FromString(each).events) for each in answers] == [1]
    assert [str(event.stream) for event in store.tenant("t").read()] == ["dcb-events"]


def test_as_long_as_there_is_no_token_this_machine_may_do_everything(store: Store, url: str) -> None:
    with served(url) as server, raw(server) as caller:
        assert [ask(caller, method) for method in METHODS] == ["OK"] * 5
        token(url, "read")
        assert [ask(caller, method) for method in METHODS] == ["UNAUTHENTICATED"] * 5


def test_without_a_token_other_machines_are_not_served(store: Store, url: str) -> None:
    with pytest.raises(UsageError, match=r"nobody is served at '0\.0\.0\.0' .* or take --grpc 127\.0\.0\.1:50051"):
        Served(url, EVERYWHERE)
    token(url, "read")
    with served(url, EVERYWHERE) as server:
        assert server.url.startswith("http://0.0.0.0:")


def test_umadbs_client_sends_its_key_over_tls(store: Store, url: str) -> None:
    key = token(url, "read", "append")
    with served(url, SECURE) as server:
        client = server.client(key)
        assert client.append([umadb.Event("stone", b"{}")], umadb.AppendCondition(umadb.Query())) == 2
        assert [each.event.event_type for each in client.read()] == ["stone"]
        with pytest.raises(umadb.AuthenticationError, match="this takes a token"):
            umadb.Client(server.url, ca_path=str(TLS / "ca.pem")).head()
        with pytest.raises(umadb.AuthenticationError, match="may not append"):
            server.client(token(url, "read")).append([umadb.Event("stone", b"{}")])


def test_who_asks_too_often_is_told_so(store: Store, url: str) -> None:
    with served(url, quotas=Quotas(rate=1, burst=3)) as server, raw(server) as caller:
        assert [ask(caller, "Head") for _ in range(4)] == ["OK"] * 3 + ["RESOURCE_EXHAUSTED"]


def test_who_guesses_waits(caller: Raw) -> None:
    guess, began = f"Bearer {written('0' * 16, new_secret())}", time.monotonic()
    assert [ask(caller, "Head", guess) for _ in range(7)] == ["UNAUTHENTICATED"] * 7
    assert time.monotonic() - began > 0.5
