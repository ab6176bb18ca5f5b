"""Who one is may be said by a certificate or by a file of credentials, and what is wrong with such a file is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.nats.secured import NO_LIMITS, Signer, certificate, know_the_passwords, paid, production

from refold import Store, StoreUnreachable, UsageError
from refold.messages import RawEvent

pytestmark = [pytest.mark.timeout(120)]


def test_servers_that_ask_for_a_certificate_let_in_who_has_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    know_the_passwords(monkeypatch)
    first = "handshake_first: true"
    with production(tmp_path, ["a"], {first: f'{first}, ca_file: "/etc/nats/ca.crt", verify: true'}) as servers:
        mine = tmp_path / "mine"
        certificate(servers.issuer, mine, "writer.example")
        Store.open(servers.url("owner", f"&tlscert={mine}.crt&tlskey={mine}.key")).close()
        with pytest.raises(StoreUnreachable, match="tlscert"):
            Store.open(servers.url("owner"))


def test_a_file_of_credentials_is_enough(tmp_path: Path) -> None:
    """As `nsc` makes it: an operator vouches for accounts, an account for its users."""
    operator, system, account, user = (Signer(kind) for kind in (b"O", b"A", b"A", b"U"))
    accounts = {
        system.public: operator.vouches(system, "SYS", {"type": "account"}),
        account.public: operator.vouches(account, "ORDERS", {"type": "account", "limits": NO_LIMITS}),
    }
    mine = account.vouches(user, "writer", {"type": "user", "subs": -1, "data": -1, "payload": -1})
    credentials = tmp_path / "writer.creds"
    credentials.write_text(
        f"-----BEGIN NATS USER JWT-----\n{mine}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{user.seed.decode()}\n------END USER NKEY SEED------\n"
    )
    trust = (
        f'operator: "{operator.vouches(operator, "op", {"type": "operator"})}"\nsystem_account: {system.public}\n'
        f"resolver: MEMORY\nresolver_preload: {{ {', '.join(f'{key}: {jwt}' for key, jwt in accounts.items())} }}\n"
    )
    with production(tmp_path, ["a"], {'include "accounts.conf"\n': trust}) as servers:
        url = f"nats://127.0.0.1:{servers.nodes[0].port}/orders?tls=first&tlsca={servers.ca}"
        with pytest.raises(StoreUnreachable, match="not let this user in"):
            Store.open(url)
        with Store.open(f"{url}&credentials={credentials}", events=[RawEvent]) as store:
            store.append("sale-1", paid(1))
            assert [event.data for event in store.read("sale-1")] == paid(1)


def test_files_that_are_not_there_or_hold_something_else_are_named(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    for settings, said in (
        ("tlsca=/none", r"\?tlsca=/none names a file that cannot be read: No such file"),
        ("tlscert=/none", r"\?tlscert=/none names"),
        ("credentials=/none", r"\?credentials=/none names"),
        (f"tlsca={empty}", "holds no certificate"),
        (f"tlscert={empty}&tlskey={empty}", "are no certificate and its key"),
        ("tls=no&tlsca=/none", "are not all known"),
        ("tls=yes&tlskey=/none", "are not all known"),
        ("api_prefix=a.*", "are not all known"),
    ):
        with pytest.raises(UsageError, match=said):
            Store.open(f"nats://127.0.0.1:9/orders?{settings}")
