"""Reports: findings for other programs. SARIF 2.1.0, and annotations of GitHub Actions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from refold._version import __version__
from refold.architect.finding import Finding, Rule, Tier
from refold.architect.rules.catalogue import RULES

_LEVELS: Final[Mapping[Tier, str]] = {"fact": "error", "heuristic": "warning", "runtime": "note"}
_GITHUB: Final[Mapping[Tier, str]] = {"fact": "error", "heuristic": "warning", "runtime": "notice"}


def path_of(file: str, root: Path) -> str:
    """A file as it is told: from `root` on, if it is in there."""
    path = Path(file)
    return path.relative_to(root).as_posix() if file and path.is_relative_to(root) else file


def sarif(findings: Sequence[Finding], root: Path) -> dict[str, Any]:
    """The findings as a SARIF 2.1.0 log; files are told from `root` on."""
    ids = [*RULES]
    driver = {
        "name": "Refold",
        "version": __version__,
        "rules": [_rule(each) for each in RULES.values()],
    }
    return {
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": driver},
                "columnKind": "unicodeCodePoints",
                "results": [_result(each, ids, root) for each in findings],
            }
        ],
    }


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "shortDescription": {"text": rule.says},
        "fullDescription": {"text": rule.why},
        "help": {"text": f"{rule.how} When to ignore: {rule.ignore}"},
        "defaultConfiguration": {"level": _LEVELS[rule.tier]},
    }


def _result(finding: Finding, ids: Sequence[str], root: Path) -> dict[str, Any]:
    index = {"ruleIndex": ids.index(finding.rule)} if finding.rule in ids else {}
    logical = {"logicalLocations": [{"fullyQualifiedName": finding.place.object or finding.about}]}
    return {
        "ruleId": finding.rule,
        **index,
        "level": _LEVELS[finding.tier],
        "message": {"text": f"{finding.message} {finding.do}"},
        "locations": [{**_physical(finding, root), **logical}],
        "partialFingerprints": {"about/v1": f"{finding.rule} {finding.about} {finding.message}"},
    }


def _physical(finding: Finding, root: Path) -> dict[str, Any]:
    if not finding.place.file:
        return {}
    path = path_of(finding.place.file, root)
    uri = path if not Path(path).is_absolute() else Path(path).as_uri()
    region = {"region": {"startLine": finding.place.line}} if finding.place.line else {}
    return {"physicalLocation": {"artifactLocation": {"uri": uri}, **region}}


def github(findings: Iterable[Finding], root: Path) -> Iterator[str]:
    """The findings as lines that GitHub Actions shows beside the code."""
    for each in findings:
        place = {"file": path_of(each.place.file, root), "line": str(each.place.line or ""), "title": each.rule}
        told = ",".join(f"{name}={_property(value)}" for name, value in place.items() if value)
        yield f"::{_GITHUB[each.tier]} {told}::{_escaped(f'{each.message} {each.do}')}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")
