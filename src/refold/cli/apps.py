"""The application that a command is to use, found by its name."""

from __future__ import annotations

import os
import sys
import tomllib
from importlib import import_module
from pathlib import Path
from traceback import extract_tb
from typing import Any

from refold.app import App
from refold.errors import UsageError


def application(named: str | None) -> App | None:
    """The app that `--app`, REFOLD_APP or pyproject.toml names; the working directory is on the path."""
    name = app_name(named)
    if name is None:
        return None
    module, colon, attribute = name.partition(":")
    if not (module and colon and attribute):
        raise UsageError(f"--app {name!r}: write MODULE:NAME, as in --app shop:app.")
    app = getattr(imported("--app", name, module), attribute, None)
    if not isinstance(app, App):
        what = "there is no such name in it" if app is None else f"it is {type(app).__name__}, not refold.App"
        raise UsageError(f"--app {name!r}: {what}. Write {attribute} = App(...) in {module}.")
    return app


def app_having(what: str, named: str | None) -> App:
    """The app that is named, for its projections, publications, ...

    Raises:
        UsageError: none is.
    """
    app = application(named)
    if app is None:
        raise UsageError(f"which {what}? Name the application that has them: --app module:name, or REFOLD_APP.")
    return app


def app_name(named: str | None) -> str | None:
    """The name of the app that is meant, if one is."""
    return named or _configured()


def file_of(name: str) -> Path | None:
    """Where the module of an app that was loaded stands."""
    file = getattr(sys.modules.get(name.partition(":")[0]), "__file__", None)
    return Path(file) if file else None


def imported(option: str, name: str, module: str) -> object:
    """The module that an option's value `name` begins with.

    Raises:
        UsageError: it cannot be imported.
    """
    if os.getcwd() not in sys.path:  # noqa: PTH109 - a text, as sys.path has them
        sys.path.insert(0, os.getcwd())  # noqa: PTH109
    try:
        return import_module(module)
    except Exception as error:  # whatever the module does when it is imported
        said = f"{type(error).__name__}: {error}".rstrip(".")
        raise UsageError(f"{option} {name!r}: module {module!r} cannot be imported: {said}{_place(error)}.") from error


def _place(error: BaseException) -> str:
    """Where it was raised, if that is in a file that was being imported."""
    frames = [frame for frame in extract_tb(error.__traceback__) if "importlib" not in frame.filename]
    return f" ({frames[-1].filename}, line {frames[-1].lineno})" if len(frames) > 1 else ""


def _configured() -> str | None:
    path = Path("pyproject.toml")
    if not path.is_file():
        return None
    try:
        settings: Any = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"pyproject.toml cannot be read for [tool.refold]: {error}.") from error
    app = settings.get("tool", {}).get("refold", {}).get("app")
    return None if app is None else str(app)
