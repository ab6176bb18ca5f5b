"""The time machine against git itself: for every commit, the files that `git ls-tree -r` tells."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from examples.git_time_machine.events import (
    CommitRecorded,
    FileAdded,
    FileDeleted,
    FileModified,
    FileRenamed,
)
from examples.git_time_machine.gitlog import GitFailed
from examples.git_time_machine.importing import LIMITS, Imported, import_history
from examples.git_time_machine.lines import Lines, tree_at
from examples.git_time_machine.paths import as_bytes, as_text
from examples.git_time_machine.tree import File, Tree
from hypothesis import given, settings
from hypothesis import strategies as st

from refold import Store

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="there is no git on this machine")

ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.org",
}


@dataclass(frozen=True)
class Repository:
    """A git repository, and what git tells of it."""

    path: Path

    def git(self, *arguments: str, stdin: bytes = b"", at: int = 0) -> bytes:
        dates = {"GIT_AUTHOR_DATE": f"@{at} +0000", "GIT_COMMITTER_DATE": f"@{at} +0000"}
        command = ["git", "-C", str(self.path), *arguments]
        return subprocess.run(command, input=stdin, env=ENVIRONMENT | dates, stdout=subprocess.PIPE, check=True).stdout

    def words(self, *arguments: str) -> list[str]:
        return self.git(*arguments).decode().split()

    def commit(self, subject: str, *, at: int) -> str:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", subject, at=at)
        return self.head

    @property
    def head(self) -> str:
        return self.words("rev-parse", "HEAD")[0]

    def files(self, commit: str) -> dict[str, File]:
        """What `git ls-tree -r` tells."""
        return _files(self, commit)


@cache
def _files(repository: Repository, commit: str) -> dict[str, File]:
    entries = repository.git("ls-tree", "-r", "-z", commit).split(b"\0")[:-1]
    return dict(_entry_told(entry) for entry in entries)


def _entry_told(entry: bytes) -> tuple[str, File]:
    facts, _, path = entry.partition(b"\t")
    mode, _, hash = facts.decode().split()
    return as_text(path), File(mode, hash)


class Machine:
    """A store with the history of a repository."""

    def __init__(self, repository: Repository) -> None:
        self.repository, self.store = repository, Store.open("memory://", limits=LIMITS)
        self.read()

    def read(self) -> Imported:
        """Import what HEAD has reached since."""
        self.known = Lines.of(self.store)
        return import_history(self.store, self.repository.path, self.repository.head, self.known)

    def tree(self, commit: str, time: datetime | None = None) -> Tree:
        return tree_at(self.store, self.known, commit, time=time)

    def wrong(self, commits: Sequence[str]) -> list[str]:
        """The commits of which it tells another tree than git."""
        told = ((commit, self.tree(commit)) for commit in commits)
        return [commit for commit, tree in told if tree != Tree(commit, self.repository.files(commit))]


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return empty_repository(tmp_path)


def empty_repository(path: Path) -> Repository:
    repository = Repository(path)
    repository.git("init", "--quiet", "--template=", "--initial-branch=main")
    return repository


def moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


# This repository --------------------------------------------------------------


def test_it_knows_every_tree_of_this_very_repository() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip(f"{ROOT} is no git checkout, so there is no history of it to read")
    here = Repository(ROOT)
    if here.words("rev-parse", "--is-shallow-repository") == ["true"]:
        pytest.skip(f"{ROOT} is a shallow clone, so most of its history is not there")
    machine = Machine(here)
    commits = here.words("rev-list", "HEAD")
    assert commits
    assert machine.wrong(commits) == []


# Any repository ---------------------------------------------------------------

NAMES = (
    b"a", b"a/b", b"a/b/c", b"a.c", b"a b", b'q"uote', b"back\\slash", b"new\nline", b"tab\there", "ü/ßharp s".encode(),
    b"not \xff utf-8/\xfe", b":colon", b"commit 12", b"-dash", "\u2028separator".encode(), b"\x7f",
)  # fmt: skip
ENTRIES = st.sampled_from(["100644", "100755", "120000", "160000"])
CONTENTS = st.integers(0, 3)


@dataclass(frozen=True)
class Planned:
    """A commit to make: its parents as numbers of earlier ones, its whole tree, and its time."""

    parents: tuple[int, ...]
    files: dict[bytes, tuple[str, int]]
    time: int


@st.composite
def histories(draw: st.DrawFn) -> list[Planned]:
    """Any directed graph of commits, with any trees at them, however little they look like merges of their parents."""
    planned: list[Planned] = []
    for number in range(draw(st.integers(1, 9))):
        parents = draw(st.lists(st.integers(0, number - 1), unique=True, max_size=3)) if number else []
        files = draw(st.dictionaries(st.sampled_from(NAMES), st.tuples(ENTRIES, CONTENTS), max_size=8))
        planned.append(Planned(tuple(parents), files, draw(st.integers(1, 40))))
    return planned


def made(repository: Repository, history: Sequence[Planned]) -> list[str]:
    """Make the commits, and say their hashes."""
    stream = b"".join(_command(number, planned) for number, planned in enumerate(history))
    repository.git("fast-import", "--quiet", "--force", stdin=stream)
    return repository.words("rev-parse", *(f"c{number}" for number in range(len(history))))


def _command(number: int, planned: Planned) -> bytes:
    lines = [
        f"reset refs/heads/c{number}\ncommit refs/heads/c{number}\nmark :{number + 1}",
        f"committer Ada <ada@example.org> {planned.time} +0000\ndata 0",
        *(f"{'merge' if i else 'from'} :{parent + 1}" for i, parent in enumerate(planned.parents)),
        "deleteall",
        *(_entry(path, mode, content) for path, (mode, content) in planned.files.items()),
    ]
    return "\n".join(lines).encode() + b"\n\n"


def _entry(path: bytes, mode: str, content: int) -> str:
    quoted = "".join(f"\\{byte:03o}" for byte in path)
    if mode == "160000":
        return f'M {mode} {content + 1:040x} "{quoted}"'
    data = f"content {content}\n" * 20
    return f'M {mode} inline "{quoted}"\ndata {len(data)}\n{data}'


@settings(max_examples=25)
@given(histories(), st.randoms(use_true_random=False))
def test_it_knows_every_tree_of_any_repository_whatever_was_read_first(history: list[Planned], random: Random) -> None:
    with TemporaryDirectory() as directory:
        repository = empty_repository(Path(directory))
        commits = made(repository, history)
        order = random.sample(range(len(commits)), len(commits))
        repository.git("symbolic-ref", "HEAD", f"refs/heads/c{order[0]}")
        machine = Machine(repository)
        for number in order:
            repository.git("symbolic-ref", "HEAD", f"refs/heads/c{number}")
            machine.read()
            assert machine.wrong(repository.words("rev-list", "HEAD")) == []
        assert set(machine.known.places) == set(commits)
        assert machine.read() == Imported()


@settings(max_examples=25)
@given(histories(), st.integers(0, 41))
def test_at_a_time_it_tells_the_last_commit_on_the_way_of_first_parents_that_was_true(
    history: list[Planned], time: int
) -> None:
    with TemporaryDirectory() as directory:
        repository = empty_repository(Path(directory))
        commits = made(repository, history)
        repository.git("symbolic-ref", "HEAD", f"refs/heads/c{len(commits) - 1}")
        told = Machine(repository).tree(commits[-1], moment(time))
        expected = _last_true(history, len(history) - 1, time)
        assert told == (Tree() if expected is None else Tree(commits[expected], repository.files(commits[expected])))


def _last_true(history: Sequence[Planned], number: int, time: int) -> int | None:
    way = [number]
    while parents := history[way[0]].parents:
        way.insert(0, parents[0])
    true_since = 0
    last = None
    for commit in way:
        true_since = max(true_since, history[commit].time)
        last = commit if true_since <= time else last
    return last


# Example by example -----------------------------------------------------------


def test_history_becomes_events_that_say_what_happened_to_which_file(repository: Repository) -> None:
    (repository.path / "tea.txt").write_text("green\n" * 9)
    (repository.path / "cup.txt").write_text("blue\n")
    first = repository.commit("Make tea", at=10)
    (repository.path / "tea.txt").rename(repository.path / "ocha.txt")
    (repository.path / "cup.txt").chmod(0o755)
    second = repository.commit("Make ocha", at=20)
    (repository.path / "cup.txt").unlink()
    third = repository.commit("Drink up", at=30)
    machine = Machine(repository)
    tea, cup = (repository.files(first)[name].hash for name in ("tea.txt", "cup.txt"))
    events = [(e.data, e.valid_at, e.metadata.free["author"]) for e in machine.store.read(f"git-{first}")]
    assert events == [
        (data, moment(at), "Ada")
        for data, at in (
            (FileAdded("cup.txt", "100644", cup), 10),
            (FileAdded("tea.txt", "100644", tea), 10),
            (CommitRecorded(first, (), "Ada", moment(10), moment(10), "Make tea"), 10),
            (FileModified("cup.txt", "100755", cup), 20),
            (FileRenamed("ocha.txt", "tea.txt", "100644", tea), 20),
            (CommitRecorded(second, (first,), "Ada", moment(20), moment(20), "Make ocha"), 20),
            (FileDeleted("cup.txt"), 30),
            (CommitRecorded(third, (second,), "Ada", moment(30), moment(30), "Drink up"), 30),
        )
    ]


def test_a_second_reading_adds_only_the_commits_that_are_new(repository: Repository) -> None:
    (repository.path / "a").write_text("1")
    repository.commit("one", at=10)
    machine = Machine(repository)
    assert machine.read() == Imported(0, 0)
    (repository.path / "b").write_text("2")
    repository.commit("two", at=20)
    assert machine.read() == Imported(1, 2)
    assert machine.wrong(repository.words("rev-list", "HEAD")) == []


def test_what_was_merged_was_not_there_before_the_merge(repository: Repository) -> None:
    (repository.path / "a").write_text("1")
    first = repository.commit("one", at=10)
    repository.git("checkout", "--quiet", "-b", "side")
    (repository.path / "b").write_text("2")
    side = repository.commit("side", at=20)
    repository.git("checkout", "--quiet", "main")
    (repository.path / "c").write_text("3")
    repository.commit("three", at=30)
    repository.git("merge", "--quiet", "--no-ff", "-m", "merge", "side", at=40)
    machine = Machine(repository)
    head = repository.head
    assert [set(machine.tree(head, moment(at)).files) for at in (5, 10, 20, 30, 40)] == [
        set(), {"a"}, {"a"}, {"a", "c"}, {"a", "b", "c"},
    ]  # fmt: skip
    assert set(machine.tree(side).files) == {"a", "b"}
    assert list(machine.known.path(head)) == [(first, 2 + 2 + 2)]


def test_the_way_of_first_parents_from_head_is_one_line_though_git_lists_what_it_merged_first(
    repository: Repository,
) -> None:
    root, side, merge = made(repository, [Planned((), {}, 1), Planned((0,), {}, 2), Planned((0, 1), {}, 3)])
    repository.git("symbolic-ref", "HEAD", "refs/heads/c2")
    machine = Machine(repository)
    assert repository.words("rev-list", "--topo-order", "--reverse", "HEAD") == [root, side, merge]
    assert machine.known.path(merge) == [(root, 2)]
    assert machine.known.path(side) == [(root, 1), (side, 1)]


def test_nobodys_git_configuration_changes_what_is_read(repository: Repository) -> None:
    (repository.path / "sub").mkdir()
    (repository.path / "sub" / "a").write_text("x\n" * 9)
    repository.commit("one", at=10)
    repository.git("checkout", "--quiet", "-b", "side")
    (repository.path / "b").write_text("2")
    repository.commit("side", at=20)
    repository.git("checkout", "--quiet", "main")
    repository.git("merge", "--quiet", "--no-ff", "-m", "merge", "side", at=30)
    for setting in (
        "log.showRoot=false", "log.diffMerges=off", "log.showSignature=true", "diff.renames=copies", "diff.relative=true",
        "diff.ignoreSubmodules=all", "format.pretty=oneline", "color.ui=always", "core.quotePath=true", "log.date=relative",
        "log.decorate=full", "diff.noprefix=true", "core.abbrev=5",
    ):  # fmt: skip
        repository.git("config", *setting.split("="))
    below = Repository(repository.path / "sub")
    machine = Machine(below)
    assert [machine.tree(commit).files for commit in repository.words("rev-list", "HEAD")] == [
        repository.files(commit) for commit in repository.words("rev-list", "HEAD")
    ]


def test_a_shallow_clone_is_read_as_far_as_it_goes(
    repository: Repository, tmp_path_factory: pytest.TempPathFactory
) -> None:
    for number in range(3):
        (repository.path / f"f{number}").write_text("x")
        repository.commit(str(number), at=number + 1)
    clone = Repository(tmp_path_factory.mktemp("clone"))
    clone.git("clone", "--quiet", "--depth=2", f"file://{repository.path}", ".")
    assert Machine(clone).wrong(clone.words("rev-list", "HEAD")) == []


def test_one_store_holds_several_repositories_and_their_common_history_once(
    repository: Repository, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (repository.path / "a").write_text("1")
    repository.commit("one", at=10)
    fork = Repository(tmp_path_factory.mktemp("fork"))
    fork.git("clone", "--quiet", str(repository.path), ".")
    (fork.path / "b").write_text("2")
    fork.commit("fork", at=20)
    (repository.path / "c").write_text("3")
    repository.commit("own", at=30)
    machine = Machine(repository)
    known = Lines.of(machine.store)
    assert import_history(machine.store, fork.path, fork.head, known) == Imported(1, 2)
    assert tree_at(machine.store, known, fork.head) == Tree(fork.head, fork.files(fork.head))


def test_a_reading_that_broke_off_leaves_whole_commits_and_is_taken_up_again(repository: Repository) -> None:
    for number in range(3):
        repository.git("checkout", "--quiet", "--orphan", f"b{number}")  # lines of their own, hence batches
        (repository.path / f"f{number}").write_text("x")
        repository.commit(str(number), at=number + 1)
    tips = [f"b{number}" for number in range(3)]
    repository.git("checkout", "--quiet", "b0")
    repository.git("merge", "--quiet", "--allow-unrelated-histories", "-s", "ours", "-m", "all", *tips[1:], at=9)
    store = Store.open("memory://", limits=LIMITS)

    def stop(done: int, total: int) -> None:
        assert total == 4
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_history(store, repository.path, repository.head, Lines.of(store), stop)
    known = Lines.of(store)
    assert len(known.places) == 2
    assert import_history(store, repository.path, repository.head, known).commits == 2
    for commit in repository.words("rev-list", "HEAD"):
        assert tree_at(store, known, commit) == Tree(commit, repository.files(commit))


def test_what_is_no_repository_is_refused_in_gits_words(tmp_path: Path) -> None:
    store = Store.open("memory://", limits=LIMITS)
    with pytest.raises(GitFailed, match="not a git repository"):
        import_history(store, tmp_path, "HEAD", Lines.of(store))


@given(st.binary(min_size=1))
def test_each_path_has_one_text_and_each_text_one_path(path: bytes) -> None:
    text = as_text(path)
    assert as_bytes(text) == path
    assert not set(text) & {"\n", "\r", "\t", "\0"}


# The command ------------------------------------------------------------------


def run(repository: Repository, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "examples.git_time_machine", str(repository.path), *arguments]
    environment = ENVIRONMENT | {"PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"}
    directory = repository.path.parent
    return subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)


def test_the_command_lists_what_git_ls_tree_does(tmp_path: Path) -> None:
    (tmp_path / "repo").mkdir()
    repository = empty_repository(tmp_path / "repo")
    plain = {name: ("100644", 1) for name in NAMES if b"\xff" not in name and name not in {b"a", b"a/b"}}
    first, second = made(repository, [Planned((), plain, 1_000_000), Planned((0,), {b"x": ("160000", 1)}, 2_000_000)])
    repository.git("symbolic-ref", "HEAD", "refs/heads/c1")
    for at, commit in (
        ("HEAD", second),
        (first[:10], first),
        ("1970-01-20", first),
        ("1970-02-01T00:00+02:00", second),
    ):
        ran = run(repository, "--at", at)
        listed = repository.git("-c", "core.quotePath=false", "ls-tree", "-r", commit).decode()
        assert (ran.returncode, ran.stdout) == (0, listed), at
    assert "0 files at a time before the first commit" in run(repository, "--at", "1970-01-02").stderr


def test_the_command_refuses_what_it_cannot_answer(tmp_path: Path) -> None:
    (tmp_path / "repo").mkdir()
    repository = empty_repository(tmp_path / "repo")
    made(repository, [Planned((), {}, 1), Planned((), {}, 2)])
    repository.git("symbolic-ref", "HEAD", "refs/heads/c0")
    for at, words in (
        ("c1", "is not in the history of HEAD"),
        ("nonsense", "Needed a single revision"),
        ("2025-99-99", "is not a time"),
    ):
        ran = run(repository, "--at", at)
        assert ran.returncode != 0
        assert ran.stdout == ""
        assert words in ran.stderr
