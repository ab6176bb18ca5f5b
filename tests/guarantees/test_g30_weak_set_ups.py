"""G30: weak set-ups are refused with the way out.

The start matrix: every way of serving, on every kind of address, with and without tokens, encryption and what stands before it;
passwords, levels of durability, origins, hosts, and modes of keys. Each cell starts, or is refused with exit code 2 and a
sentence that says what to do, which is then done and starts. What starts in a weak set-up was asked for by its name.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from contextlib import nullcontext
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.guarantees.telling import tell

from refold import AsyncStore, RawEvent, Store, UsageError
from refold.backends.nats.location import location_at
from refold.backends.postgres import PostgresLocation
from refold.cli.program import program
from refold.http import api
from refold.studio import studio
from refold.weakness import is_local

pytestmark = pytest.mark.guarantee("G30")

TLS = Path(__file__).parents[1] / "grpc" / "tls"
LOCAL = ("127.0.0.1", "localhost", "[::1]")
OPEN = ("0.0.0.0", "[::]", "127.0.0.2")  # noqa: S104 - what is refused
FIRST_TOKEN = "refold token create NAME --scope read"  # noqa: S105 - no secret


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The URLs that were told by what was served; each ends at once."""
    found: list[str] = []

    async def told(server: Any, listening: Any) -> None:
        found.append("https" if server.config.ssl_certfile else "http")

    async def nothing() -> None:
        found.append("grpc")

    monkeypatch.setattr("refold.http.serving._listening", lambda _: nullcontext())
    monkeypatch.setattr("refold.http.serving._Server.run_until_told", told)
    monkeypatch.setattr("refold.rpc.serving._until_told", nothing)
    monkeypatch.setattr("refold.rpc.serving._bound", lambda server, place: 1)
    return found


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """A key that its owner alone may read."""
    file = tmp_path / "key.pem"
    file.touch(0o600)
    file.write_bytes((TLS / "key.pem").read_bytes())
    return file


def refold(*args: str) -> tuple[int, str]:
    done = CliRunner().invoke(program, args)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stderr


def shop(tmp_path: Path, *, tokens: bool) -> str:
    """A store, with a token or none."""
    url = f"sqlite:///{tmp_path}/shop.db"
    with Store.open(url, events=[RawEvent]) as store:
        store.append("stone-1", [RawEvent("stone", {})])
    if tokens:
        assert refold("token", "create", "till", "--scope", "read", "--store", url)[0] == 0
    return url


def expected(host: str, *, tokens: bool, encrypted: bool, behind: bool) -> Sequence[str]:
    """The ways out that a cell's refusal must say; none if it starts."""
    if host in LOCAL:
        return ()
    if not tokens:
        return (FIRST_TOKEN, "127.0.0.1:")
    return () if encrypted or behind else ("--certificate", "--key", "127.0.0.1:", "--behind-proxy")


@pytest.mark.parametrize("way", ["--http", "--grpc", "both"])
def test_every_way_of_serving_on_every_address_starts_or_says_how(
    tmp_path: Path, key: Path, started: list[str], way: str
) -> None:
    cells = refused = 0
    for tokens in (False, True):
        (place := tmp_path / f"{tokens}").mkdir()
        url = shop(place, tokens=tokens)
        for host, encrypted, behind in product((*LOCAL, *OPEN), (False, True), (False, True)):
            ways = ("--http", "--grpc") if way == "both" else (way,)
            given = ["--certificate", str(TLS / "certificate.pem"), "--key", str(key)] if encrypted else []
            started.clear()
            code, said = refold(
                "serve", "--store", url, *(part for each in ways for part in (each, f"{host}:0")), *given,
                *(["--behind-proxy"] if behind else []),
            )  # fmt: skip
            outs = expected(host, tokens=tokens, encrypted=encrypted, behind=behind)
            cell = (way, host, tokens, encrypted, behind)
            assert (code, bool(started), [out for out in outs if out not in said]) == (
                2 if outs else 0,
                not outs,
                [],
            ), cell
            cells, refused = cells + 1, refused + bool(outs)
    tell("G30", "any", cells=cells, refused=refused, way=way.strip("-"))
    assert (cells, refused) == (48, 15)


