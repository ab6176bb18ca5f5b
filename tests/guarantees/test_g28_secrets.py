"""G28: no secret is in logs, errors, URLs, traces or repr.

Canaries stand as passwords, tokens and keys in URLs that are right, and in URLs that are wrong in every way that people get them
wrong. Every example of the command line's help is run with them, stores are opened with them, and all that comes of it is
searched: stdout, stderr, every record of every log, every error with all that led to it. What servers tell is in
test_g28_secrets_served.py.
"""

# ruff: noqa: PLC0414 - a fixture is imported to be asked for by its name

from __future__ import annotations

import os
import random
import shlex
import subprocess
import sys
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from socket import create_server, gaierror, getaddrinfo
from threading import Thread
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import pytest
from tests.cli.conftest import directory as directory
from tests.cli.conftest import nothing_from_outside as nothing_from_outside
from tests.cli.conftest import shelf as shelf
from tests.cli.reference import examples, names
from tests.guarantees.canaries import Outputs, canary
from tests.guarantees.seeding import seeded
from tests.guarantees.telling import tell
from tests.guarantees.wrongly_written import nats_urls, postgres_urls

from refold import AsyncStore, RawEvent, RefoldError, Store, UsageError
from refold.backends.nats import NatsLocation, connecting
from refold.backends.postgres import PostgresLocation, dumping, session
from refold.testing.nats import NatsNode
from refold.testing.ports import free_ports
from refold.testing.postgres import PostgresServer

pytestmark = pytest.mark.guarantee("G28")

STORES = ("--store", "--from", "--to", "--into")
EXAMPLES = [
    args
    for name in names()
    for args in ([*shlex.split(text)[1:]] for text in examples(name))
    if any(option in args for option in STORES) and args[0] not in {"bench", "cluster", "demo"}
]
MISPLACED: Sequence[Sequence[str]] = (
    ["URL"], ["streams", "URL"], ["streams", "--stor", "URL"], ["show", "URL", "--store", "shop.db"], ["doctor", "--store=URL"],
    ["import", "URL", "--store", "shop.db"], ["stats", "--store", "URL", "--output", "table"], ["bench", "--store", "URL"],
    ["restore", "URL", "--store", "URL"], ["backup", "x.backup", "--store", "URL"], ["token", "URL"],
    ["migrate", "--store", "URL"],
)  # fmt: skip


