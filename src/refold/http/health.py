"""Health and figures: whether it lives, whether what it serves gets on, and numbers for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from msgspec import Struct
from starlette.responses import Response

from refold.figures import FIGURES
from refold.flows.processes.consuming import CONSUMER
from refold.flows.projections.status import ProjectionStatus
from refold.http.asking import Ask, answer
from refold.http.bodies import JSON
from refold.http.models import builds_in
from refold.http.routes import Route, Told

PROMETHEUS: Final = "text/plain; version=0.0.4"


class StuckOut(Struct, frozen=True):
    """A read model or process for which events wait, and with which nobody gets on."""

    kind: str
    name: str
    state: str
    reason: str
    lag: int


class HealthOut(Struct, frozen=True):
    """`ok`, or `stuck` and what is, for those who may read everything."""

    status: str
    stuck: list[StuckOut]


async def live(_: Ask) -> Response:
    """Whether the server answers."""
    return answer(HealthOut("ok", []))


async def ready(ask: Ask) -> Response:
    """Whether the store answers, and read models and processes get on. What waits for a person, another server could not help."""
    await ask.store.head()
    stuck = [_stuck(each) for each in await builds_in(ask.store) if each.is_stuck and each.role == "active"]
    shown = stuck if ask.access.may("read") else []
    return answer(HealthOut("stuck" if stuck else "ok", shown), 503 if stuck else 200)


def _stuck(status: ProjectionStatus) -> StuckOut:
    is_process = status.name.startswith(CONSUMER)
    name = status.name.removeprefix(CONSUMER)
    return StuckOut("process" if is_process else "projection", name, status.state, status.reason, status.lag)


async def metrics(ask: Ask) -> Response:
    """Figures in the text format of Prometheus."""
    ask.access.check("read", [None])
    builds = [each for each in await builds_in(ask.store) if each.role != "retired"]
    lines = [*_of_builds(builds), *_own(ask, int(await ask.store.head()))]
    return Response("\n".join(lines) + "\n", media_type=PROMETHEUS)


def _of_builds(builds: Sequence[ProjectionStatus]) -> Iterator[str]:
    now = datetime.now(UTC)
    for figure, unit, means, value in FIGURES:
        name = figure.replace(".", "_") + ("_seconds" if unit == "s" else "")
        yield from _headed(name, "gauge", means)
        for each in builds:
            labels = {"name": each.name, "version": each.version, "role": each.role, "build": each.build}
            yield _line(name, value(each, now), labels)


def _own(ask: Ask, head: int) -> Iterator[str]:
    yield from _headed("refold_store_position", "gauge", "The position of the newest event.")
    yield _line("refold_store_position", head, {})
    yield from _headed("refold_http_subscriptions", "gauge", "Subscriptions that are open.")
    yield _line("refold_http_subscriptions", len(ask.api.following), {})
    yield from _headed("refold_http_requests_total", "counter", "Requests that were answered.")
    for (method, path, status), (count, _) in sorted(ask.api.served.items()):
        yield _line("refold_http_requests_total", count, {"method": method, "route": path, "status": status})
    yield from _headed(
        "refold_http_request_seconds_total", "counter", "How long their answers took to begin, together."
    )
    for (method, path, status), (_, seconds) in sorted(ask.api.served.items()):
        yield _line("refold_http_request_seconds_total", seconds, {"method": method, "route": path, "status": status})


def _headed(name: str, kind: str, means: str) -> Iterator[str]:
    yield f"# HELP {name} {means}"
    yield f"# TYPE {name} {kind}"


def _line(name: str, value: float, labels: Mapping[str, object]) -> str:
    told = ",".join(f'{key}="{_escaped(str(label))}"' for key, label in labels.items())
    number = f"{value:.9g}" if value % 1 else str(int(value))
    return f"{name}{{{told}}} {number}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


_HEALTH: Final = {JSON: HealthOut}

ROUTES: Final = (
    Route("GET", "/livez", live, None, "Whether the server answers", {200: Told("It does.", _HEALTH)}, group="health"),
    Route("GET", "/readyz", ready, None, "Whether read models and processes get on", {
        200: Told("They do.", _HEALTH), 503: Told("Some are stuck.", _HEALTH),
    }, group="health"),
    Route("GET", "/metrics", metrics, "read", "Figures for Prometheus", {
        200: Told("Figures.", {"text/plain": {"type": "string"}}),
    }, group="health"),
)  # fmt: skip
