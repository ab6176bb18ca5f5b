"""SQL as text: its tokens, the names that it creates, and the same SQL under other names.

It is read as PostgreSQL and SQLite both read it, without knowing which of them will: where they differ in what a text means,
the reading that either of them refuses is the one left out.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from functools import cache, lru_cache
from itertools import dropwhile, takewhile
from string import ascii_lowercase, ascii_uppercase
from typing import Final, NamedTuple

from refold.errors import UsageError

LONGEST_NAME: Final = 63
"""In bytes of UTF-8: PostgreSQL cuts longer names off, without an error."""


class Token(NamedTuple):
    """A piece of SQL. `kind` is name, quoted, string, dollar, comment, parameter, number, space or other."""

    kind: str
    text: str

    @property
    def names(self) -> str | None:
        """What a name or a quoted name stands for; small letters unless quoted, as in PostgreSQL. A reserved word is none."""
        if self.kind == "name":
            word = folded(self.text)
            return None if word in _RESERVED else word
        if self.kind == "quoted":
            quote = self.text[-1]
            return self.text[1:-1].replace(quote * 2, quote)
        return None


class Creation(NamedTuple):
    """What a schema makes: its kind as `drop` takes it (`table`, `view`, `materialized view` ...), and its name."""

    kind: str
    name: str


def _comment(depth: int) -> str:
    """A block comment with others in it: they nest in PostgreSQL, and `re` cannot count."""
    inner = rf"|{_comment(depth - 1)}" if depth else ""
    return rf"/\*(?:[^*/]++|\*(?!/)|/(?!\*){inner})*+\*/"


_START: Final = r"[A-Za-z_\x80-\U0010FFFF]"
_NAME: Final = rf"{_START}[A-Za-z0-9_$\x80-\U0010FFFF]*"
_PLAIN: Final = r"'[^']*'"
_TOKEN: Final = rf"""
      (?P<space> \s+)
    | (?P<name> (?![eEbBnNxX]'|[uU]&'){_NAME})
    | (?P<parameter> (?<!:):[A-Za-z_]\w*)
      # What is quoted may be a string that names a relation; [a] is a name in SQLite, and in PostgreSQL reads the same.
    | (?P<quoted> "[^"]*(?:""[^"]*)*" | `[^`]*(?:``[^`]*)*` | \[{_START}[\w $-]*\]
                | (?<=(?i:nextval|currval)\(){_PLAIN} | (?<=(?i:setval)\(){_PLAIN} | {_PLAIN}(?=\s*::\s*(?i:reg)))
    | (?P<string> [eE]'[^'\\]*(?:(?:\\.|'')[^'\\]*)*' | (?:[bBnNxX]|[uU]&)?'[^']*(?:''[^']*)*')
    | (?P<dollar> (?P<tag>\$(?:{_START}\w*)?\$).*?(?P=tag))
    | (?P<comment> --[^\n]* | {_comment(7)} | /\*.*?(?:\*/|\Z))
    | (?P<number> [0-9][A-Za-z0-9_]*(?:\.[0-9][A-Za-z0-9_]*)?)
    | (?<![-+*/<>=~!@\#%^&|])[$@]{_NAME}  # a parameter to SQLite alone
    | .
    """


@cache
def _token() -> re.Pattern[str]:
    """Compiled when the first text is read, since that takes as long as loading all of `refold`."""
    return re.compile(_TOKEN, re.VERBOSE | re.DOTALL)


_FOLDING: Final = str.maketrans(ascii_uppercase, ascii_lowercase)


def _set_of(words: str) -> frozenset[str]:
    return frozenset(words.split())


_TRANSACTION: Final = _set_of("begin start commit end rollback abort savepoint release prepare set")
_MODIFIERS: Final = _set_of(
    "or replace global local temp temporary unlogged unique virtual materialized recursive constraint foreign"
)
_KINDS: Final = _set_of("table index view trigger sequence type domain function procedure aggregate")
_BETWEEN: Final = _set_of("concurrently if not exists")
_KEYS: Final = _set_of("primary unique exclude")
# Unquoted these are no names, neither in PostgreSQL nor in SQLite, so that a table "order" is told from `order by`.
_RESERVED: Final = _set_of(
    "all and as case check collate constraint create default distinct else foreign from group having in intersect into limit "
    "not null on or order primary references select table then to union unique using when where"
)


def tokens(text: str) -> Iterator[Token]:
    """The pieces of a text; joined they give it back. What is not SQL comes as `other`, a character each."""
    for found in _token().finditer(text):
        yield Token(found.lastgroup or "other", found[0])


def folded(name: str) -> str:
    """A name in small letters: both databases fold those of ASCII, and no others."""
    return name.translate(_FOLDING)


@lru_cache(maxsize=1_024)
def touches_transaction(text: str) -> bool:
    """Whether one of the statements begins or ends a transaction, or changes a setting."""
    starts = True
    for token in _words(text):
        if starts and folded(token.text) in _TRANSACTION:
            return True
        if ";" not in text:
            return False
        starts = token.text == ";"
    return False


def created(schema: str) -> tuple[str, ...]:
    """The names that `schema` creates, in order, each once: as PostgreSQL keeps them, so they may be put in quotes.

    The names of keys are among them, which are indexes in PostgreSQL (`constraint sold_pk primary key`). Bodies in dollar
    quotes are read too. Not seen are names made in another way: `select ... into`, `alter ... rename to`.

    Raises:
        UsageError: a name has its place in front (`reports.sold`), or stands in single quotes.
    """
    return tuple(dict.fromkeys(creation.name for creation in creations(schema)))


def creations(schema: str) -> tuple[Creation, ...]:
    """As `created`, with what each name is; that of a key is a `constraint`."""
    return tuple(dict.fromkeys(creation for creation, _ in _creations(schema)))


def ambiguous(schema: str) -> tuple[str, ...]:
    """The names that `schema` creates and gives to a column as well: `renamed` would rename the column too.

    Columns are the entries of the list in `create table|view NAME (...)`, `using MODULE (...)` and `create type NAME as (...)`,
    and what follows `as` in the query of a view or a table. Not seen are columns of other tables, those of `alter table` and
    `returns table (...)`, and a name for a result without `as`. In statements they end in an error that names the column;
    a view that gives such a name to a result keeps it, with the suffix.
    """
    found = {folded(column) for _, column in columns(schema)}
    return tuple(name for name in created(schema) if folded(name) in found)


def columns(schema: str) -> Iterator[tuple[str, str]]:
    """What `schema` creates with each of its columns, as far as `ambiguous` sees them."""
    return ((creation.name, name) for creation, rest in _creations(schema) for name in _columns(creation.kind, rest))


@lru_cache(maxsize=1_024)
def named(text: str) -> frozenset[str]:
    """The names that stand in a text, in small letters, those inside of dollar-quoted bodies too."""
    found = [*tokens(text)]
    bodies = (named(_opened(token)[1]) for token in found if token.kind == "dollar")
    return frozenset(folded(token.names) for token in found if token.names is not None).union(*bodies)


def named_but_for_indexes(schema: str) -> frozenset[str]:
    """The names that stand in a text, except in `create index`."""
    texts = [""]
    for token in tokens(schema):
        if token.text == ";":
            texts.append("")
        else:
            texts[-1] += token.text
    return frozenset[str]().union(*(named(text) for text in texts if not _makes_index(text)))


def _makes_index(text: str) -> bool:
    words = [_word(word) for word in _words(text)]
    return words[:2] == ["create", "index"] or words[:3] == ["create", "unique", "index"]


def renamed(text: str, names: Collection[str], suffix: str) -> str:
    """The text with `suffix` (small letters, digits, `_`) on each of `names`, inside of dollar-quoted bodies too.

    Capitals make no difference, in quotes neither: to SQLite `"Sold"` is `sold`, and a name that is left as it was would be
    that of another table, while one renamed too many is an error, or `ambiguous`.

    Strings stay as they are, except for `nextval('sold_seq')` and its like and for `'sold'::regclass`. So what is named by a
    string is not seen: `execute 'insert into sold ...'`, a function's body in single quotes, `content='sold'` of an FTS5 table
    (write `content=sold`), `insert into 'sold'` in SQLite. Nor are `"sold"` as a string in SQLite, and words of SQL that are
    names as well, such as a table `key`.

    Raises:
        UsageError: a name would become longer than PostgreSQL can tell from the one without the suffix.
    """
    return _renamed(text, frozenset(names), suffix)


@lru_cache(maxsize=1_024)
def _renamed(text: str, names: frozenset[str], suffix: str) -> str:
    for name in sorted(names):
        if (size := len(f"{name}{suffix}".encode())) > LONGEST_NAME:
            raise UsageError(
                f"{name!r} is too long a name: a new version is built under {name + suffix!r}, which has {size} bytes, "
                f"and PostgreSQL keeps {LONGEST_NAME}. Give it a shorter one."
            )
    wanted = {folded(name) for name in names}
    return "".join(_renamed_token(token, names, wanted, suffix) for token in tokens(text))


def _renamed_token(token: Token, names: frozenset[str], wanted: Collection[str], suffix: str) -> str:
    if token.kind == "dollar":
        tag, body = _opened(token)
        return f"{tag}{_renamed(body, names, suffix)}{tag}"
    name = token.names
    if name is None or folded(name) not in wanted:
        return token.text
    return token.text + suffix if token.kind == "name" else token.text[:-1] + suffix + token.text[-1]


def _opened(token: Token) -> tuple[str, str]:
    """The tag of a dollar-quoted body, and what stands in it."""
    tag = token.text[: token.text.index("$", 1) + 1]
    return tag, token.text[len(tag) : -len(tag)]


def _words(text: str) -> Iterator[Token]:
    return (token for token in tokens(text) if token.kind not in ("space", "comment"))


def _creations(schema: str) -> Iterator[tuple[Creation, Sequence[Token]]]:
    """Each creation, and the words after its name."""
    words = [*_words(schema)]
    for at, word in enumerate(words, 1):
        match _word(word):
            case "create":
                yield from _creation(words[at:])
            case "constraint" if len(words) > at + 1 and _word(words[at + 1]) in _KEYS and (name := words[at].names):
                yield Creation("constraint", name), ()
            case _ if word.kind == "dollar":
                yield from _creations(_opened(word)[1])
            case _:
                pass


def _creation(words: Sequence[Token]) -> Iterator[tuple[Creation, Sequence[Token]]]:
    """What is created, if it is of a kind that has a name of its own and is given one."""
    rest = [*dropwhile(lambda word: _word(word) in _MODIFIERS, words)]
    kind = _word(rest[0]) if rest else ""
    name, *rest = [*dropwhile(lambda word: _word(word) in _BETWEEN, rest[1:])] or [Token("other", "")]
    if kind not in _KINDS or (kind, _word(name)) == ("index", "on"):
        return
    if name.kind == "string":
        raise UsageError(
            f"create {kind} {name.text}: a name in single quotes is a string. Write it in double quotes, or none."
        )
    if rest and rest[0].text == ".":
        raise UsageError(
            f"create {kind} {''.join(word.text for word in (name, *rest[:2]))}: it names its place, but a new version is "
            "built beside the old one under other names, in the place that the store is set to. "
            f"Write it without {name.text!r} in front."
        )
    if name.names is not None:
        yield Creation(f"materialized {kind}" if _word(words[0]) == "materialized" else kind, name.names), rest


def _columns(kind: str, rest: Sequence[Token]) -> Iterator[str]:
    """What names a column in the words after the name of something created."""
    if kind not in ("table", "view", "materialized view", "type"):
        return
    first = _word(rest[0]) if rest else ""
    head = 2 if first == "using" else 1 if (kind, first) == ("type", "as") else 0
    around: list[str] = []  # what stands before each bracket that is open: nothing, if it opens the list
    before = ""
    for word in takewhile(lambda word: word.text != ";", rest[head:]):
        listed = around == [""] and before in ("(", ",")
        called = before == "as" and around[-1:] != ["cast"]
        if (listed or called) and word.names is not None:
            yield word.names
        if word.text in ("(", "["):
            around.append(before)
        elif word.text in (")", "]"):
            del around[-1:]
        before = _word(word)


def _word(token: Token) -> str:
    """A word of SQL as it is compared: in small letters. A quoted one is none."""
    return folded(token.text)
