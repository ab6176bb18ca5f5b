"""Ask: a request that was let in, as handlers see it, and answers as JSON."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import msgspec
import msgspec.inspect
from starlette.requests import Request
from starlette.responses import Response

from refold.aio import AsyncStore
from refold.errors import Conflict, shortened
from refold.eventlogs.times import moment
from refold.forms import encode
from refold.http.access import Access
from refold.http.auditing import AskFor, audit
from refold.http.bodies import JSON, check_kind, converted, json_of, whole
from refold.http.problems import Declined
from refold.http.routes import Route
from refold.problems import told

if TYPE_CHECKING:
    from refold.http.application import Api

T = TypeVar("T")
_WEIGHT: Final = re.compile(r"[01](\.[0-9]{0,3})?")
_KEY: Final = re.compile(r"[\x21-\x7e][\x20-\x7e]{0,149}")


@dataclass(frozen=True, slots=True)
class Ask:
    """A request, the route that it is for, the variables of its path, who asks, and the store that they see."""

    api: Api
    request: Request
    route: Route
    path: Mapping[str, str]
    access: Access
    store: AsyncStore

    def query(self, cls: type[T]) -> T:
        """The parameters after the question mark.

        Raises:
            Declined: 400, one is not known, stands twice, or does not fit.
        """
        several, kinds = _lists(cast("Any", cls)), _kinds(cast("Any", cls))
        given: dict[str, Any] = {}
        for name, value in self.request.query_params.multi_items():
            if name in several:
                given.setdefault(name, []).append(value)
            elif name in given:
                raise Declined(400, "bad-parameter", f"parameter {name!r} stands twice.")
            else:
                given[name] = _meant(name, value, kinds.get(name, ()))
        return converted(given, cls, "a parameter", strict=False, status=400)

    def header(self, name: str) -> str | None:
        """A header.

        Raises:
            Declined: 400, it stands twice.
        """
        found = self.request.headers.getlist(name)
        if len(found) > 1:
            raise Declined(400, "bad-header", f"header {name} stands twice.")
        return found[0] if found else None

    def preferred(self, offered: Sequence[str]) -> str:
        """The media type to answer with: of these, the one that the client likes best, the first if it does not say.

        Raises:
            Declined: 406, it likes none of them.
        """
        liked = _liked(", ".join(self.request.headers.getlist("accept")) or "*/*")
        best = max(offered, key=lambda kind: _weight(kind, liked))  # the first of several
        if _weight(best, liked) > 0:
            return best
        raise Declined(406, "not-acceptable", f"there is {', '.join(offered)} here: ask for one of them.")

    async def raw(self) -> bytes:
        """The body as it came."""
        return await whole(self.request, self.api.quotas.body_bytes)

    async def body(self, cls: type[T]) -> T:
        """The body, which is JSON.

        Raises:
            Declined: it is not, is too large, or does not fit.
        """
        check_kind(self.request)
        return converted(json_of(await self.raw()), cls)

    @property
    def idempotency_key(self) -> str | None:
        """What the client calls this request, if anything; each client has keys of its own.

        Raises:
            Declined: 400, it is not 1 to 150 characters of ASCII.
        """
        found = self.header("idempotency-key")
        if found is None:
            return None
        if not _KEY.fullmatch(found):
            raise Declined(400, "bad-header", "an Idempotency-Key has 1 to 150 printable characters of ASCII.")
        return f"http:{self.access.key}:{found}"

    async def audit(self, action: str, subject: str, reason: str) -> None:
        """Record what is about to be done, in the store that is served, whatever tenant it is done to."""
        await audit(self.api.store, self.access.name, AskFor(action, subject, reason, self.access.tenant))


@cache
def _lists(cls: type[Any]) -> frozenset[str]:
    return frozenset(
        each.name for each in msgspec.structs.fields(cls) if getattr(each.type, "__origin__", None) in {list, tuple}
    )


@cache
def _kinds(cls: type[Any]) -> Mapping[str, tuple[msgspec.inspect.Type, ...]]:
    """What each field may be."""
    known = msgspec.inspect.type_info(cls)
    assert isinstance(known, msgspec.inspect.StructType)  # noqa: S101 - parameters are Structs
    return {field.name: tuple(_parts(field.type)) for field in known.fields}


def _parts(kind: msgspec.inspect.Type) -> Iterator[msgspec.inspect.Type]:
    if isinstance(kind, msgspec.inspect.UnionType):
        for part in kind.types:
            yield from _parts(part)
    elif isinstance(kind, msgspec.inspect.Metadata):
        yield from _parts(kind.type)
    else:
        yield kind


def _meant(name: str, text: str, kinds: Sequence[msgspec.inspect.Type]) -> object:
    """The text; of a time that time, as `at` and the command line have it: a date is its first instant, in UTC."""
    is_text = any(isinstance(kind, msgspec.inspect.StrType) for kind in kinds)
    if text.lower() == "null" and not is_text:
        raise Declined(400, "bad-parameter", f"parameter {name!r} is null: leave it out.")
    if any(isinstance(kind, msgspec.inspect.DateTimeType) for kind in kinds):
        return _time_in(text)
    words = [str(each) for kind in kinds if isinstance(kind, msgspec.inspect.LiteralType) for each in kind.values]
    is_word = all(isinstance(kind, msgspec.inspect.LiteralType | msgspec.inspect.NoneType) for kind in kinds)
    if words and is_word and text not in words:
        raise Declined(400, "bad-parameter", f"parameter {name!r} is {shortened(text)}: it may be {', '.join(words)}.")
    return text


def _time_in(text: str) -> object:
    try:
        return moment(text)
    except ValueError:
        return text  # RFC 3339 has forms that are no others'; what is none is refused when it is converted


def _liked(accept: str) -> Mapping[str, float]:
    found: dict[str, float] = {}
    for part in accept.split(","):
        kind, *parameters = (each.strip().lower() for each in part.split(";"))
        weights = [each[2:] for each in parameters if each.startswith("q=")]
        found[kind] = float(weights[0]) if weights and _WEIGHT.fullmatch(weights[0]) else 1.0
    return found


def _weight(kind: str, liked: Mapping[str, float]) -> float:
    ranges = (kind, f"{kind.partition('/')[0]}/*", "*/*")
    return next((liked[each] for each in ranges if each in liked), 0.0)


def answer(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A value as JSON."""
    return Response(encode(value), status, headers, media_type=JSON)


def failed_match(error: Conflict) -> Declined:
    """A conflict of who has sent If-Match: 412, as HTTP has it."""
    return Declined(412, "precondition-failed", told(error), failures=error.failures)
