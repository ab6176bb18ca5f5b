"""`refold review`: what is to be said of an application, by rules."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from refold.app import App
from refold.architect.baseline import Baseline, baseline_of, read_baseline
from refold.architect.finding import Finding, Stored
from refold.architect.reports import github, path_of, sarif
from refold.architect.review import review
from refold.cli.apps import app_having
from refold.cli.exits import Exit, NotFound
from refold.cli.measuring import stored_in
from refold.cli.options import app_option_for, archive_option, output_option, reading, store_url
from refold.cli.output import Column, Listing, chosen, print_list
from refold.cli.saying import say, write
from refold.cli.values import indented, visible
from refold.errors import UsageError

_COLOURS: Final = {"fact": "red", "heuristic": "yellow", "runtime": "blue"}


def _at(finding: Finding) -> str:
    path = path_of(finding.place.file, Path.cwd())
    return f"{path}:{finding.place.line}" if path and finding.place.line else path


_LISTING: Listing[Finding] = Listing(
    (
        Column("place", _at),
        Column("rule", lambda finding: finding.rule, "cyan"),
        Column("tier", lambda finding: finding.tier),
        Column("about", lambda finding: finding.about),
        Column("message", lambda finding: finding.message),
        Column("do", lambda finding: finding.do),
    ),
    lambda finding: finding,
)


@click.command(
    "review",
    short_help="Review an application by rules.",
    help="""Review an application: its classes, its code and, with --store, what it has stored, by the rules of `refold rule`.

    The code is read, not run. The exit code is 1 if there is a finding that is a fact; with --strict, if there is any. A comment
    `# refold: ignore[ES042] reason=...` silences a rule where it stands; a baseline silences what was found when it was written.

    \b
    Examples:
      refold review --app shop:app
      refold review --app shop:app --store shop.db
      refold review --app shop:app --format github
    """,
)
@app_option_for("parts to review")
@click.option(
    "--store", "url", type=store_url, metavar="URL", envvar="REFOLD_STORE", show_envvar=True,
    help="A store to look into, for the rules of the tier runtime.",
)  # fmt: skip
@archive_option
@click.option("--strict", is_flag=True, help="Any finding that is not known fails, also a heuristic.")
@click.option("--baseline", metavar="FILE", help="Findings that are known, and are not told.")
@click.option("--write-baseline", is_flag=True, help="Write all that is found to FILE, without what is there no more.")
@click.option(
    "--format", "report", type=click.Choice(("sarif", "github")),
    help="In place of --output: a SARIF 2.1.0 log, or annotations of GitHub Actions.",
)  # fmt: skip
@output_option()
@click.pass_context
def command(
    ctx: click.Context, *, app: str | None, url: str | None, strict: bool, baseline: str | None, write_baseline: bool,
    report: str | None, output: str,
) -> None:  # fmt: skip
    """See `help` above."""
    if write_baseline and baseline is None:
        raise UsageError("where is the baseline to be written? Name the file: --baseline FILE.")
    found = _found(app_having("parts", app), url)
    if baseline is not None and write_baseline:
        _write(Path(baseline), found)
        return
    known = Baseline() if baseline is None else _read(Path(baseline))
    new = known.new(found)
    _print(new, report, output)
    _sum_up(new, len(found) - len(new), len(known.gone(found)), report, output)
    failing = [each for each in new if strict or each.tier == "fact"]
    ctx.exit(Exit.FINDINGS if failing else Exit.OK)


def _found(app: App, url: str | None) -> Sequence[Finding]:
    stored: Stored | None = None
    if url is not None:
        with reading(url) as store:
            stored = stored_in(store, [*app.folds])
    return review(app, stored=stored)


def _print(found: Sequence[Finding], report: str | None, output: str) -> None:
    if report == "sarif":
        write(indented(sarif(found, Path.cwd())) + "\n")
    elif report == "github":
        write("".join(f"{line}\n" for line in github(found, Path.cwd())))
    elif chosen(output) == "table":
        for each in found:
            head = click.style(each.tier, fg=_COLOURS[each.tier])
            click.echo(f"{click.style(visible(_at(each)), bold=True)} {each.rule} {head} {visible(each.about)}")
            say(click.wrap_text(f"{each.message} {each.do}", 110, "    ", "    "))
    else:
        print_list(_LISTING, found, output)


def _sum_up(new: Sequence[Finding], known: int, gone: int, report: str | None, output: str) -> None:
    if report is not None or chosen(output) not in {"table", "plain"}:
        return
    facts = sum(each.tier == "fact" for each in new)
    told = f"{_counted(len(new), 'finding')}, {_counted(facts, 'fact')} among them" if new else "no findings"
    before = f"; {known} known" if known else ""
    stale = f"; {gone} in the baseline no more found, --write-baseline takes them out" if gone else ""
    sys.stdout.flush()
    say(f"{told}{before}{stale}.", err=True)


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _read(file: Path) -> Baseline:
    try:
        return read_baseline(file.read_bytes(), repr(str(file)))
    except FileNotFoundError:
        raise NotFound(f"there is no baseline {str(file)!r} yet: --write-baseline writes it.") from None
    except OSError as error:
        raise UsageError(f"{str(file)!r} cannot be read: {error.strerror or error}.") from error


def _write(file: Path, found: Sequence[Finding]) -> None:
    before = _read(file) if file.exists() else Baseline()
    try:
        file.write_text(baseline_of(found).text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{str(file)!r} cannot be written: {error.strerror or error}.") from error
    gone = len(before.gone(found))
    say(f"{file} was written: {_counted(len(found), 'finding')}, {gone} taken out.", err=True)
