"""`refold new`: a project that runs and passes its tests."""

from __future__ import annotations

import keyword
import sys
from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

import click

from refold._version import __version__
from refold.cli.consent import counted, dry_run_option
from refold.cli.options import output_option
from refold.cli.output import chosen, print_object
from refold.cli.saying import say
from refold.errors import Refused, UsageError

_LAYERS: Final[Mapping[str, tuple[str, ...]]] = {
    "minimal": ("rules", "sql", "minimal"),
    "fastapi": ("rules", "sql", "fastapi"),
    "django": ("rules", "django"),
}
"""The directories under templates/ that a template is put together from."""
_SUFFIX: Final = ".tmpl"
_TAKEN: Final = frozenset({"django", "fastapi", "hypothesis", "pytest", "refold", "tests", "uvicorn"})


@click.command(
    "new",
    short_help="Make a project that runs and passes its tests.",
    help="""Make a project that runs and passes its tests, in a new directory NAME; its README.md says how.

    It has a few rules, a read model and tests of both, to begin with. Nothing that is there is ever overwritten.

    \b
    Examples:
      refold new bank
      refold new web-bank --template fastapi --dry-run
    """,
)
@click.argument("name")
@click.option(
    "--template", type=click.Choice([*_LAYERS]), default="minimal", show_default=True,
    help="minimal is a program; fastapi and django serve it.",
)  # fmt: skip
@dry_run_option
@output_option(("auto", "table", "json", "plain"))
def command(*, name: str, template: str, dry_run: bool, output: str) -> None:
    """See `help` above."""
    package = package_of(name)
    project = {path: rendered(text, name, package) for path, text in sorted(template_files(template, package))}
    place = Path(name)
    if place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise Refused(f"{name!r} is there already, and nothing in it was touched: take another name, or move it away.")
    if not dry_run:
        write(place, project)
    form = {"name": name, "package": package, "template": template, "made": not dry_run, "files": [*project]}
    if chosen(output) == "json":
        print_object(form, output, lambda: None)
        return
    say("\n".join(str(place / path) for path in project))
    would = "would be made; nothing was" if dry_run else "were made: go on with README.md"
    say(f"{counted(len(project), 'file')} {would}.", err=True)


def package_of(name: str) -> str:
    """The package of a project of this name.

    Raises:
        UsageError: it cannot be one, or is the name of another.
    """
    package = name.replace("-", "_")
    if not (package.isascii() and package.isidentifier() and package.islower()) or keyword.iskeyword(package):
        raise UsageError(f"{name!r} cannot be a package: take lower-case letters, digits and hyphens, as in web-bank.")
    if package in _TAKEN or package in sys.stdlib_module_names:
        raise UsageError(f"{name!r} is the name of another package, which could not be imported then: take another.")
    return package


def template_files(template: str, package: str) -> Iterator[tuple[str, str]]:
    """The path of each file of a project, and its text before names are put in."""
    for layer in _LAYERS[template]:
        yield from _under(files("refold.cli").joinpath("templates", layer), "", package)


def _under(directory: Traversable, path: str, package: str) -> Iterator[tuple[str, str]]:
    for each in directory.iterdir():
        name = path + each.name.replace("PACKAGE", package)
        if each.is_dir():
            yield from _under(each, f"{name}/", package)
        elif name.endswith(_SUFFIX):
            yield name.removesuffix(_SUFFIX), each.read_text("utf-8")


def rendered(text: str, name: str, package: str) -> str:
    """A file of a template, with the names in it."""
    for mark, value in (("@name@", name), ("@package@", package), ("@version@", __version__)):
        text = text.replace(mark, value)
    return text


def write(place: Path, project: Mapping[str, str]) -> None:
    """Write the files.

    Raises:
        UsageError: they cannot be written there.
    """
    try:
        for path, text in project.items():
            (place / path).parent.mkdir(parents=True, exist_ok=True)
            with (place / path).open("x", encoding="utf-8") as file:
                file.write(text)
    except OSError as error:
        raise UsageError(f"{error.filename!r} cannot be made ({error.strerror}): take another place.") from error
