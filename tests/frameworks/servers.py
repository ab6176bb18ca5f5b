"""Programs of the examples, as their readers run them: on a real server, in a directory of their own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[2]
SECONDS = 60


def environment(*path: Path) -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("REFOLD_", "DJANGO_"))}
    found = os.pathsep.join(map(str, path))
    return ours | {"PYTHONPATH": found, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"}


def ran(directory: Path, *args: str, path: tuple[Path, ...] = (ROOT,), **variables: str) -> str:
    """What `python -m ...` says; it ends with 0."""
    done = subprocess.run(
        [sys.executable, "-m", *args], cwd=directory, env=environment(*path) | variables,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8",
        timeout=SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return done.stdout


@asynccontextmanager
async def by_uvicorn(
    directory: Path, *args: str, path: tuple[Path, ...] = (ROOT,), **variables: str
) -> AsyncGenerator[httpx.AsyncClient]:
    """A client of what `python -m ...` serves with uvicorn, at a port that is free; it ends when it is told to."""
    port = ("--port", "0") if args[0] == "uvicorn" else ()
    server = subprocess.Popen(  # noqa: ASYNC220 - nothing else runs on the loop
        [sys.executable, "-m", *args, *port], cwd=directory, env=environment(*path) | variables,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, encoding="utf-8",
    )  # fmt: skip
    assert server.stderr is not None
    said = ""
    try:
        while not (found := re.search(r"running on (http://\S+)", said)):
            line = server.stderr.readline()
            assert line, said
            said += line
        async with httpx.AsyncClient(base_url=found[1], timeout=SECONDS) as client:
            yield client
    finally:
        server.terminate()
        said += server.communicate(timeout=SECONDS)[1]
    assert "Traceback" not in said, said
