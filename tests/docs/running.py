"""Run a page: its Python in one namespace, its commands in one directory, what it shows compared with what comes out.

python            run; functions named `test_...` are called; what it prints must stand in the `text` block after it
python shop.py    the same, and the block is added to the file `shop.py`
text              after a `python` block: its output, `...` standing for anything
console           `$ command` lines with their output; `console exits 4`: the last command ends with that code
(indented)        commands without their output: `refold` must succeed, `make` must have the target
csv log.csv       a file of the reader's, written as it stands; so is any other kind with a name
mermaid           shown, not run
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import NamedTemporaryFile
from types import CodeType, FunctionType, ModuleType

from tests.docs.commands import SECONDS, Commands
from tests.docs.pages import ROOT, Block, Page

SHOWN_ONLY = ("mermaid", "py")
# Those that come with refold[testing]; else pytest would load those of all that is installed here, which takes four seconds.
PLUGINS = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_PLUGINS": "pytest_asyncio.plugin,_hypothesis_pytestplugin"}
BY_A_SHELL = re.compile(r"[^\w\s'\"./:=,{}@%+-]")  # what it might take for something else than itself


class Untrue(AssertionError):
    """The page says one thing, the program does another."""


class Run:
    """A page, being run in a directory of its own."""

    def __init__(self, page: Page, directory: Path, commands: Commands, names: dict[str, object] | None = None) -> None:
        self._page, self._directory, self._commands = page, directory, commands
        self._module = ModuleType(f"page_{re.sub(r'[^a-z0-9]', '_', page.name.lower())}")
        self._module.__dict__.update(names or {})
        self._printed: str | None = None
        self._last: Block | None = None

    def all(self) -> int:
        """Run it to its end, and say how many blocks were run."""
        with _module(self._module), _inside(self._directory):
            for block in self._page.blocks:
                self._block(block)
            self._check_nothing_unshown()
        return len(self._page.blocks)

    def _block(self, block: Block) -> None:
        match block.kind:
            case "text":
                self._compare_printed(block)
            case "python":
                self._check_nothing_unshown()
                self._python(block)
            case "console":
                self._check_nothing_unshown()
                self._console(block)
            case "indented":
                self._check_nothing_unshown()
                for number, line in enumerate(block.text.splitlines()):
                    self._command(re.split(r"\s{2,}|\s#", line.strip())[0], block.line + number)
            case _ if block.words[1:]:
                (self._directory / block.words[1]).write_text(block.text, encoding="utf-8")
            case kind:
                self._check(kind in SHOWN_ONLY, f"{self._at(block.line)}: nobody knows how to run {kind!r}")

    # Python -------------------------------------------------------------------

    def _python(self, block: Block) -> None:
        for name in block.words[1:]:
            with (self._directory / name).open("a", encoding="utf-8") as file:
                file.write(block.text + "\n")
        before = dict(self._module.__dict__)
        out = StringIO()
        with redirect_stdout(out):
            exec(self._compiled(block), self._module.__dict__)  # noqa: S102 - the page is ours
            self._call_tests(before)
        self._printed, self._last = out.getvalue(), block

    def _compiled(self, block: Block) -> CodeType:
        """With the page's own line numbers, for tracebacks that lead to the place."""
        return compile("\n" * (block.line - 1) + block.text, str(self._page.path), "exec", dont_inherit=True)

    def _call_tests(self, before: dict[str, object]) -> None:
        for name, value in tuple(self._module.__dict__.items()):
            if name.startswith("test_") and isinstance(value, FunctionType) and value is not before.get(name):
                value()

    def _compare_printed(self, block: Block) -> None:
        if self._printed is not None:
            self._compare(block.text, self._printed, block.line)
        self._printed = None

    def _check_nothing_unshown(self) -> None:
        if self._printed and self._last:
            raise Untrue(f"{self._at(self._last.line)} prints what the page does not show:\n{self._printed}")
        self._printed = None

    # Commands -----------------------------------------------------------------

    def _console(self, block: Block) -> None:
        sessions = list(_sessions(block))
        self._check(
            sessions and block.text.startswith("$ "), f"{self._at(block.line)}: a console block begins with '$ '"
        )
        for number, (command, expected, line) in enumerate(sessions, 1):
            code = int(block.words[2]) if block.words[1:2] == ("exits",) and number == len(sessions) else 0
            self._compare(expected, self._shell(command, line, code), line)

    def _command(self, command: str, line: int) -> None:
        match command.split():
            case ["refold", *_]:
                self._shell(command, line)
            case ["make", *rest]:
                self._check_target(rest, line)
            case [".ci/run", *_]:
                self._check((ROOT / ".ci/run").is_file(), f"{self._at(line)}: there is no .ci/run")
            case ["pip", "install", *_] | []:
                pass
            case _:
                raise Untrue(f"{self._at(line)}: nobody knows how to run {command!r}")

    def _check_target(self, words: list[str], line: int) -> None:
        targets = re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
        for word in words:
            if "=" in word:
                break
            self._check(word in targets, f"{self._at(line)}: the Makefile has no target {word!r}")

    def _shell(self, command: str, line: int, code: int = 0) -> str:
        ended, said = self._by_itself(command) if _is_refold_alone(command) else self._by_a_shell(command)
        self._check(ended == code, f"{self._at(line)}: {command!r} ends with {ended}:\n{said}")
        return said

    def _by_itself(self, command: str) -> tuple[int, str]:
        """Without a shell, and without another process that imports all that it needs."""
        with NamedTemporaryFile(encoding="utf-8", mode="r") as out:
            ended = self._commands.run(shlex.split(command), self._directory, Path(out.name))
            return ended, out.read()

    def _by_a_shell(self, command: str) -> tuple[int, str]:
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=self._directory,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=SECONDS,
            check=False,
        )
        return done.returncode, done.stdout

    # Comparing ----------------------------------------------------------------

    def _compare(self, shown: str, actual: str, line: int) -> None:
        pattern = re.escape(_trimmed(shown)).replace(re.escape("..."), ".*?")
        if not re.fullmatch(pattern, _trimmed(actual), re.DOTALL):
            raise Untrue(f"{self._at(line)}\n--- the page shows\n{shown}\n--- what comes out\n{actual}")

    @staticmethod
    def _check(holds: object, otherwise: str) -> None:
        if not holds:
            raise Untrue(otherwise)

    def _at(self, line: int) -> str:
        return f"{self._page.name}:{line}"


