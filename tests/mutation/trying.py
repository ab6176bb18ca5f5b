"""A plugin of pytest that collects once, and then tries mutant after mutant, each in a child that has just been collected.

`python -m pytest -p tests.mutation.trying --plan plan.json --found found.json TESTS`, in the copy of `planting`. What costs is
starting and collecting; a fork has both behind it. So a mutant costs what its tests take.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import _lru_cache_wrapper
from itertools import chain
from mmap import mmap
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, Phase, settings
from tests.mutation.choosing import Lesson, chosen, function_of
from tests.mutation.core import SECONDS
from tests.mutation.telling import score_of

HANGS: Final = 60.0
"""Seconds after which a child that neither ends nor works is ended: its mutant waits for what never comes."""
PATIENCE: Final = 4
"""How many times the CPU that its tests take a child gets, and of a second beside: one that needs more never ends."""
SERVERS: Final = frozenset({"url"})
"""Fixtures that start a server: a test that asks for one is not asked."""
MEMORY: Final = 6 << 30
"""Bytes that a child may ask for: a mutant that grows for ever ends as others do."""

# The same few examples each time. What fails is found again at once, so it is not made smaller.
settings.register_profile(
    "mutation",
    max_examples=25,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
settings.load_profile("mutation")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("mutation")
    group.addoption("--plan", type=Path, help="JSON: of each room the files of its tests, and the names of its mutants")
    group.addoption("--found", type=Path, help="where what became of them is written")
    group.addoption("--seconds", type=float, default=SECONDS, help="of CPU, at most, for the tests of one mutant")


def pytest_configure(config: pytest.Config) -> None:
    if config.option.plan:
        config.pluginmanager.register(Trying(json.loads(config.option.plan.read_text("utf-8")), config.option.found))


@dataclass
class Trying:
    """One run: what was learnt of the tests with nothing planted, and then each mutant."""

    plan: Mapping[str, tuple[Sequence[str], Sequence[str]]]
    file: Path
    failed: bool = False
    at: mmap = field(default_factory=lambda: mmap(-1, 4))
    """The number of the test that is running, in memory that the child shares."""
    kills: Counter[str] = field(default_factory=Counter[str])
    touched: set[str] = field(default_factory=set[str])
    seconds: dict[str, float] = field(default_factory=dict[str, float])
    """Of CPU that each test took with nothing planted."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> pytest.TestReport | None:
        """That a test failed is all that is asked; to say it at length would cost more than the test."""
        if call.when == "collect" or call.excinfo is None:
            return None
        if call.excinfo.errisinstance(pytest.skip.Exception):
            self.touched.clear()  # it can find nothing
            return None
        self.failed = True
        return pytest.TestReport(item.nodeid, item.location, {}, "failed", "failed", call.when)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """In place of running the tests once: run them for each mutant that they can see."""
        gc.collect()
        gc.freeze()
        items = {item.nodeid: item for item in session.items if not SERVERS.intersection(_fixtures(item))}
        lessons, found = self._lessons(items), dict[str, dict[str, str]]()
        for room, (files, mutants) in self.plan.items():
            mine = [lesson for lesson in lessons if lesson.test.partition("::")[0] in files]
            functions = {function_of(mutant) for mutant in mutants}
            tests = chosen(mine, functions, session.config.option.seconds, files)
            self._control(room, [items[name] for name in dict.fromkeys(chain(*tests.values()))])
            found[room] = {mutant: self._try(mutant, tests[function_of(mutant)], items) for mutant in mutants}
            self.file.write_text(json.dumps(found, indent=1), "utf-8")
            _say(score_of(room, found[room]))
        return True

    def _lessons(self, items: dict[str, pytest.Item]) -> list[Lesson]:
        """What each test touches, and what it takes. One that fails with nothing planted is told, and not asked."""
        file = self.file.with_name("lessons")
        file.unlink(missing_ok=True)
        _in_child(lambda: self._learn(items, file), "stats", cpu=3600, wall=3600)
        lessons = [Lesson(**line) for line in map(json.loads, file.read_text("utf-8").splitlines())]
        self.seconds = {lesson.test: lesson.seconds for lesson in lessons}
        for lesson in lessons:
            if lesson.failed:
                _say(f"not asked, as it fails with nothing planted: {lesson.test}")
        return [lesson for lesson in lessons if not lesson.failed]

    def _learn(self, items: dict[str, pytest.Item], file: Path) -> int:
        trampoline: Any = importlib.import_module("mutmut.mutation.trampoline")
        trampoline.record_trampoline_hit = lambda name, caller=None: self.touched.add(name)
        with file.open("w", encoding="utf-8") as lessons:
            for name, item in items.items():
                _forget()
                self.touched.clear()
                began = time.process_time()
                failed = self._fails([item])
                lesson = Lesson(name, time.process_time() - began, sorted(self.touched), failed)
                lessons.write(json.dumps(asdict(lesson)) + "\n")
                lessons.flush()
        return 0

    def _control(self, room: str, tests: Sequence[pytest.Item]) -> None:
        """With nothing planted all must pass, as they are asked here, or a kill says nothing."""
        if _in_child(lambda: int(self._fails(tests)), "", cpu=600, wall=1800) != 0:
            pytest.exit(f"the tests of {room} fail with nothing planted", returncode=3)

    def _try(self, mutant: str, tests: Sequence[str], items: Mapping[str, pytest.Item]) -> str:
        """What killed others goes first: who looks closely at one line looks closely at the next."""
        if not tests:
            return "untouched"
        asked = sorted(tests, key=lambda test: -self.kills[test])
        cpu = int(PATIENCE * (1 + sum(self.seconds[test] for test in tests)))
        code = _in_child(lambda: int(self._fails([items[test] for test in asked])), mutant, cpu=cpu, wall=HANGS)
        if code == 1:
            self.kills[asked[int.from_bytes(self.at[:4], "big")]] += 1
        return {0: "survived", 1: "killed"}.get(code, "hung")

    def _fails(self, items: Sequence[pytest.Item]) -> bool:
        """Whether one of these tests fails; those after it are not run."""
        self.failed = False
        for number, (item, following) in enumerate(zip(items, (*items[1:], None), strict=False)):
            self.at[:4] = number.to_bytes(4, "big")
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if self.failed:
                return True
        return False