@pytest.fixture(autouse=True)
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody answers, it is told at once; and what would serve until Ctrl-C tells where, and ends."""
    monkeypatch.setattr(session, "OPENING", 0.0)
    monkeypatch.setattr(connecting, "CONNECTING", 0.05)

    async def told(server: Any, listening: Any) -> None:
        server._told("http://127.0.0.1:1")

    async def nothing() -> None: ...

    monkeypatch.setattr("refold.http.serving._Server.run_until_told", told)
    monkeypatch.setattr("refold.rpc.serving._until_told", nothing)
    monkeypatch.setattr("socket.getaddrinfo", here_alone)


def here_alone(host: Any, *rest: Any, **options: Any) -> Any:
    """Half a password may be taken for a host, and is looked up by nobody here."""
    if host not in {"127.0.0.1", "::1", "localhost", None}:
        raise gaierror(-2, "Name or service not known")
    return getaddrinfo(host, *rest, **options)


def with_url(args: Sequence[str], url: str) -> list[str]:
    """The same command on another store."""
    return [
        url if each == "URL" or before in STORES else each.replace("URL", url)
        for before, each in zip(["", *args], args, strict=False)
    ]


def run_all(out: Outputs, urls: Mapping[str, str], each: int, chance: random.Random) -> list[int]:
    """Run so many examples on each of the URLs, and what is misplaced. Gives how they ended."""
    return [
        out.refold(*with_url(args, url))
        for url in urls.values()
        for args in [*chance.sample(EXAMPLES, each), *chance.sample(MISPLACED, min(2 * each, len(MISPLACED)))]
    ]


COUNTS = pytest.mark.parametrize("each", [2, pytest.param(30, marks=pytest.mark.long)], ids=["short", "long"])


@COUNTS
def test_wrong_urls_of_postgresql_are_told_without_their_secrets(directory: Path, each: int) -> None:
    (a, b), seed = (canary(), canary()), seeded()
    with Outputs(a, b).listening() as out:
        ran = run_all(out, postgres_urls(a, b), each, random.Random(seed))  # noqa: S311 - no secret
    tell("G28", "postgresql", commands=len(ran), outputs=out.count, bytes=out.bytes, leaks=len(out.leaks), seed=seed)
    assert (out.leaks, ran.count(0) * 5 < len(ran)) == ([], True)  # an import that is tried out opens no store


@COUNTS
def test_wrong_urls_of_jetstream_are_told_without_their_secrets(directory: Path, each: int) -> None:
    (a, b), seed = (canary(), canary()), seeded()
    file = directory / "user.creds"
    file.write_text(f"-----BEGIN NATS USER JWT-----\n{a}\n-----BEGIN USER NKEY SEED-----\n{b}\n")
    with Outputs(a, b).listening() as out:
        ran = run_all(out, nats_urls(a, b, str(file)), each, random.Random(seed))  # noqa: S311 - no secret
    tell("G28", "jetstream", commands=len(ran), outputs=out.count, bytes=out.bytes, leaks=len(out.leaks), seed=seed)
    assert (out.leaks, ran.count(0) * 5 < len(ran)) == ([], True)


@pytest.mark.parametrize("kind", ["postgresql", "jetstream"])
async def test_stores_that_cannot_be_opened_tell_no_secret_in_any_error(tmp_path: Path, kind: str) -> None:
    a, b = canary(), canary()
    urls = postgres_urls(a, b) if kind == "postgresql" else nats_urls(a, b, str(tmp_path))
    raised = 0
    with Outputs(a, b).listening() as out:
        for name, url in urls.items():
            for face in (Store, AsyncStore):
                try:
                    opened: Any = face.open(url)
                    await opened if face is AsyncStore else opened.close()
                except RefoldError as error:
                    out.take_error(name, error)
                    raised += 1
    tell("G28", kind, urls=len(urls), errors=raised, leaks=len(out.leaks))
    assert (out.leaks, raised >= 2 * len(urls) - 4) == ([], True)  # a path may be one of a file that can be made


@contextmanager
def wrong_password() -> Generator[int]:
    """A server of PostgreSQL that asks for the password, and wants another one."""
    with create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            said = b"SFATAL\0C28P01\0Mpassword authentication failed for user\0\0"
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    if len(connection.recv(1_024)) == 8:  # it asks for TLS
                        connection.sendall(b"N")
                        connection.recv(1_024)
                    connection.sendall(b"R\0\0\0\x08\0\0\0\x03")
                    connection.recv(1_024)
                    connection.sendall(b"E" + (len(said) + 4).to_bytes(4, "big") + said)

        thread = Thread(target=answer, daemon=True)
        thread.start()
        yield listening.getsockname()[1]


def test_a_password_that_postgresql_does_not_take_is_not_told(directory: Path) -> None:
    secret = canary()
    with wrong_password() as port, Outputs(secret).listening() as out:
        codes = {
            out.refold(*with_url(args, f"postgresql://ada:{secret}@127.0.0.1:{port}/shop")) for args in EXAMPLES[::5]
        }
    assert (codes <= {1, 2, 3, 5}, out.leaks) == (True, [])


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """A server of NATS that lets in one user, and the password."""
    secret, port = canary(), free_ports(1)[0]
    node = NatsNode(
        tmp_path / "nats", "alone", port, "always", f'\nauthorization {{ user: "ada", password: "{secret}" }}\n'
    )
    node.start()
    node.ready()
    yield f"127.0.0.1:{port}", secret
    node.stop()


def test_a_password_that_jetstream_takes_or_not_is_not_told(
    directory: Path,
    guarded: tuple[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connecting, "CONNECTING", 5.0)
    (host, secret), wrong = guarded, canary()
    url = f"nats://ada:{secret}@{host}/shop?sync=always&models={quote(f'sqlite:///{directory}/models.db')}"
    with Outputs(secret, wrong).listening() as out:
        assert out.refold("copy", "--from", "shop.db", "--to", url) == 0
        ran = [out.refold(*with_url(args, url)) for args in EXAMPLES[::8] if args[0] not in {"copy", "run"}]
        for user in (f"ada:{wrong}", wrong, f"{wrong}:{secret}"):
            assert out.refold("stats", "--store", f"nats://{user}@{host}/shop") == 5
        with Store.open(url, events=[RawEvent]) as store:
            out.take("repr", reprs_of(store))
    tell("G28", "jetstream", commands=len(ran) + 4, outputs=out.count, bytes=out.bytes, leaks=len(out.leaks))
    assert (out.leaks, ran.count(0) > 3) == ([], True)


@pytest.mark.parametrize("step", [6, pytest.param(1, marks=pytest.mark.long)], ids=["short", "long"])
def test_a_password_that_postgresql_takes_is_not_told(
    directory: Path,
    postgres: PostgresServer,
    monkeypatch: pytest.MonkeyPatch,
    step: int,
) -> None:
    secret, place = canary(), urlsplit(postgres.new_database())
    url = urlunsplit(place._replace(netloc=f"postgres:{secret}@"))
    with Outputs(secret).listening() as out:
        assert out.refold("copy", "--from", "shop.db", "--to", url) == 0
        ran = [out.refold(*with_url(args, url)) for args in EXAMPLES[::step] if args[0] != "copy"]
        ran += [out.refold("doctor", "--store", url), out.refold("stats", "--store", url, "--output", "table")]
        monkeypatch.setenv("REFOLD_STORE", url)
        ran += [
            out.refold("stats", "--output", "json"),
            out.refold("stats", "--outputs", "json"),
            out.refold("nothing"),
        ]
        with Store.open(url, events=[RawEvent]) as store:
            out.take("repr", reprs_of(store))
    tell("G28", "postgresql", commands=len(ran) + 1, outputs=out.count, bytes=out.bytes, leaks=len(out.leaks))
    assert (out.leaks, ran.count(0) > 80 / step) == ([], True)


def reprs_of(store: Store) -> str:
    """What a store, and all that it is made of, say of themselves."""
    waiting: list[Any] = [store]
    seen = dict[int, Any]()
    while waiting:
        each = waiting.pop()
        if id(each) in seen or not type(each).__module__.startswith("refold"):
            continue
        seen[id(each)] = each
        slots = [getattr(each, name, None) for cls in type(each).__mro__ for name in getattr(cls, "__slots__", ())]
        waiting += [
            *getattr(each, "__dict__", {}).values(),
            *(s for s in slots if type(s).__module__.startswith("refold")),
        ]
    assert len(seen) > 5
    return "\n".join(f"{each!r} {each}" for each in seen.values() if not isinstance(each, str))


def test_what_a_url_leads_to_shows_no_secret() -> None:
    a = canary()
    out = Outputs(a)
    postgres = PostgresLocation.parse(f"postgresql://ada:{a}@127.0.0.1/shop?sslpassword={a}")
    nats = NatsLocation.parse(f"nats://ada:{a}@127.0.0.1,localhost/shop")
    for each in (postgres, nats, postgres.tenant("t"), nats.tenant("t"), nats.shown):
        out.take("repr", f"{each!r} {each}")
    assert out.leaks == []


def test_no_secret_of_postgresql_is_an_argument_of_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = canary(), canary()
    out, files = Outputs(a, b), list[str]()

    def run(command: Sequence[str], **options: Any) -> subprocess.CompletedProcess[str]:
        out.take("arguments", command)
        if "PGSERVICEFILE" in options.get("env", {}):
            file = Path(options["env"]["PGSERVICEFILE"])
            files.append(f"{file.stat().st_mode & 0o777:o} {file.read_text()}")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr("shutil.which", lambda _: "/pg_dump")
    monkeypatch.setattr("subprocess.run", run)
    url = f"postgresql://ada:{a}@127.0.0.1/shop"
    dumping._run("pg_dump", PostgresLocation.parse(url), [])
    dumping._run("pg_dump", PostgresLocation.parse(f"{url}?sslpassword={b}"), [])
    with pytest.raises(UsageError, match="names a service"):
        dumping._run("pg_dump", PostgresLocation.parse(f"{url}?sslpassword={b}&service=x"), [])
    assert (out.leaks, files, out.count) == ([], [f"600 [refold]\nsslpassword={b}\n"], 2)


def as_it_is(text: str, *_: object) -> str:
    """What hides nothing."""
    return text


PLANTED: Mapping[str, Sequence[tuple[str, str, Any]]] = {
    "what libpq quotes": [("refold.backends.postgres.session", "QUOTED", SimpleNamespace(sub=lambda _, text: text))],
    "a URL": [("refold.opening", "shown", as_it_is)],
    "what was typed": [("refold.cli.program", "scrubbed", as_it_is)],
    "where a password ends": [("refold.secrecy", "check_written", as_it_is)],
}


@pytest.mark.parametrize("planted", PLANTED.values(), ids=PLANTED)
def test_a_leak_that_is_planted_is_found(
    directory: Path,
    monkeypatch: pytest.MonkeyPatch,
    planted: Sequence[tuple[str, str, Any]],
) -> None:
    for module, name, way in planted:
        monkeypatch.setattr(sys.modules[module], name, way)
    a, b = canary(), canary()
    with Outputs(a, b).listening() as out:
        for name, url in {**postgres_urls(a, b), **nats_urls(a, b, os.devnull)}.items():
            if "answers" not in name:
                try:
                    Store.open(url).close()
                except Exception as error:
                    out.take_error(name, error)
                out.refold(url)
    assert out.leaks != []
