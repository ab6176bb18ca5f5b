"""Views: a command comes in as JSON, and the state after it goes out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar, cast

import msgspec
from django.core.exceptions import BadRequest  # type: ignore[import-untyped] # pyright: ignore[reportMissingTypeStubs]
from django.http import HttpResponse  # type: ignore[import-untyped] # pyright: ignore[reportMissingTypeStubs]
from examples.concerts.rules import Announce, Concert, ReturnSeats, TakeSeats, concerts
from examples.django_concerts.models import Evening

from refold.frameworks.django import store_of

C = TypeVar("C")
HttpRequest: TypeAlias = Any
"""Django has no types."""


def concert(request: HttpRequest, id: str) -> object:
    bound = store_of(request).bind(concerts)
    if request.method == "PUT":
        command = read(request, Announce)
        return shown(bound.handle(id, command, idempotency_key=key_of(request)).state, 201)
    return shown(bound.state(id))


def seats(request: HttpRequest, id: str) -> object:
    command = read(request, TakeSeats)
    return shown(store_of(request).bind(concerts).handle(id, command, idempotency_key=key_of(request)).state, 201)


def seats_of(request: HttpRequest, id: str, guest: str) -> object:
    return shown(store_of(request).bind(concerts).handle(id, ReturnSeats(guest)).state)


def evenings(_: HttpRequest, guest: str) -> object:
    return shown(dict(Evening.objects.filter(guest=guest).values_list("concert", "seats").order_by("concert")))


def read(request: HttpRequest, cls: type[C]) -> C:
    try:
        return msgspec.json.decode(request.body, type=cls)
    except msgspec.DecodeError as error:
        raise BadRequest(str(error)) from error


def key_of(request: HttpRequest) -> str | None:
    return cast("str | None", request.headers.get("Idempotency-Key"))


def shown(value: Concert | dict[str, int], status: int = 200) -> object:
    make = cast("Callable[..., object]", HttpResponse)
    return make(msgspec.json.encode(value), status=status, content_type="application/json")
