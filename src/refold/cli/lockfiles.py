"""Lock files, as commands come by them: in the working directory, or as they stand in a revision of Git."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from refold.cli.apps import application
from refold.cli.exits import NotFound
from refold.cli.options import app_option_for
from refold.errors import UsageError
from refold.schema.lock import LOCK_FILE, Lock, of_text
from refold.schema.present import Present, present

F = TypeVar("F", bound=Callable[..., Any])

schema_app_option = app_option_for("events to look at")
file_option = click.option(
    "--file", default=LOCK_FILE, show_default=True, metavar="FILE", help="Where the lock stands."
)


def the_application(named: str | None) -> Present:
    """The application as it is.

    Raises:
        UsageError: none is named, or it cannot be looked at.
    """
    app = application(named)
    if app is None:
        raise UsageError("name the application: --app MODULE:NAME, REFOLD_APP, or app under [tool.refold].")
    return present(app)


def lock_in(file: str) -> Lock:
    """The lock in a file.

    Raises:
        NotFound: there is no such file.
        UsageError: it is no lock.
    """
    try:
        text = Path(file).read_bytes()
    except FileNotFoundError:
        raise NotFound(f"there is no lock file {file!r} yet: `refold schema lock` writes it.") from None
    except OSError as error:
        raise UsageError(f"{file!r} cannot be read: {error.strerror or error}.") from error
    return of_text(text, repr(file))


def lock_at(revision: str, file: str) -> Lock:
    """The lock as it stands in a revision of Git.

    Raises:
        NotFound: there is no such revision, or no lock in it.
    """
    if revision.startswith("-"):
        raise NotFound(f"{revision!r} is no revision.")
    path = Path(file)
    try:
        done = subprocess.run(  # noqa: S603 - the revision is one argument, and no option
            ["git", "show", "--end-of-options", f"{revision}:./{path.name}"],  # noqa: S607 - the git that the user has
            cwd=path.parent,
            capture_output=True,
            check=False,
        )
    except OSError as error:
        raise NotFound(f"git cannot be run ({error.strerror or error}): there is no revision {revision!r}.") from error
    if done.returncode:
        reason = done.stderr.decode(errors="replace").strip().removeprefix("fatal: ")
        raise NotFound(f"{revision!r} is no file, no store, and no revision with {file!r} in it: {reason}.")
    return of_text(done.stdout, f"{file!r} in {revision}")
