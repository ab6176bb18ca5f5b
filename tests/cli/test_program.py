"""The command as a whole: quick to answer, quiet when nobody reads on, and every error one line with its code."""

from __future__ import annotations

import inspect
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import click
import pytest
from tests.cli.conftest import Run

from refold import RawEvent, Store, errors
from refold._version import __version__
from refold.cli.exits import Exit, Interrupted, NotFound, OutputLost, code_of
from refold.cli.program import COMMANDS, program

REFOLD = [sys.executable, "-c", "from refold.cli import main; main()"]
HEAVY = {"apsw", "asyncio", "msgspec", "rich"}


def modules_after(*args: str) -> tuple[str, set[str]]:
    """What the command prints, and which of the heavy modules it loads for that."""
    code = (
        "import sys\nfrom refold.cli.program import program\n"
        f"try: program({list(args)!r})\nexcept SystemExit: print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    return done.stdout, HEAVY & set(done.stderr.split())


def test_the_version_loads_nothing_heavy() -> None:
    assert modules_after("--version") == (f"refold, version {__version__}\n", set())


def test_the_help_lists_every_command_and_loads_nothing_heavy() -> None:
    out, loaded = modules_after("--help")
    listed = out.partition("Commands:\n")[2].partition("\n\n")[0]
    assert ({line.split()[0] for line in listed.splitlines()}, loaded) == (set(COMMANDS), set())


def test_the_heavy_modules_would_be_seen() -> None:
    assert modules_after("stats", "--store", "no-such.db")[1] >= {"apsw", "msgspec"}


def test_the_version_is_told_in_a_moment() -> None:
    began = time.perf_counter()
    subprocess.run([*REFOLD, "--version"], check=True, stdout=subprocess.DEVNULL)
    assert time.perf_counter() - began < 2


def completed(words: str) -> list[str]:
    """What a shell offers after these words, of which the last may be half of one."""
    asked = {"_REFOLD_COMPLETE": "zsh_complete", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1)}
    done = subprocess.run(
        [*REFOLD[:2], f"import sys; sys.argv[0] = 'refold'; {REFOLD[2]}"], env=os.environ | asked, check=True,
        capture_output=True, encoding="utf-8",
    )  # fmt: skip
    return done.stdout.splitlines()[1::3]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("refold ", [*COMMANDS]),
        ("refold re", ["redecide", "redo", "review", "restore"]),
        ("refold projections re", ["rebuild", "repartition", "reset", "resume"]),
        ("refold stats --out", ["--output"]),
        ("refold stats --output j", ["json", "jsonl"]),
    ],
)
def test_a_shell_completes_commands_options_and_values(words: str, offered: list[str]) -> None:
    assert completed(words) == offered


def test_completing_a_command_loads_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str) -> None:
        raise AssertionError(name)

    monkeypatch.setattr(sys.modules["refold.cli.program"], "import_module", load)
    context = click.Context(program, info_name="refold")
    assert [each.value for each in program.shell_complete(context, "re")] == ["redecide", "redo", "review", "restore"]


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_says_of_a_command_what_the_command_says_of_itself(name: str) -> None:
    command = program.get_command(click.Context(program), name)
    assert command is not None
    assert (command.name, command.short_help) == (name, COMMANDS[name])


def test_an_unknown_command_is_a_usage_error_that_names_the_known_ones(refold: Run) -> None:
    code, out, err = refold("frobnicate")
    assert (code, out) == (2, "")
    assert f"there is no command 'frobnicate': known are {', '.join(COMMANDS)}." in err


def test_a_misspelt_command_is_answered_by_what_was_meant(refold: Run) -> None:
    assert "there is no command 'statee': did you mean state or stats?" in refold("statee").err


def test_without_a_store_it_says_how_to_name_one(refold: Run) -> None:
    code, _, err = refold("streams")
    assert (code, "Missing option '--store' (env var: 'REFOLD_STORE')" in err) == (2, True)