def test_each_refusal_s_way_out_leads_out(tmp_path: Path, key: Path, started: list[str]) -> None:
    url, serve = shop(tmp_path, tokens=False), ("serve", "--http", "0.0.0.0:0", "--store")
    codes = [refold(*serve, url)[0], refold("serve", "--http", "127.0.0.1:8137", "--store", url)[0]]
    codes += [refold(*shlex.split(FIRST_TOKEN)[1:], "--store", url)[0], refold(*serve, url)[0]]
    key.chmod(0o644)
    tls = "--certificate", str(TLS / "certificate.pem"), "--key", str(key)
    code, said = refold(*serve, url, *tls)
    (way,) = [part.split(",")[0] for part in said.split(": ") if part.startswith("chmod ")]
    Path(shlex.split(way)[2]).chmod(int(shlex.split(way)[1], 8))
    codes += [code, refold(*serve, url, *tls)[0], refold(*serve, url, "--behind-proxy")[0]]
    assert (codes, started) == ([2, 0, 0, 2, 2, 0, 0], ["http", "https", "http"])


@pytest.mark.parametrize(("mode", "code"), [(0o600, 0), (0o400, 0), (0o640, 0), (0o644, 2), (0o606, 2), (0o602, 2)])
@pytest.mark.parametrize("way", ["--http", "--grpc"])
def test_a_key_that_everybody_can_read_is_no_key(
    tmp_path: Path, key: Path, started: list[str], way: str, mode: int, code: int
) -> None:
    key.chmod(mode)
    tls = "--certificate", str(TLS / "certificate.pem"), "--key", str(key)
    done, said = refold("serve", "--store", shop(tmp_path, tokens=True), way, "0.0.0.0:0", *tls)
    assert (done, bool(started), f"chmod 600 {key}" in said) == (code, not code, bool(code))


@pytest.mark.parametrize("host", [*LOCAL[:2], "::1", "0.0.0.0", "::", "192.0.2.1", "shop.example", ""])  # noqa: S104 - refused
def test_the_studio_is_for_this_machine_alone(tmp_path: Path, started: list[str], host: str) -> None:
    code, said = refold("studio", "--store", shop(tmp_path, tokens=True), "--port", "0", "--host", host)
    is_local = host in {"127.0.0.1", "localhost", "::1"}
    assert (code, "ssh -L 8140:127.0.0.1:8140" in said, bool(started)) == (0 if is_local else 2, not is_local, is_local)


def test_an_assistant_is_served_over_pipes_alone_and_writes_only_if_that_is_said() -> None:
    names = {option for parameter in program.get_command(None, "mcp").params for option in parameter.opts}  # type: ignore[arg-type, union-attr]
    assert (names & {"--http", "--host", "--port", "--grpc"}, "--allow-commands" in names) == (set(), True)


WILD = (
    "*",
    "https://*",
    "https://*.shop.example",
    "null",
    "",
    "shop.example",
    "https://shop.example/",
    "https://a.example,https://b",
)
NAMED = ("https://shop.example", "http://localhost:3000", "https://[::1]:8443")


@pytest.mark.parametrize("origin", [*WILD, *NAMED])
def test_pages_that_may_ask_are_named_one_by_one(tmp_path: Path, started: list[str], origin: str) -> None:
    code, said = refold("serve", "--store", shop(tmp_path, tokens=True), "--http", "127.0.0.1:0", "--cors", origin)
    outs = origin in WILD
    assert (code, "name each, as https://shop.example" in said, bool(started)) == (2 if outs else 0, outs, not outs)


@pytest.mark.parametrize("host", ["*", "*.shop.example", "shop.example:80", "https://shop.example", ""])
async def test_names_that_it_is_reached_by_are_named_one_by_one(host: str) -> None:
    async with await AsyncStore.open("memory://", events=[RawEvent]) as store:
        for make in (studio, api):
            with pytest.raises(UsageError, match=r"name each, as shop\.example"):
                make(store, hosts=[host])
            make(store, hosts=["shop.example", "10.0.0.7", "::1"])


AWAY = ("db.example", "10.0.0.7", "[2001:db8::1]", "127.0.0.1,db.example")
HERE = ("127.0.0.1", "localhost", "[::1]", "127.0.0.2", "localhost.", "")
GUESSED = (
    "postgres:postgres",
    "shop:shop",
    "shop:SHOP",
    "postgres:password",
    "ada:changeme",
    "ada:%70assword",
    "root:123456",
)
OWN = ("ada:rT6-hq9Lw2", "ada", "postgres")


