"""Texts that somebody may call things by, to break what reads them, or who reads them: written here, by kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

KINDS: Final[Mapping[str, tuple[str, ...]]] = {
    "empty": (
        "", " ", "\t", "\xa0", "\u2003", "\u3000",
    ),
    "control characters": (
        "\x00", "a\x00b", "\x07bell", "\x08\x08back", "\x1b[31mred", "\x1b]0;title\x07", "\x1b[2J\x1b[H", "\x7f",
        "\x85", "\x9b31mred", "\x9d0;title\x9c", "a\x0bb", "a\x0cb",
    ),
    "ends of lines": (
        "a\nb", "a\rb", "a\r\nSet-Cookie: a=b", "a\r\n\r\n<html>", "a\u2028b", "a\u2029b", "a\n[31merror",
        "\nrefold",
    ),
    "directions": (
        "\u202egnp.exe", "\u2066a\u2069", "a\u200fb", "\u200ea", "\u061ca", "\u0645\u0631\u062d\u0628\u0627",
        "\u05d0-1",
    ),
    "nothing to see": (
        "a\u200bb", "\u200d", "\ufeffa", "a\xadb", "\u2060", "\U000e0041", "a\ufe0f", "\u034f", "\u115f",
    ),
    "look-alikes": (
        "\u0430dmin", "admin", "\u0430dm\u0456n", "\uff53\uff48\uff4f\uff50", "\u2167", "1", "l", "I", "O", "0",
        "\u017f", "K", "\u2024\u2024/", "a\u2044b",
    ),
    "the same otherwise": (
        "\xe9", "e\u0301", "\xc5", "\xc5", "\ufb01", "fi", "\u0130", "i\u0307", "\xdf", "\u1e9e", "SS", "\u03c2",
        "\u03c3", "\ud55c", "\u1112\u1161\u11ab",
    ),
    "SQL": (
        "'; drop table events; --", "' or '1'='1", '"; delete from events; --', "1); commit; --", "%", "_", "a%b_c",
        "\\'", "--", "/*", ":name", "%(name)s", "?1", "$1", "{refold}", "{now}", "{schema}", "x'00'", "null",
    ),
    "shells": (
        "$(id)", "`id`", "; rm -rf /", "| cat", "&& true", "-rf", "--help", "-", "@file", "*", "~", "!!", "$HOME",
        'a\'b"c', "#1",
    ),
    "paths": (
        "../../etc/passwd", "..", ".", "/etc/passwd", "a/b", "a\\b", "C:\\con", "con", "nul.db", "%2e%2e%2f",
        "file:///x", "a//b",
    ),
    "pages": (
        "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "javascript:alert(1)", "</title>", "<!--",
        "]]>", "&lt;", "&amp;", "{{7*7}}", "{% raw %}", "${7*7}", "<![CDATA[", "<?xml", "&#0;",
    ),
    "formats": (
        "%s%n%x", "{0}", "{}", "{0.__class__}", "%(a)s", "%", "%%", "\\n", "\\u0000", "\\ud800", "[red]", "[/]",
        "[link=x]y[/]", ":smile:",
    ),
    "subjects": (
        "a.b", "a.>", ">", "$SYS", "$JS.API", "a b", "_INBOX", "refold",
    ),
    "sheets": (
        "=1+1", "+1", "@sum(a1)", "a,b", "a;b", "a\tb", '"a"', '"""',
    ),
    "things of a language": (
        "None", "True", "nan", "inf", "1e999", "-0", "__proto__", "constructor", "__init__", "0x10", "01", "1_000",
    ),
    "pictures": (
        "\U0001f98a", "\U0001f469\u200d\U0001f469\u200d\U0001f467", "\U0001f3f3\ufe0f\u200d\U0001f308",
        "\U0001f44d\U0001f3fd", "\U0001f1f3\U0001f1f4", "\U0010ffff", "\uffff", "\ufffe", "\ufffd", "\ud800",
        "a\udfffb",
    ),
    "many marks": (

        "Z\u0351\u036b\u0343\u036a\u0302\u036b\u033d\u034f\u0334\u0319Z\u0351\u036b\u0343\u036a\u0302\u036b\u033d\u034f\u0334\u0319Z\u0351\u036b\u0343\u036a\u0302\u036b\u033d\u034f\u0334\u0319Z\u0351\u036b\u0343\u036a\u0302\u036b\u033d\u034f\u0334\u0319Z\u0351\u036b\u0343\u036a\u0302\u036b\u033d\u034f\u0334\u0319Z\u0351\u036b\u0343\u036a\u0302\u036b\u033d\u034f\u0334\u0319Z\u0351\u036b\u0343\u036a\u0302\u036b\u033d\u034f\u0334\u0319Z\u0351\u036b\u0343\u036a\u0302\u036b\u033d\u034f\u0334\u0319",
        "a" + "\u0300" * 100,
    ),
    "lengths": (
        "x" * 199, "x" * 200, "x" * 201, "\xe4" * 200, "\U0001f98a" * 200, "x" * 10000, "-" * 50, "a-" * 50,
    ),
}  # fmt: skip
NASTY: Final = tuple(dict.fromkeys(text for texts in KINDS.values() for text in texts))