def _is_refold_alone(command: str) -> bool:
    return command.startswith("refold ") and not BY_A_SHELL.search(command)


def _sessions(block: Block) -> Iterator[tuple[str, str, int]]:
    """The commands of a console block, each with its output and its line."""
    for match in re.finditer(r"^\$ (.+\n(?:> .+\n)*)((?:(?!\$ ).*\n)*)", block.text, re.MULTILINE):
        yield match[1].replace("\n> ", "\n").strip(), match[2], block.line + block.text[: match.start()].count("\n")


def _trimmed(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip("\n").splitlines())


def environment() -> dict[str, str]:
    """That of the commands of every page."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("REFOLD_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{ours.get('PATH', '')}"
    shown = {"NO_COLOR": "1", "COLUMNS": "100", "TZ": "UTC"}
    return ours | shown | PLUGINS | {"PATH": path, "PYTHONDONTWRITEBYTECODE": "1"}


@contextmanager
def _module(module: ModuleType) -> Generator[None]:
    """The page can be found as a module, where classes look for their annotations."""
    sys.modules[module.__name__] = module
    try:
        yield
    finally:
        del sys.modules[module.__name__]


@contextmanager
def _inside(directory: Path) -> Generator[None]:
    """In this directory, whose modules can be imported and are forgotten afterwards."""
    before, known = Path.cwd(), set(sys.modules)
    os.chdir(directory)
    sys.path.insert(0, str(directory))
    try:
        yield
    finally:
        os.chdir(before)
        sys.path.remove(str(directory))
        for name in set(sys.modules) - known:
            if str(getattr(sys.modules[name], "__file__", "") or "").startswith(str(directory)):
                del sys.modules[name]