@pytest.mark.parametrize("kind", ["postgresql", "nats"])
def test_default_passwords_are_for_this_machine_alone(kind: str) -> None:
    parse = PostgresLocation.parse if kind == "postgresql" else location_at
    refused, told = set[tuple[str, str]](), set[str]()
    for login, host in product((*GUESSED, *OWN), (*AWAY, *HERE)):
        if kind == "nats" and not host:
            continue
        try:
            parse(f"{kind}://{login}@{host}/shop{'?sync=always' if kind == 'nats' else ''}")
        except UsageError as error:
            told.add(str(error))
            refused.add((login, host))
    tell("G30", "jetstream" if kind == "nats" else kind, logins=len(GUESSED) + len(OWN), refused=len(refused))
    assert (refused, len(told)) == (set(product(GUESSED, AWAY)), 1)  # which so shows no password
    assert "set another, such as `openssl rand -hex 24`" in told.pop()


@pytest.mark.parametrize(
    "query",
    [
        "host=db.example&password=postgres",
        "host=db.example&user=shop&password=shop",
        "hostaddr=10.0.0.7&password=secret",
    ],
)
def test_default_passwords_of_postgresql_are_refused_among_the_settings_too(query: str) -> None:
    with pytest.raises(UsageError, match="openssl rand"):
        PostgresLocation.parse(f"postgresql://ada@/shop?{query}")
    PostgresLocation.parse(
        f"postgresql://ada@/shop?{query.replace('db.example', '%2Ftmp').replace('10.0.0.7', '127.0.0.1')}"
    )


@pytest.mark.parametrize("setting", ["", "?mode=rw", "?busy_timeout=1"])
@pytest.mark.parametrize("said", ["", "sync=unknown", "sync=always", "mode=ro"])
@pytest.mark.parametrize("hosts", [*HERE[:3], *AWAY, "n1,n2,n3"])
def test_jetstream_that_may_not_wait_for_its_disk_is_written_to_only_if_that_is_said(
    hosts: str, said: str, setting: str
) -> None:
    query = "&".join(filter(None, [setting.removeprefix("?") if said != "mode=ro" else "", said]))
    url = f"nats://{hosts}/shop?{query}"
    if said or hosts in HERE:
        assert location_at(url).synced == (said == "sync=always")
        return
    with pytest.raises(UsageError, match=r"\?sync=always if .* or \?sync=unknown if"):
        location_at(url)
    code, told = refold("token", "create", "till", "--scope", "read", "--store", url)
    assert (code, "?sync=unknown" in told) == (2, True)


@pytest.mark.parametrize(
    ("query", "level"), [("", "disk"), ("?durability=disk", "disk"), ("?durability=best-effort", "best-effort")]
)
def test_sqlite_waits_for_the_disk_unless_it_is_asked_not_to_and_doctor_says_so(
    tmp_path: Path, query: str, level: str
) -> None:
    url = f"sqlite:///{tmp_path}/shop.db{query}"
    with Store.open(url) as store:
        assert store.durability == level
    code, _ = refold("doctor", "--store", url)
    said = CliRunner().invoke(program, ["doctor", "--store", url]).stdout
    assert (code, "durability=best-effort out of the URL" in said) == (int(level != "disk"), level != "disk")


@pytest.mark.parametrize(
    ("host", "local"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("[::1]", True), ("LOCALHOST", True), ("localhost.", True),
     ("/run/postgresql", True), ("", True), ("0.0.0.0", False), ("::", False), ("127.0.0.1.example", False),  # noqa: S104
     ("localhost.example", False), ("10.0.0.1", False), ("::ffff:10.0.0.1", False), ("2130706433", False)],
)  # fmt: skip
def test_what_this_machine_is(host: str, local: bool) -> None:
    assert is_local(host) == local


def test_without_its_guard_the_matrix_finds_a_door_that_is_open(
    tmp_path: Path, key: Path, started: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def open_to_all(*_: object) -> bool:
        return True

    monkeypatch.setattr("refold.http.serving.checked_place", open_to_all)
    with pytest.raises(AssertionError, match=r"0\.0\.0\.0"):
        test_every_way_of_serving_on_every_address_starts_or_says_how(tmp_path, key, started, "--http")