def _say(what: object) -> None:
    print(what, file=sys.__stderr__, flush=True)


def _forget() -> None:
    """What one test has left in caches would hide what the next one touches."""
    for name, module in [*sys.modules.items()]:
        if name.partition(".")[0] == "refold":
            for value in vars(module).values():
                if isinstance(value, _lru_cache_wrapper):
                    value.cache_clear()


def _fixtures(item: pytest.Item) -> Sequence[str]:
    return item.fixturenames if isinstance(item, pytest.Function) else ()


def _in_child(work: Callable[[], int], mutant: str, *, cpu: int, wall: float) -> int:
    """Do this in a fork, with one mutant awake; its exit code, negative if it was ended."""
    child = os.fork()
    if child == 0:
        _be_alone(mutant, cpu)
        code = 1  # what breaks pytest itself is found, too
        try:
            code = work()
        finally:
            os._exit(code)
    ends = time.monotonic() + wall
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > ends:
            os.kill(child, 9)
            os.waitpid(child, 0)
            return -9
        time.sleep(0.005)


def _be_alone(mutant: str, cpu: int) -> None:
    """In the child: wake the mutant, be silent, and be ended if it never ends."""
    gc.disable()
    os.environ["MUTANT_UNDER_TEST"] = mutant
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    used = int(time.process_time())
    resource.setrlimit(resource.RLIMIT_CPU, (used + cpu, used + cpu + 1))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