def test_the_store_may_be_named_by_the_environment(refold: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REFOLD_STORE", "shop.db")
    assert refold("streams", "pay").out == "payment-1\t1\t5\t2026-01-01T12:04:00Z\t2026-01-01T12:04:00Z\n"


@pytest.mark.parametrize("store", ["shop.db", "sqlite:///shop.db", "sqlite:///shop.db?busy_timeout=1"])
def test_a_store_is_a_url_or_a_path(refold: Run, store: str) -> None:
    assert refold("streams", "pay", "--store", store).out.startswith("payment-1\t1\t5")


CODES = {
    "Archived": 5, "ArchiveDamaged": 6, "BackupDamaged": 6, "CannotUndo": 7, "NotACopy": 7, "SnapshotMismatch": 1,
    "TransformFailed": 7,
    "UpcasterError": 2,
    "AddressRefused": 7, "BadMessage": 7, "BadSignature": 7, "DeliveryError": 7, "MessageRefused": 7, "ReceiverAway": 5,
    "ReceiverGone": 7,
    "Conflict": 4, "EventLogError": 6, "IdReused": 7, "InvalidEvent": 7, "InvalidName": 2, "KeyReused": 7, "MissingExtra": 2,
    "NewerFormat": 5, "NoSuchInstance": 3, "NoSuchProjection": 3, "NoSuchVersion": 3, "NotAStore": 5, "NotCaughtUp": 1,
    "OutcomeUnknown": 5,
    "ProjectionChanged": 7, "ProjectionStopped": 7, "RefoldError": 1, "Refused": 7, "StoreBusy": 5, "StoreClosed": 5,
    "StoreCorrupt": 6, "StoreError": 5, "StoreFull": 5, "StoreReadOnly": 5, "StoreUnreachable": 5, "TooLarge": 7,
    "UndecodableEvent": 6, "UnknownEventType": 6, "Unreadable": 6, "Unsupported": 2, "UsageError": 2, "NotFound": 3,
    "Interrupted": 130, "OutputLost": 5,
}  # fmt: skip


def _is_ours(cls: object) -> bool:
    return inspect.isclass(cls) and issubclass(cls, errors.RefoldError)


def test_every_error_has_its_exit_code() -> None:
    ours = [cls for cls in vars(errors).values() if _is_ours(cls)]
    classes: list[type[errors.RefoldError]] = [*ours, NotFound, Interrupted, OutputLost]
    found = {cls.__name__: int(code_of(cls.__new__(cls))) for cls in classes}
    assert found == CODES


def test_the_help_tells_every_exit_code(refold: Run) -> None:
    told = refold("--help").out.partition("Exit codes:\n")[2]
    assert [int(line.split()[0]) for line in told.strip().splitlines()] == [int(code) for code in Exit]


def test_a_mistyped_path_is_told_and_makes_no_file(refold: Run, directory: Path) -> None:
    before = sorted(directory.iterdir())
    assert refold("state", "cart-c-1", "--store", "shpo.db") == (
        5,
        "",
        "refold: there is no store at 'shpo.db': check the path. `refold migrate --store` makes one, or whoever appends.\n",
    )
    assert sorted(directory.iterdir()) == before


@pytest.mark.parametrize("url", ["foo://x", "sqlite://x.db", "sqlite:///x.db"])
def test_a_url_is_quoted_as_it_was_given_whatever_it_is_opened_for(refold: Run, url: str) -> None:
    for settings in ("", "?colour=red"):
        done = refold("stats", "--store", f"{url}{settings}")
        assert (done.code != 0, "mode=ro" in done.err, url.removeprefix("sqlite:///") in done.err) == (
            True,
            False,
            True,
        )


def test_a_file_that_is_no_store_is_told(refold: Run) -> None:
    code, out, err = refold("stats", "--store", "log.csv")
    assert (code, out, err.startswith("refold: 'log.csv' is not a SQLite database")) == (5, "", True)


def test_a_stream_name_that_cannot_be_is_a_usage_error(refold: Run) -> None:
    assert refold("show", "cart", "--store", "shop.db") == (
        2,
        "",
        "refold: 'cart' is not a stream name: it needs a category and an id, as in 'cart-c-1'.\n",
    )


def test_a_reader_that_has_enough_is_no_error(refold: Run, directory: Path) -> None:
    assert refold("import", "big.csv", "--store", "big.db").code == 2
    rows = "".join(f"{n},happened,2024-01-01,{'x' * 100}\n" for n in range(5_000))
    (directory / "big.csv").write_text("case_id,activity,timestamp,note\n" + rows)
    assert refold("import", "big.csv", "--store", "big.db").code == 0

    show = subprocess.Popen(
        [*REFOLD, "tail", "--store", "big.db", "--from", "1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert show.stdout is not None
    assert show.stderr is not None
    first = show.stdout.readline()
    show.stdout.close()
    assert (first.split(b"\t")[0], show.stderr.read(), show.wait()) == (b"1", b"", 0)
    show.stderr.close()


LOST = (
    "refold: stdout cannot be written (No space left on device): "
    "what was to be told is not there, or only the beginning of it."
)


def ended(
    *args: str, out: int = subprocess.PIPE, closed: Sequence[int] = (), env: Mapping[str, str] | None = None
) -> tuple[int, str, str]:
    """How a process of its own ends, and what it tells."""
    close = "import os\n" + "".join(f"os.close({handle})\n" for handle in closed)
    code = f"{close}os.execv({sys.executable!r}, {[*REFOLD, *args]!r})"
    done = subprocess.run(
        [sys.executable, "-c", code], stdout=out, stderr=subprocess.PIPE, env={"PATH": os.environ["PATH"], **(env or {})},
        check=False,
    )  # fmt: skip
    return done.returncode, (done.stdout or b"").decode(), done.stderr.decode()


@pytest.mark.parametrize("output", ["plain", "jsonl", "json", "csv", "table"])
def test_a_reader_that_has_enough_of_any_format_is_no_error(directory: Path, output: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    assert ended("tail", "--store", "shop.db", "--output", output, out=writer) == (0, "", "")
    os.close(writer)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("command", ["stats", "tail", "tail --output table", "export -", "backup b", "doctor"])
def test_output_that_cannot_be_written_is_told_and_no_finding(directory: Path, command: str) -> None:
    with Path("/dev/full").open("wb") as full:
        code, _, err = ended(*command.split(), "--store", "shop.db", out=full.fileno())
    assert (code, err.splitlines()[-1]) == (5, LOST)


def test_a_closed_stdout_is_as_dev_null(directory: Path) -> None:
    for closed in ((1,), (0, 1), (0, 1, 2)):
        assert ended("tail", "--store", "shop.db", closed=closed) == (0, "", "")


@pytest.mark.parametrize(
    "env",
    [{"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, {"PYTHONIOENCODING": "ascii"}],
    ids=["the locale", "the environment"],
)
def test_other_programs_are_given_utf_8_whatever_the_locale(directory: Path, env: dict[str, str]) -> None:
    with Store.open("sqlite:///uni.db", events=[RawEvent]) as store:
        store.append("naïve-ü", [RawEvent("wörd", {"ß": "😀"})])
    code, out, err = ended("tail", "--store", "uni.db", env=env)
    assert (code, out.split("\t", 2)[2], err) == (0, 'naïve-ü\twörd\t{"ß":"😀"}\n', "")


def test_what_nobody_foresaw_is_one_line_with_a_code_of_its_own(directory: Path) -> None:
    fault = "from refold.cli.stats import command\ndef broken(**given): raise ZeroDivisionError('no')\n"
    fault += "command.callback = broken\n"
    for env, lines in (({}, 1), ({"REFOLD_TRACEBACK": "1"}, 10)):
        done = subprocess.run(
            [sys.executable, "-c", fault + REFOLD[2], "stats", "--store", "shop.db"], capture_output=True, encoding="utf-8",
            env={**os.environ, **env}, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stdout, len(done.stderr.splitlines()) >= lines) == (70, "", True)
        assert done.stderr.splitlines()[-1].startswith(
            "refold: ZeroDivisionError: no (<string>, line 2). That is a fault: "
        )
        assert ("Traceback" in done.stderr) == bool(env)


def test_ctrl_c_ends_the_following_with_the_place_to_go_on(directory: Path) -> None:
    follow = subprocess.Popen(
        [*REFOLD, "tail", "--store", "shop.db", "--follow", "--output", "plain"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert follow.stdout is not None
    lines = [follow.stdout.readline() for _ in range(6)]
    follow.send_signal(signal.SIGINT)
    _, err = follow.communicate(timeout=20)
    assert [line.split(b"\t")[0] for line in lines] == [b"1", b"2", b"3", b"4", b"5", b"6"]
    assert follow.returncode == 130
    assert err in {  # the interrupt may come before the last event counts as shown; then it is shown again
        b"refold: stopped after position 6: go on with --from 7 --follow.\n",
        b"refold: stopped after position 5: go on with --from 6 --follow.\n",
    }
